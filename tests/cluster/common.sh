# Sourced by the scripts here: where the cluster lives, and how to find its
# nodes. Everything lies under target/cluster; what one cluster made lies under
# its run directory and goes with it.
# shellcheck source=../../scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/common.sh"
CLUSTER=$ROOT/tests/cluster
STATE=$ROOT/target/cluster
BIN=$STATE/bin
IMAGES=$STATE/images
LOGS=$STATE/logs
RUN=$STATE/run
KUBECONFIG_OF_CLUSTER=$STATE/kubeconfig

# Nodes sit in 10.77.0.0/24. Node N has 10.(77+N).0.0/16 to itself: pods in the
# lower half, the upper half is left for sandboxes with addresses of their own.
node_address() { echo "10.77.0.$((10 + $1))"; }
node_range() { echo "10.$((77 + $1)).0.0/16"; }
API=https://$(node_address 1):6443
DNS=$(node_address 1)

# The first process of a node, as the machine numbers it. A number that another
# process got since is not in the node's cgroup.
node_pid() { # NUMBER
  local pid
  pid=$(cat "$RUN/node-$1/pid" 2>/dev/null) || return 1
  grep -qs "/mote-cluster/node-$1" "/proc/$pid/cgroup" || return 1
  echo "$pid"
}

nodes() { # prints the numbers of the nodes that live
  local directory number
  for directory in "$RUN"/node-*; do
    number=${directory##*-}
    ! node_pid "$number" >/dev/null || echo "$number"
  done
}

# Waits for what has no event to wait for. On failure it shows the end of the
# log that tells why.
wait_for() { # SECONDS WHAT LOG COMMAND…
  local end=$((SECONDS + $1)) bound=$1 what=$2 log=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      say "$what: not within $bound s; the end of $log:"
      tail -n 25 "$log" >&2 || true
      exit 1
    fi
    sleep 0.1
  done
}
