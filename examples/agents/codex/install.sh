#!/usr/bin/env bash
set -euo pipefail

# What would otherwise stay in the layer: npm's cache, and what a first start leaves in the home folder.
scratch=$(mktemp -d -p "$HOME")
trap 'rm -rf "$scratch"' EXIT

npm install -g --cache "$scratch" --logs-max 0 @openai/codex@"$AICAGE_AGENT_VERSION"

# An image whose agent does not start is a failed build.
CODEX_HOME=$scratch codex --version
