# Runs the scripts of a folder, "$1", in byte order of their names; the first that fails is the last.
aicage_locale=$LC_ALL
LC_ALL=C
set -- "$1" "$1"/*.sh
LC_ALL=$aicage_locale
aicage_folder=$1
shift
for aicage_script in "$@"; do
  [ -f "$aicage_script" ] || continue
  echo "--- ${aicage_script#"$aicage_folder"/}"
  IFS= read -r aicage_first <"$aicage_script"
  case $aicage_first in
    '#!'*) "$aicage_script" ;;
    *)
      if ! command -v bash >/dev/null; then
        echo "${aicage_script#"$aicage_folder"/} does not begin with a line such as #!/bin/sh, and this image has no bash to run it" >&2
        exit 127
      fi
      bash "$aicage_script"
      ;;
  esac
  aicage_code=$?
  if [ "$aicage_code" -ne 0 ]; then
    echo "${aicage_script#"$aicage_folder"/} failed with exit code $aicage_code" >&2
    exit "$aicage_code"
  fi
done
