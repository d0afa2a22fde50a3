#!/usr/bin/env bash
set -euo pipefail

install -D -m 644 "$(dirname "$0")/../prettierrc.json" /etc/skel/.prettierrc.json
