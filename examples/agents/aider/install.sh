#!/usr/bin/env bash
set -euo pipefail

# An environment of its own: distributions keep pip out of theirs. The system's pip (22.3 or later) fills it, as not
# every base has what a second pip is made from (Debian: python3-venv).
python3 -m venv --without-pip /opt/aider
python3 -m pip --python /opt/aider/bin/python install --no-cache-dir --progress-bar off \
  "aider-chat==$AICAGE_AGENT_VERSION"
ln -s /opt/aider/bin/aider /usr/local/bin/aider

# An image whose agent does not start is a failed build. A first start leaves files in the home folder.
scratch=$(mktemp -d -p "$HOME")
trap 'rm -rf "$scratch"' EXIT
HOME=$scratch aider --version
