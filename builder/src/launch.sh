# Runs "$@" in a build step. Everything written here lies under /dev and is gone with the step.
# Its variables have a prefix and a value from the start: the image's own, and a Dockerfile's arguments, come the same way.
aicage_d=/dev/aicage
aicage_fresh= aicage_before= aicage_made= aicage_linked=
aicage_w=$aicage_d
aicage_lists=/var/lib/apt/lists
export LC_ALL="${LC_ALL-C.UTF-8}"
# A process of a user of its own may write nothing where root's things are.
if ! mkdir -p "$aicage_d" 2>/dev/null || [ ! -w "$aicage_d" ]; then
  aicage_w=/dev/shm/aicage.$$
  mkdir -p "$aicage_w" || exec "$@"
fi
aicage_settings=$aicage_w/apt.conf

# The company's certificates, when the session has them. They are added to what the image trusts already, and reach the
# usual tools by variables of this process alone.
if [ -s "$aicage_d/ca.crt" ]; then
  for aicage_own in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    if [ -s "$aicage_own" ]; then cat "$aicage_own"; echo; break; fi
  done >"$aicage_w/trust.pem"
  cat "$aicage_d/ca.crt" >>"$aicage_w/trust.pem"
  chmod 644 "$aicage_w/trust.pem"
  for aicage_name in SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS \
    AWS_CA_BUNDLE DENO_CERT NIX_SSL_CERT_FILE; do
    export "$aicage_name=$aicage_w/trust.pem"
  done
  echo "Acquire::https::CaInfo \"$aicage_w/trust.pem\";" >>"$aicage_settings"
  if [ -z "$WGETRC" ]; then
    echo "ca_certificate = $aicage_w/trust.pem" >"$aicage_w/wgetrc"
    export WGETRC="$aicage_w/wgetrc"
  fi
fi

# What package managers download goes to caches that builds share, where this step has them, and into no layer.
aicage_c=$aicage_d/cache
if [ -w "$aicage_c/npm" ] && [ -z "$npm_config_cache$NPM_CONFIG_CACHE" ]; then export npm_config_cache="$aicage_c/npm"; fi
if [ -w "$aicage_c/pip" ] && [ -z "$PIP_CACHE_DIR" ]; then export PIP_CACHE_DIR="$aicage_c/pip"; fi
if [ -w "$aicage_c/apt" ] && [ -d /etc/apt ]; then
  # Two distributions may have different packages in files of one name.
  aicage_a=$aicage_c/apt/$(. /etc/os-release 2>/dev/null && echo "${ID-}-${VERSION_ID-$VERSION_CODENAME}")
  if mkdir -p "$aicage_a/archives/partial"; then
    echo "Dir::Cache \"$aicage_a\"; APT::Keep-Downloaded-Packages \"true\"; Binary::apt::APT::Keep-Downloaded-Packages \"true\";" >>"$aicage_settings"
  fi
  # Lists are no use to anybody later: each step fetches new ones. The steps of a Dockerfile may count on each other's.
  if [ "$0" = aicage ] && [ -w "$aicage_lists" ]; then aicage_fresh=1; aicage_before=" $(ls -A "$aicage_lists" | tr '\n' ' ')"; fi
fi
aicage_crates=${CARGO_HOME:-$HOME/.cargo}
if [ -w "$aicage_c/cargo" ] && [ -n "$HOME$CARGO_HOME" ] && [ ! -e "$aicage_crates/registry" ] && [ ! -L "$aicage_crates/registry" ]; then
  [ -d "$aicage_crates" ] || aicage_made=$aicage_crates
  mkdir -p "$aicage_crates" && ln -s "$aicage_c/cargo" "$aicage_crates/registry" && aicage_linked=1
fi
if [ -s "$aicage_settings" ] && [ -z "$APT_CONFIG" ]; then export APT_CONFIG="$aicage_settings"; fi

leave() {
  if [ -n "$aicage_linked" ] && [ -L "$aicage_crates/registry" ]; then rm -f "$aicage_crates/registry"; fi
  if [ -n "$aicage_made" ]; then rmdir "$aicage_made" 2>/dev/null; fi
  if [ -n "$aicage_fresh" ] && [ "${aicage_before#*Release}" = "$aicage_before" ]; then
    for aicage_entry in "$aicage_lists"/* "$aicage_lists"/.[!.]*; do
      case $aicage_before in *" ${aicage_entry##*/} "*) ;; *) rm -rf "$aicage_entry" ;; esac
    done
  fi
  exit "$1"
}

# The engine clips a step's output, separately for each stream: above 200 KiB/s. All output goes to the first stream; the
# last lines of a failure are kept here and said again on the second, which nothing else uses.
if ! command -v tee >/dev/null 2>&1 || ! command -v tail >/dev/null 2>&1 || ! mkfifo "$aicage_w/output" "$aicage_w/ending" 2>/dev/null; then
  "$@" </dev/null
  leave $?
fi
tail -c 163840 <"$aicage_w/ending" >"$aicage_w/tail" &
aicage_keeper=$!
tee "$aicage_w/ending" <"$aicage_w/output" &
aicage_copier=$!
"$@" >"$aicage_w/output" 2>&1 </dev/null
aicage_code=$?
# A process left behind by the script may hold the pipe open for ever.
{ sleep 2; kill "$aicage_copier"; } >/dev/null 2>&1 &
# The shell says "Terminated" of what it killed.
wait "$aicage_copier" 2>/dev/null
if [ "$aicage_code" -ne 0 ]; then
  wait "$aicage_keeper"
  { echo "aicage: the last lines again:"; tail -n 40 "$aicage_w/tail"; } >&2
fi
leave "$aicage_code"
