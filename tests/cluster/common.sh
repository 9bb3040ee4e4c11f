# shellcheck shell=bash
# Sourced by the scripts here: where the cluster lives, under target/ alone, and
# its addresses, which exist in its own network namespaces only.
# shellcheck source=scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
# Where Go's own installer puts it.
PATH=$PATH:/usr/local/go/bin
CLUSTER=$ROOT/tests/cluster
STATE=$ROOT/target/cluster
BIN=$STATE/bin
# One run of a cluster; removed with it.
RUN=$STATE/run
# Those of the last run; they outlive it.
LOGS=$STATE/logs
# shellcheck disable=SC2034 # for those who source this
{
  SERVICES=10.96.0.0/16
  DNS=10.96.0.10
  API=https://10.77.0.1:6443
}
node_address() { echo "10.77.0.$1"; }
# Pods take the lower half of a node's prefix; the upper half is left for
# sandboxes that are no pods.
pod_prefix() { echo "10.$((77 + $1))"; }

# The first process in the namespaces of a node, as seen from outside. A number
# may have been given to someone else since it was written down.
init_of() { # NODE
  local outer
  outer=$(cat "$RUN/node-$1/pid" 2>/dev/null) || return 1
  grep -qs "$CLUSTER/node" "/proc/$outer/cmdline" || return 1
  pgrep -P "$outer" 2>/dev/null | head -n 1 | grep .
}

nodes() { for node in "$RUN"/node-*; do [ ! -d "$node" ] || echo "${node##*-}"; done; }

in_node() { # NODE COMMAND…
  local init
  init=$(init_of "$1") || die "no node $1 runs here: tests/cluster/up starts a cluster"
  shift
  nsenter -t "$init" -n -m -p -u --wd="$PWD" env PATH="$BIN:$PATH" KUBECONFIG="$RUN/admin.kubeconfig" "$@"
}

# Waits for what has no event to wait for; else shows the log that tells why.
await() { # WHAT SECONDS LOG COMMAND…
  local what=$1 until=$((SECONDS + $2)) log=$LOGS/$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$until" ] || [ -e "$RUN/failed" ]; then
      say "the end of $log:"
      tail -n 25 "$log" >&2 || true
      die "never saw $what"
    fi
    sleep 0.1
  done
}
