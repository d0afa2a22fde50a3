# Runs "$@" in a build step. Everything written here lies under /dev and is gone with the step.
d=/dev/aicage
export LC_ALL="${LC_ALL-C.UTF-8}"

# The company's certificates, when the session has them. They are added to what the image trusts already, and reach the
# usual tools by variables of this process alone.
if [ -s "$d/ca.crt" ]; then
  for own in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    if [ -s "$own" ]; then cat "$own"; echo; break; fi
  done >"$d/trust.pem"
  cat "$d/ca.crt" >>"$d/trust.pem"
  chmod 644 "$d/trust.pem"
  for name in SSL_CERT_FILE CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_CERT GIT_SSL_CAINFO CARGO_HTTP_CAINFO NODE_EXTRA_CA_CERTS \
    AWS_CA_BUNDLE DENO_CERT NIX_SSL_CERT_FILE; do
    export "$name=$d/trust.pem"
  done
  if [ -z "$APT_CONFIG" ]; then
    echo "Acquire::https::CaInfo \"$d/trust.pem\";" >"$d/apt.conf"
    export APT_CONFIG="$d/apt.conf"
  fi
  if [ -z "$WGETRC" ]; then
    echo "ca_certificate = $d/trust.pem" >"$d/wgetrc"
    export WGETRC="$d/wgetrc"
  fi
fi

# The engine clips a step's output, separately for each stream. All output goes to the first stream; the last lines of a
# failure are kept here and said again on the second, which nothing else uses.
if ! mkfifo "$d/output" "$d/ending"; then exec "$@"; fi
tail -c 65536 <"$d/ending" >"$d/tail" &
keeper=$!
tee "$d/ending" <"$d/output" &
copier=$!
"$@" >"$d/output" 2>&1 </dev/null
code=$?
# A process left behind by the script may hold the pipe open for ever.
{ sleep 2; kill "$copier"; } >/dev/null 2>&1 &
# The shell says "Terminated" of what it killed.
wait "$copier" 2>/dev/null
if [ "$code" -ne 0 ]; then
  wait "$keeper"
  tail -n 40 "$d/tail" >&2
fi
exit "$code"
