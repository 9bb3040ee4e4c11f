# Sourced by every script here: strict mode, the project root as the working
# directory, and one way to speak.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
NAME=${0##*/}

say() { echo "$NAME: $*" >&2; }
die() { say "$*"; exit 1; }
needs() { # COMMAND WHAT-TO-DO
  command -v "$1" >/dev/null || die "needs $1: $2"
}

# A file that did not change keeps its time stamp: what was made of it stays
# valid.
install_if_changed() { # FROM TO
  ! cmp -s "$1" "$2" || return 0
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new"
  mv "$2.new" "$2"
}
