//! What one invocation may still use: one [`Budget`] shared by the first
//! instance and every child below it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mote_api::{Capability, Denial, GuestPath, Limits};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Longest time for which an invocation's clock may stand: what compiling the
/// largest component takes on a small machine.
const MAX_PAUSE: Duration = Duration::from_secs(180);
/// Components that one invocation may have compiled: bounds what a guest that
/// submits hostile ones costs. What was compiled before needs none.
const MAX_COMPILATIONS: u32 = 32;

/// The ceilings of an invocation and what is used of them. Counters are
/// relaxed atomics: each stands alone, and no decision reads two of them.
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    deadline: Mutex<Deadline>,
    /// Told whenever the deadline moves.
    moved: Notify,
    compilations: AtomicU32,
    memory: AtomicU64,
    peak_memory: AtomicU64,
    /// Bits of [`Ceiling`].
    hit: AtomicU32,
    /// The first folder with a ceiling of its own that had no room.
    full_folder: OnceLock<GuestPath>,
    output: AtomicU64,
    /// Nothing more is started: the invocation is being ended.
    closed: AtomicBool,
    processes: AtomicU32,
    spawns: AtomicU32,
    /// Told whenever a process ends.
    ended: Notify,
    cpu_nanos: AtomicU64,
    read_bytes: AtomicU64,
    written_bytes: AtomicU64,
    file_calls: AtomicU64,
    denied: Mutex<Vec<Denial>>,
}

impl Budget {
    /// A fresh budget whose deadline counts from now.
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            deadline: Mutex::new(Deadline::new(Instant::now(), limits.deadline)),
            moved: Notify::new(),
            limits,
            compilations: AtomicU32::new(0),
            memory: AtomicU64::new(0),
            peak_memory: AtomicU64::new(0),
            hit: AtomicU32::new(0),
            full_folder: OnceLock::new(),
            output: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            processes: AtomicU32::new(0),
            spawns: AtomicU32::new(0),
            ended: Notify::new(),
            cpu_nanos: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            written_bytes: AtomicU64::new(0),
            file_calls: AtomicU64::new(0),
            denied: Mutex::new(Vec::new()),
        })
    }

    /// Waits until the deadline has passed.
    pub(crate) async fn expired(&self) {
        loop {
            let moved = self.moved.notified();
            let at = self.deadline().ends();
            tokio::select! {
                () = tokio::time::sleep_until(at) => if Instant::now() >= self.deadline().ends() { return },
                () = moved => {}
            }
        }
    }

    /// Lets the invocation have one more component compiled. The clock stands
    /// until the returned value is dropped: no guest's time passes.
    ///
    /// # Errors
    /// It has had as many as it may, as a sentence.
    pub(crate) fn take_compilation(self: &Arc<Self>) -> Result<Pause, String> {
        let below = |used: u32| (used < MAX_COMPILATIONS).then_some(used + 1);
        self.compilations.fetch_update(Relaxed, Relaxed, below).map_err(|_| {
            format!("this call has had {MAX_COMPILATIONS} programs compiled, which is the most; go on in another call")
        })?;
        self.deadline().pause(Instant::now());
        self.moved.notify_waiters();
        Ok(Pause(Arc::clone(self)))
    }

    /// Waits until the clock runs.
    pub(crate) async fn running(&self) {
        loop {
            let moved = self.moved.notified();
            if self.deadline().pauses == 0 {
                return;
            }
            moved.await;
        }
    }

    /// How long the clock has stood so far.
    pub(crate) fn stood(&self) -> Duration {
        MAX_PAUSE - self.deadline().allowance
    }

    fn deadline(&self) -> MutexGuard<'_, Deadline> {
        // Each critical section is one assignment or two.
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `bytes` of memory, or notes that they were refused.
    pub(crate) fn take_memory(&self, bytes: u64) -> bool {
        let limit = self.limits.memory.as_u64();
        let take = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= limit);
        match self.memory.fetch_update(Relaxed, Relaxed, take) {
            Ok(before) => {
                self.peak_memory.fetch_max(before + bytes, Relaxed);
                true
            }
            Err(_) => {
                self.note_hit(Ceiling::Memory);
                false
            }
        }
    }

    pub(crate) fn give_memory(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Relaxed);
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Relaxed)
    }

    /// Whether a guest was refused memory since the start.
    pub(crate) fn memory_refused(&self) -> bool {
        self.was_hit(Ceiling::Memory)
    }

    pub(crate) fn note_disk_refused(&self) {
        self.note_hit(Ceiling::Disk);
    }

    /// Notes that a folder with a ceiling of its own had no room; `guest` is
    /// where guests see it.
    pub(crate) fn note_folder_refused(&self, guest: Option<&GuestPath>) {
        self.note_hit(Ceiling::Folder);
        if let Some(guest) = guest {
            self.full_folder.get_or_init(|| guest.clone());
        }
    }

    /// Whether a write was refused for lack of disk since the start.
    pub(crate) fn disk_refused(&self) -> bool {
        self.was_hit(Ceiling::Disk) || self.was_hit(Ceiling::Folder)
    }

    /// The folder that had no room, if that was all that writes were refused
    /// for.
    pub(crate) fn full_folder(&self) -> Option<&GuestPath> {
        let folder = self.full_folder.get();
        folder.filter(|_| !self.was_hit(Ceiling::Disk))
    }

    pub(crate) fn note_hit(&self, ceiling: Ceiling) {
        self.hit.fetch_or(ceiling as u32, Relaxed);
    }

    fn was_hit(&self, ceiling: Ceiling) -> bool {
        self.hit.load(Relaxed) & ceiling as u32 != 0
    }

    /// The names of the ceilings it came up against.
    pub(crate) fn hits(&self) -> Vec<String> {
        let names = Ceiling::NAMES.iter();
        names
            .filter(|(ceiling, _)| self.was_hit(*ceiling))
            .map(|(_, name)| (*name).to_owned())
            .collect()
    }

    /// Counts output; `false` once it is over the limit.
    pub(crate) fn take_output(&self, bytes: u64) -> bool {
        let before = self.output.fetch_add(bytes, Relaxed);
        let fits = before.saturating_add(bytes) <= self.limits.output.as_u64();
        if !fits {
            self.note_hit(Ceiling::Output);
        }
        fits
    }

    /// From now on nothing is started. The first program's place is free
    /// before its children are gone; none of them may take it.
    pub(crate) fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// A place for one more instance.
    ///
    /// # Errors
    /// The ceiling that leaves none, as a sentence.
    pub(crate) fn take_process(self: &Arc<Self>) -> Result<Process, String> {
        let Limits {
            processes, spawns, ..
        } = self.limits;
        if self.closed.load(Relaxed) {
            return Err("this call is being ended".to_owned());
        }
        let below = |limit: u32| move |used: u32| (used < limit).then_some(used + 1);
        self.processes
            .fetch_update(Relaxed, Relaxed, below(processes))
            .map_err(|_| {
                self.note_hit(Ceiling::Processes);
                format!("{processes} programs are running, which is this call's limit (processes)")
            })?;
        let process = Process(Arc::clone(self));
        self.spawns
            .fetch_update(Relaxed, Relaxed, below(spawns))
            .map_err(|_| {
                self.note_hit(Ceiling::Spawns);
                format!("this call has started {spawns} programs, which is its limit (spawns)")
            })?;
        Ok(process)
    }

    /// Children started so far.
    pub(crate) fn spawned(&self) -> u32 {
        self.spawns.load(Relaxed).saturating_sub(1)
    }

    /// Waits until no instance is alive.
    pub(crate) async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            if self.processes.load(Relaxed) == 0 {
                return;
            }
            ended.await;
        }
    }

    pub(crate) fn add_cpu(&self, time: Duration) {
        self.cpu_nanos
            .fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Relaxed))
    }

    pub(crate) fn add_read(&self, bytes: u64) {
        self.read_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Relaxed)
    }

    pub(crate) fn add_written(&self, bytes: u64) {
        self.written_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Relaxed)
    }

    pub(crate) fn add_file_call(&self) {
        self.file_calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn file_calls(&self) -> u64 {
        self.file_calls.load(Relaxed)
    }

    /// Notes that a call was refused for lack of a grant.
    pub(crate) fn note_denied(&self, capability: Capability) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        match denied
            .iter_mut()
            .find(|denial| denial.capability == capability)
        {
            Some(denial) => denial.count += 1,
            None => denied.push(Denial {
                capability,
                count: 1,
            }),
        }
    }

    pub(crate) fn denied(&self) -> Vec<Denial> {
        self.denied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A ceiling of [`Limits`] that an operation can come up against.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Ceiling {
    Memory = 1,
    Disk = 1 << 1,
    Output = 1 << 2,
    Processes = 1 << 3,
    Spawns = 1 << 4,
    Depth = 1 << 5,
    /// Of one folder.
    Folder = 1 << 6,
}

impl Ceiling {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Memory, "memory"),
        (Self::Disk, "disk"),
        (Self::Output, "output"),
        (Self::Processes, "processes"),
        (Self::Spawns, "spawns"),
        (Self::Depth, "depth"),
        (Self::Folder, "folder"),
    ];
}

/// When an invocation has to be over. The clock stands while programs are
/// compiled, but not for longer than [`MAX_PAUSE`] in all: a guest may submit
/// as many components as it likes.
struct Deadline {
    at: Instant,
    /// Who has stopped the clock, and since when.
    pauses: u32,
    since: Instant,
    allowance: Duration,
}

impl Deadline {
    fn new(now: Instant, time: Duration) -> Self {
        Self {
            at: now + time,
            pauses: 0,
            since: now,
            allowance: MAX_PAUSE,
        }
    }

    /// When it ends if nothing changes.
    fn ends(&self) -> Instant {
        if self.pauses > 0 {
            self.at + self.allowance
        } else {
            self.at
        }
    }

    fn pause(&mut self, now: Instant) {
        if self.pauses == 0 {
            self.since = now;
        }
        self.pauses += 1;
    }

    fn go_on(&mut self, now: Instant) {
        self.pauses -= 1;
        if self.pauses == 0 {
            let stood = now.duration_since(self.since).min(self.allowance);
            self.allowance -= stood;
            self.at += stood;
        }
    }
}

/// The clock of an invocation stands as long as this lives.
pub(crate) struct Pause(Arc<Budget>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.deadline().go_on(Instant::now());
        self.0.moved.notify_waiters();
    }
}

/// A place for one live instance; dropping it frees the place.
pub(crate) struct Process(Arc<Budget>);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.processes.fetch_sub(1, Relaxed);
        self.0.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mote_api::ByteSize;

    #[test]
    fn memory_is_one_sum_and_is_given_back() {
        let budget = Budget::new(Limits {
            memory: ByteSize::bytes(100),
            ..Limits::default()
        });
        assert!(budget.take_memory(60) && budget.take_memory(40));
        assert!(!budget.memory_refused());
        assert!(!budget.take_memory(1));
        assert!(budget.memory_refused());
        budget.give_memory(60);
        assert!(budget.take_memory(60));
        assert_eq!(budget.peak_memory(), 100);
    }

    #[test]
    fn memory_does_not_wrap_around() {
        let budget = Budget::new(Limits::default());
        assert!(budget.take_memory(1));
        assert!(!budget.take_memory(u64::MAX));
    }

    #[test]
    fn output_at_the_limit_passes_and_one_byte_more_does_not() {
        let budget = Budget::new(Limits {
            output: ByteSize::bytes(10),
            ..Limits::default()
        });
        assert!(budget.take_output(10));
        assert!(!budget.take_output(1));
    }

    #[test]
    fn an_invocation_may_have_only_so_many_components_compiled() {
        let budget = Budget::new(Limits::default());
        for _ in 0..MAX_COMPILATIONS {
            assert!(budget.take_compilation().is_ok());
        }
        assert!(budget.take_compilation().is_err());
    }

    #[test]
    fn a_program_that_is_not_started_for_lack_of_a_place_costs_no_spawn() {
        let budget = Budget::new(Limits {
            processes: 1,
            ..Limits::default()
        });
        let _first = budget.take_process().ok().unwrap();
        for _ in 0..3 {
            assert!(budget.take_process().is_err());
        }
        assert_eq!(budget.spawned(), 0);
    }

    #[test]
    fn a_process_frees_its_place_but_not_its_spawn() {
        let budget = Budget::new(Limits {
            processes: 1,
            spawns: 2,
            ..Limits::default()
        });
        let first = budget.take_process().ok().unwrap();
        assert!(
            budget
                .take_process()
                .is_err_and(|e| e.contains("(processes)"))
        );
        drop(first);
        drop(budget.take_process().ok().unwrap());
        assert!(budget.take_process().is_err_and(|e| e.contains("(spawns)")));
    }

    #[test]
    fn the_clock_stands_while_programs_are_compiled_but_not_for_ever() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut deadline = Deadline::new(start, second);
        // Two at once stop it once.
        deadline.pause(start);
        deadline.pause(start + 2 * second);
        deadline.go_on(start + 4 * second);
        deadline.go_on(start + 10 * second);
        assert_eq!(deadline.ends(), start + 11 * second);

        deadline.pause(start + 10 * second);
        assert_eq!(deadline.ends(), start + second + MAX_PAUSE);
        deadline.go_on(start + 2 * MAX_PAUSE);
        deadline.pause(start + 3 * MAX_PAUSE);
        assert_eq!(deadline.ends(), start + second + MAX_PAUSE);
    }

    #[test]
    fn denials_are_counted_by_capability() {
        let budget = Budget::new(Limits::default());
        for capability in [Capability::Sockets, Capability::Http, Capability::Sockets] {
            budget.note_denied(capability);
        }
        let counts: Vec<_> = budget
            .denied()
            .iter()
            .map(|d| (d.capability, d.count))
            .collect();
        assert_eq!(counts, [(Capability::Sockets, 2), (Capability::Http, 1)]);
    }
}
