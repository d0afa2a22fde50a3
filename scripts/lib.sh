# shellcheck shell=bash
# What the scripts of this folder have in common. Sourced, never run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Without a login as root, Debian leaves out the folders dockerd and iptables are in.
PATH=$PATH:/usr/sbin:/sbin

cache=${AICAGE_TEST_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/aicage-builder-tests}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# on_exit COMMAND   runs COMMAND when the script ends, before those that were given earlier
at_exit=
on_exit() {
  at_exit="$1; $at_exit"
  # shellcheck disable=SC2064 # what is known now is meant
  trap "$at_exit" EXIT
}

# build_release   builds both programs; sets release to the folder they are in.
build_release() {
  cargo build --release --locked -p aicage-builder -p aicage-checker
  # shellcheck disable=SC2034 # for demo and image
  release=${CARGO_TARGET_DIR:-target}/$(rustc --print host-tuple)/release
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    command -v sudo >/dev/null || die "this needs root, and there is no sudo: run it as root: $*"
    sudo "$@"
  fi
}

engine_socket() {
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  echo "${host#unix://}"
}

# What a program that runs through sudo must know of a company's network.
kept_variables=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY,SSL_CERT_FILE,NODE_EXTRA_CA_CERTS

# engine_answers [PREFIX...]   whether the user's Docker engine does, asked through PREFIX (as_root)
engine_answers() {
  [ "$("$@" curl -s --max-time 5 --unix-socket "$(engine_socket)" http://engine/_ping 2>/dev/null)" = OK ]
}

# Finds the user's engine, or starts one for as long as this script runs.
# Exports DOCKER_HOST; with_engine is what to put before a command that talks to it; started is yes if it was started.
find_engine() {
  with_engine=()
  started=
  if engine_answers; then
    say "using the Docker engine at $(engine_socket)"
  elif [ "$(id -u)" != 0 ] && engine_answers as_root; then
    say "using the Docker engine at $(engine_socket), with sudo: it is not open to $(id -un)"
    with_engine=(sudo --preserve-env="$kept_variables" env "HOME=$HOME" "PATH=$PATH" "DOCKER_HOST=unix://$(engine_socket)")
  else
    local own=$cache/host/run/docker.sock
    if DOCKER_HOST=unix://$own engine_answers; then
      say "using the Docker engine that was started before, at $own"
    else
      say "no Docker engine answers at $(engine_socket): starting one for this run, its data is kept in $cache/host"
      # shellcheck disable=SC2034 # for demo and image
      started=yes
      on_exit 'tests/engines/engine stop host'
    fi
    DOCKER_HOST=$(tests/engines/engine start host | tail -n 1)
  fi
  DOCKER_HOST=unix://$(engine_socket)
  export DOCKER_HOST
}

# make_root_image TAG VARIANT   makes TAG on the engine from Debian's packages, see tests/engines/root-image
make_root_image() {
  "${with_engine[@]}" env "AICAGE_TEST_ENGINES=$cache" tests/engines/root-image "$(engine_socket)" "$@"
}

# find_base   sets base to an image that agents can be built on: AICAGE_DEMO_BASE,
# else the published one, else one made here from Debian's packages.
find_base() {
  base=${AICAGE_DEMO_BASE:-}
  [ -z "$base" ] || return 0
  case $(curl -s -o /dev/null --max-time 5 -w '%{http_code}' https://ghcr.io/v2/) in
  200 | 401)
    base=ghcr.io/aicage/aicage-image-base:debian
    ;;
  *)
    base=aicage-demo-base:debian
    say "no container registry can be reached: the base image is $base, made from Debian's packages"
    make_root_image "$base" node
    ;;
  esac
}
