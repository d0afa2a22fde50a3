#!/usr/bin/env bash
set -euo pipefail

# The cache of the downloads would stay in the layer.
npm_config_cache=$(mktemp -d)
export npm_config_cache
trap 'rm -rf "$npm_config_cache"' EXIT

npm install -g @openai/codex@"$AICAGE_AGENT_VERSION"
codex --version
