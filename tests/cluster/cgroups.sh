# shellcheck shell=bash
# Sourced: the cgroups of a cluster's nodes, one per node in every hierarchy. On
# version 1 they lie below the caller's own, so what limits the caller limits the
# cluster. No process leaves its cgroup by losing its parent or by starting a
# session: what is in them is all that must be ended.
NAME_OF_CGROUP=mote-cluster-$(cksum <<<"$ROOT" | cut -d' ' -f1) # one per checkout
# The directories that were made, one per line, as long as they exist.
CGROUPS=$STATE/cgroups

cgroup_tops() { # prints the cluster's directory in every hierarchy
  local controllers path
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    # Version 2 gives controllers to the children of empty groups, and of the root.
    echo "/sys/fs/cgroup/$NAME_OF_CGROUP"
    return
  fi
  while IFS=: read -r _ controllers path; do
    [ -z "$controllers" ] || echo "/sys/fs/cgroup/${controllers#name=}${path%/}/$NAME_OF_CGROUP"
  done </proc/self/cgroup
}

make_cgroup() { # DIRECTORY
  local file
  mkdir -p "$1"
  # On version 1 a new cpuset is empty, and an empty one takes no process.
  for file in cpuset.cpus cpuset.mems; do
    [ ! -e "$1/$file" ] || [ -e "$1/cgroup.controllers" ] || cat "$1/../$file" >"$1/$file"
  done
}

join_cgroups() { # NODE: makes its cgroups and moves the shell that calls
  local top tops
  tops=$(cgroup_tops)
  for top in $tops; do
    echo "$top" >>"$CGROUPS"
    make_cgroup "$top"
    make_cgroup "$top/node-$1"
    echo $$ >"$top/node-$1/cgroup.procs"
  done
}

# Shows a process in a cgroup namespace its own cgroups, as if they were all.
mount_cgroups() {
  local controllers name each
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t sysfs sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir /sys/fs/cgroup/init
    echo $$ >/sys/fs/cgroup/init/cgroup.procs
    return
  fi
  mount -t sysfs sysfs /sys
  mount -t tmpfs tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    name=${controllers#name=}
    mkdir "/sys/fs/cgroup/$name"
    [ "$name" = "$controllers" ] || controllers=none,$controllers
    mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$name"
    for each in ${name//,/ }; do
      [ -e "/sys/fs/cgroup/$each" ] || ln -s "$name" "/sys/fs/cgroup/$each"
    done
  done </proc/self/cgroup
}

processes_in_cgroups() {
  [ -e "$CGROUPS" ] || return 0
  # A group may go away while it is read.
  sort -u "$CGROUPS" | while read -r top; do
    find "$top" -name cgroup.procs -exec cat {} + 2>/dev/null || true
  done | sort -un
}

remove_cgroups() {
  [ -e "$CGROUPS" ] || return 0
  sort -u "$CGROUPS" | while read -r top; do
    [ ! -d "$top" ] || find "$top" -depth -type d -exec rmdir {} + || return 1
  done && rm "$CGROUPS"
}
