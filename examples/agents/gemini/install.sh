#!/usr/bin/env bash
set -euo pipefail

# What would otherwise stay in the layer: npm's cache, and what a first start leaves in the home folder.
scratch=$(mktemp -d -p "$HOME")
trap 'rm -rf "$scratch"' EXIT

package=@google/gemini-cli@$AICAGE_AGENT_VERSION
# Gemini CLI needs Node.js 20. On a base with an older one, as Debian 12 has, it gets one of its own, also from npm.
if node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)'; then
  npm install -g --cache "$scratch" --logs-max 0 "$package"
else
  npm install -g --cache "$scratch" --logs-max 0 --prefix /opt/gemini node@22 "$package"
  printf '#!/bin/sh\nexec /opt/gemini/bin/node /opt/gemini/bin/gemini "$@"\n' >/usr/local/bin/gemini
  chmod 755 /usr/local/bin/gemini
fi

# An image whose agent does not start is a failed build.
HOME=$scratch gemini --version
