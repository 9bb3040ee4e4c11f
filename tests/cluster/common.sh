# Sourced by the scripts here: where the cluster lives, under target/ alone, and
# its addresses, which exist in its own network namespaces only.
# shellcheck source=../../scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
CLUSTER=$ROOT/tests/cluster
STATE=$ROOT/target/cluster
BIN=$STATE/bin
# One run of a cluster; removed with it.
RUN=$STATE/run

SERVICES=10.96.0.0/16
DNS=10.96.0.10
API=https://10.77.0.1:6443
node_address() { echo "10.77.0.$1"; }
# Pods take the lower half of a node's prefix; the upper half is left for
# sandboxes that are no pods.
pod_prefix() { echo "10.$((77 + $1))"; }

# The first process in the namespaces of a node, as seen from outside.
init_of() { # NODE
  local outer
  outer=$(cat "$RUN/node-$1/pid" 2>/dev/null) || return 1
  pgrep -P "$outer" 2>/dev/null | head -n 1 | grep .
}

nodes() { for node in "$RUN"/node-*; do [ -d "$node" ] && echo "${node##*-}"; done; }

in_node() { # NODE COMMAND…
  local init
  init=$(init_of "$1") || die "no cluster runs here: tests/cluster/up starts one"
  shift
  nsenter -t "$init" -n -m -p --wd="$PWD" env PATH="$BIN:$PATH" KUBECONFIG="$RUN/admin.kubeconfig" "$@"
}

await() { # WHAT SECONDS COMMAND…
  local what=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $until ] || { tail -n 5 "$RUN"/logs/* >&2; die "never $what"; }
    sleep 0.1
  done
}
