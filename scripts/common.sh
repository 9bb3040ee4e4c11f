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
