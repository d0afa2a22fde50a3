# Runs "$@" in a build step. Everything written here lies under /dev and is gone with the step.
d=/dev/aicage
w=$d
export LC_ALL="${LC_ALL-C.UTF-8}"
# A process of a user of its own may write nothing where root's things are.
if ! mkdir -p "$d" 2>/dev/null || [ ! -w "$d" ]; then
  w=/dev/shm/aicage.$$
  mkdir -p "$w" || exec "$@"
fi
settings=$w/apt.conf

# The company's certificates, when the session has them. They are added to what the image trusts already, and reach the
# usual tools by variables of this process alone.
if [ -s "$d/ca.crt" ]; then
  for own in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    if [ -s "$own" ]; then cat "$own"; echo; break; fi
  done >"$w/trust.pem"
  cat "$d/ca.crt" >>"$w/trust.pem"
  chmod 644 "$w/trust.pem"
  for name in SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS \
    AWS_CA_BUNDLE DENO_CERT NIX_SSL_CERT_FILE; do
    export "$name=$w/trust.pem"
  done
  echo "Acquire::https::CaInfo \"$w/trust.pem\";" >>"$settings"
  if [ -z "$WGETRC" ]; then
    echo "ca_certificate = $w/trust.pem" >"$w/wgetrc"
    export WGETRC="$w/wgetrc"
  fi
fi

# What package managers download goes to caches that builds share, where this step has them, and into no layer.
c=$d/cache
if [ -w "$c/npm" ] && [ -z "$npm_config_cache$NPM_CONFIG_CACHE" ]; then export npm_config_cache="$c/npm"; fi
if [ -w "$c/pip" ] && [ -z "$PIP_CACHE_DIR" ]; then export PIP_CACHE_DIR="$c/pip"; fi
if [ -w "$c/apt" ] && [ -d /etc/apt ]; then
  # Two distributions may have different packages in files of one name.
  a=$c/apt/$(. /etc/os-release 2>/dev/null && echo "${ID-}-${VERSION_ID-$VERSION_CODENAME}")
  if mkdir -p "$a/archives/partial"; then
    echo "Dir::Cache \"$a\"; APT::Keep-Downloaded-Packages \"true\"; Binary::apt::APT::Keep-Downloaded-Packages \"true\";" >>"$settings"
  fi
  # Lists are no use to anybody later: each step fetches new ones. The steps of a Dockerfile may count on each other's.
  lists=/var/lib/apt/lists
  if [ "$0" = aicage ] && [ -w "$lists" ]; then fresh=1; before=" $(ls -A "$lists" | tr '\n' ' ')"; fi
fi
crates=${CARGO_HOME:-$HOME/.cargo}
if [ -w "$c/cargo" ] && [ -n "$HOME$CARGO_HOME" ] && [ ! -e "$crates/registry" ]; then
  [ -d "$crates" ] || made=$crates
  mkdir -p "$crates" && ln -s "$c/cargo" "$crates/registry"
fi
if [ -s "$settings" ] && [ -z "$APT_CONFIG" ]; then export APT_CONFIG="$settings"; fi

leave() {
  if [ -L "$crates/registry" ]; then rm -f "$crates/registry"; fi
  if [ -n "$made" ]; then rmdir "$made" 2>/dev/null; fi
  if [ -n "$fresh" ] && [ "${before#*Release}" = "$before" ]; then
    for entry in "$lists"/* "$lists"/.[!.]*; do
      case $before in *" ${entry##*/} "*) ;; *) rm -rf "$entry" ;; esac
    done
  fi
  exit "$1"
}

# The engine clips a step's output, separately for each stream. All output goes to the first stream; the last lines of a
# failure are kept here and said again on the second, which nothing else uses.
if ! command -v tee >/dev/null 2>&1 || ! command -v tail >/dev/null 2>&1 || ! mkfifo "$w/output" "$w/ending" 2>/dev/null; then
  "$@" </dev/null
  leave $?
fi
tail -c 65536 <"$w/ending" >"$w/tail" &
keeper=$!
tee "$w/ending" <"$w/output" &
copier=$!
"$@" >"$w/output" 2>&1 </dev/null
code=$?
# A process left behind by the script may hold the pipe open for ever.
{ sleep 2; kill "$copier"; } >/dev/null 2>&1 &
# The shell says "Terminated" of what it killed.
wait "$copier" 2>/dev/null
if [ "$code" -ne 0 ]; then
  wait "$keeper"
  tail -n 40 "$w/tail" >&2
fi
leave "$code"
