//! What is there at the moment somebody asks.

use std::fs;

use mote_api::SandboxState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Where Linux tells of this process's memory, in pages: all of it, then what
/// is resident.
const MEMORY: &str = "/proc/self/statm";

/// What is there at the moment somebody asks: read from where it is known,
/// rather than counted along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Instances alive, of all sandboxes.
    pub(crate) instances: u64,
    /// Instances that may be alive at once.
    pub(crate) slots: u64,
    /// Sandboxes that take calls.
    pub(crate) ready: u64,
    /// Sandboxes that nobody calls.
    pub(crate) idle: u64,
    /// Sandboxes that are suspended.
    pub(crate) suspended: u64,
    /// Programs that outlive calls.
    pub(crate) contexts: u64,
    /// Bytes that all sandboxes' files take, as far as they were counted.
    pub(crate) disk_bytes: u64,
    /// This process's memory: [`resident_bytes`].
    pub(crate) resident_bytes: Option<u64>,
    /// What sessions are given, where they are given any.
    pub(crate) room: Option<Room>,
}

/// Memory for sessions, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// What there is to give.
    pub(crate) capacity: u64,
    /// What is given.
    pub(crate) reserved: u64,
}

impl Snapshot {
    /// Counts one more sandbox.
    pub(crate) fn sandbox(&mut self, state: SandboxState) {
        match state {
            SandboxState::Ready => self.ready += 1,
            SandboxState::Idle => self.idle += 1,
            SandboxState::Suspended => self.suspended += 1,
        }
    }
}

/// This process's resident memory; `None` where the system does not tell.
pub(crate) fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string(MEMORY).ok()?)
}

fn resident(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

#[derive(Debug)]
pub(super) struct Node {
    instances: Gauge,
    slots: Gauge,
    sandboxes: Family<State, Gauge>,
    contexts: Gauge,
    disk: Gauge,
    resident: Gauge,
    room: Family<Part, Gauge>,
}

impl Node {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            instances: Gauge::default(),
            slots: Gauge::default(),
            sandboxes: Family::default(),
            contexts: Gauge::default(),
            disk: Gauge::default(),
            resident: Gauge::default(),
            room: Family::default(),
        };
        let mut register = |name, help, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        register(
            "instances",
            "Instances of programs that are alive; each takes a slot",
            &all.instances,
        );
        register(
            "instance_slots",
            "Instances that may be alive at once",
            &all.slots,
        );
        register(
            "contexts",
            "Programs that outlive calls: interpreters, and commands of sandboxes",
            &all.contexts,
        );
        let help = "Sandboxes by what they do now";
        registry.register("sandboxes", help, all.sandboxes.clone());
        let mut register = |name, help, gauge: &Gauge| {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        };
        register("disk", "What the files of all sandboxes take", &all.disk);
        register(
            "process_resident_memory",
            "Memory of this process that is resident",
            &all.resident,
        );
        registry.register_with_unit(
            "session_memory",
            "Memory that the node has to give to sessions, and that is given, as their ceilings count",
            Unit::Bytes,
            all.room.clone(),
        );
        all
    }

    pub(super) fn set(&self, now: &Snapshot) {
        let Snapshot {
            instances,
            slots,
            ready,
            idle,
            suspended,
            contexts,
            disk_bytes,
            resident_bytes,
            room,
        } = *now;
        set(&self.instances, instances);
        set(&self.slots, slots);
        set(&self.contexts, contexts);
        set(&self.disk, disk_bytes);
        set(&self.resident, resident_bytes.unwrap_or(0));
        for (state, count) in [("ready", ready), ("idle", idle), ("suspended", suspended)] {
            set(&self.sandboxes.get_or_create(&State { state }), count);
        }
        if let Some(Room { capacity, reserved }) = room {
            for (part, bytes) in [("capacity", capacity), ("reserved", reserved)] {
                set(&self.room.get_or_create(&Part { part }), bytes);
            }
        }
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_of_statm_counts_pages() {
        let page = rustix::param::page_size() as u64;
        assert_eq!(resident("900 7 5 1 0 40 0\n"), Some(7 * page));
        for bad in ["", "900", "900 -7", "900 seven", "1 18446744073709551615"] {
            assert_eq!(resident(bad), None, "{bad}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        assert!(resident_bytes().unwrap() > 1 << 16);
    }

    #[test]
    fn sandboxes_are_counted_by_state() {
        let mut now = Snapshot::default();
        now.sandbox(SandboxState::Idle);
        now.sandbox(SandboxState::Idle);
        now.sandbox(SandboxState::Suspended);
        assert_eq!((now.ready, now.idle, now.suspended), (0, 2, 1));
    }
}
