# Runs the scripts of a folder, "$1", in byte order of their names; the first that fails is the last.
LC_ALL_BEFORE=$LC_ALL
LC_ALL=C
set -- "$1" "$1"/*.sh
LC_ALL=$LC_ALL_BEFORE
folder=$1
shift
for script in "$@"; do
  [ -f "$script" ] || continue
  echo "--- ${script#"$folder"/}"
  IFS= read -r first <"$script"
  case $first in
    '#!'*) "$script" ;;
    *)
      if ! command -v bash >/dev/null; then
        echo "${script#"$folder"/} does not begin with a line such as #!/bin/sh, and this image has no bash to run it" >&2
        exit 127
      fi
      bash "$script"
      ;;
  esac
  code=$?
  if [ "$code" -ne 0 ]; then
    echo "${script#"$folder"/} failed with exit code $code" >&2
    exit "$code"
  fi
done
