# shellcheck shell=bash
# What the scripts of this folder have in common: the cache folder, becoming
# root, locks, and servers that run in a root file system and namespaces of
# their own. Sourced, never run.

set -euo pipefail
umask 022
# Without a login as root, Debian leaves out the folders iptables and ip are in.
PATH=$PATH:/usr/sbin:/sbin

engines=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${AICAGE_TEST_ENGINES:-${XDG_CACHE_HOME:-$HOME/.cache}/aicage-builder-tests}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# Starts the script again as root where it is not. The cache folder stays the
# caller's: root has another home.
become_root() {
  mkdir -p "$cache"
  [ "$(id -u)" != 0 ] || return 0
  command -v sudo >/dev/null || die "this needs root, and there is no sudo: run it as root"
  local keep=() name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!name:-}" ] || keep+=("$name=${!name}")
  done
  exec sudo env "PATH=$PATH" "AICAGE_TEST_ENGINES=$cache" "${keep[@]}" "$0" "$@"
}

# Holds FILE's lock until the script ends. Servers are started with 9>&-, or
# they would hold it for as long as they live.
lock() {
  exec 9>"$1"
  flock 9
}

# When a process started, in clock ticks since boot. With its number it names
# one process: numbers alone are given again. Fails when it has ended.
started() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # What follows the program's name, which may hold anything: the state, then numbers.
  read -ra stat <<<"${stat##*) }"
  [ "${stat[0]}" != Z ] && echo "${stat[19]}"
}

# Prints the process number of the server in DIR if it is alive, else fails.
alive() {
  local pid when
  read -r pid when 2>/dev/null <"$1/pid" || return 1
  [ "$(started "$pid")" = "${when:-none}" ] && echo "$pid"
}

# serve DIR ROOT [--bind SOURCE TARGET]... -- COMMAND...
# Starts COMMAND in ROOT in the background; all it starts ends when it ends.
serve() {
  local dir=$1 pid
  shift
  setsid unshare --mount --propagation private --pid --fork --kill-child \
    "$engines/inside" "$@" </dev/null >"$dir/log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(started "$pid")" >"$dir/pid"
}

# Waits until "$@" succeeds; fails when the server in DIR dies first, or after a minute.
wait_for() {
  local dir=$1 try
  shift
  for ((try = 0; try < 300; try++)); do
    if "$@"; then return 0; fi
    alive "$dir" >/dev/null || break
    sleep 0.2
  done
  tail -n 20 "$dir/log" >&2
  return 1
}

# Ends the server in DIR: asked first, killed after half a minute.
finish() {
  local dir=$1 pid try
  if pid=$(alive "$dir"); then
    pkill -TERM -P "$pid" || true
    for ((try = 0; try < 150; try++)); do
      alive "$dir" >/dev/null || break
      sleep 0.2
    done
    ! alive "$dir" >/dev/null || kill -KILL "$pid"
  fi
  rm -f "$dir/pid"
}

# Runs a command in ROOT to its end: in_root ROOT [--bind ...] -- COMMAND...
in_root() {
  unshare --mount --propagation private --pid --fork --kill-child "$engines/inside" "$@"
}
