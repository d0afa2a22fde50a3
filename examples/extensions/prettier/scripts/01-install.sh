#!/usr/bin/env bash
set -euo pipefail

# A file beside the scripts; changing it runs the extension again.
version=$(cat "$(dirname "$0")/../version.txt")
npm install --global "prettier@$version"
prettier --version
