#!/usr/bin/env bash
set -euo pipefail

# The registry and its token: --secret id=npmrc,src=$HOME/.npmrc
xargs npm install --global --userconfig "$AICAGE_SECRETS/npmrc" <"$(dirname "$0")/../packages.txt"
