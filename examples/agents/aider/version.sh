#!/usr/bin/env bash
set -euo pipefail
# The first line reads: aider-chat (0.86.2)
python3 -m pip index versions --ignore-requires-python aider-chat | sed -n '1s/.*(\(.*\))$/\1/p'
