//! The programs that run in one sandbox, by the numbers that callers know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Control, Signal};

/// KiB of input that may wait in one sandbox for programs that do not read:
/// four of the largest requests.
const INPUT_KIB: usize = 16 * 1024;

/// The programs that run in one sandbox. A clone is a handle on the same.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    table: Arc<Mutex<Table>>,
    /// Room for input that waits.
    input: Arc<Semaphore>,
}

impl Default for Processes {
    fn default() -> Self {
        Self {
            table: Arc::default(),
            input: Arc::new(Semaphore::new(INPUT_KIB)),
        }
    }
}

#[derive(Debug, Default)]
struct Table {
    last: i32,
    /// A tree, for it takes no memory while nothing runs.
    named: BTreeMap<i32, Arc<dyn Control>>,
    last_unnamed: u64,
    /// Those that no caller can reach, and a suspended sandbox must end.
    unnamed: BTreeMap<u64, Arc<dyn Control>>,
}

/// A place in the table, given up when dropped.
#[derive(Debug)]
pub(crate) struct Entry {
    table: Processes,
    key: Key,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Named(i32),
    Unnamed(u64),
}

impl Processes {
    /// Gives the program the next number; `None` if two thousand million
    /// have been given.
    pub(crate) fn name(&self, control: Arc<dyn Control>) -> Option<(i32, Entry)> {
        let mut table = self.lock();
        let number = table.last.checked_add(1)?;
        table.last = number;
        table.named.insert(number, control);
        Some((number, self.entry(Key::Named(number))))
    }

    /// Remembers a program that no caller can name.
    pub(crate) fn hold(&self, control: Arc<dyn Control>) -> Entry {
        let mut table = self.lock();
        table.last_unnamed += 1;
        let key = table.last_unnamed;
        table.unnamed.insert(key, control);
        self.entry(Key::Unnamed(key))
    }

    pub(crate) fn find(&self, number: i32) -> Option<Arc<dyn Control>> {
        self.lock().named.get(&number).cloned()
    }

    /// Room for input until it has been read; `None` if too much waits.
    pub(crate) fn wait_with(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.input).try_acquire_many_owned(kib).ok()
    }

    /// Ends all programs; their callers see them end.
    pub(crate) fn end_all(&self) {
        let running: Vec<_> = {
            let table = self.lock();
            let (named, unnamed) = (table.named.values(), table.unnamed.values());
            named.chain(unnamed).cloned().collect()
        };
        for control in running {
            if let Err(error) = control.signal(Signal::Kill) {
                tracing::warn!(%error, "a program could not be ended");
            }
        }
    }

    fn entry(&self, key: Key) -> Entry {
        Entry {
            table: self.clone(),
            key,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change is one step: there is no half-made state to fear.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        // Dropped after the lock: it may be the last handle on a program.
        let _control = match self.key {
            Key::Named(number) => table.named.remove(&number),
            Key::Unnamed(number) => table.unnamed.remove(&number),
        };
        drop(table);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::{NoTerminal, TerminalSize};

    #[derive(Debug, Default)]
    struct Killed(AtomicUsize);

    #[async_trait]
    impl Control for Killed {
        async fn write(&self, _bytes: Bytes) -> io::Result<()> {
            Ok(())
        }
        async fn end_input(&self) -> io::Result<()> {
            Ok(())
        }
        fn signal(&self, signal: Signal) -> io::Result<()> {
            assert_eq!(signal, Signal::Kill);
            self.0.fetch_add(1, Relaxed);
            Ok(())
        }
        fn resize(&self, _size: TerminalSize) -> Result<(), NoTerminal> {
            Err(NoTerminal)
        }
    }

    #[test]
    fn input_waits_up_to_the_bound() {
        let processes = Processes::default();
        let held = processes.wait_with(INPUT_KIB * 1024).unwrap();
        assert!(processes.wait_with(1).is_none());
        drop(held);
        assert!(processes.wait_with(1).is_some());
    }

    #[test]
    fn numbers_begin_at_one_and_are_not_given_twice() {
        let processes = Processes::default();
        let control = Arc::new(Killed::default());
        let (one, entry) = processes.name(control.clone()).unwrap();
        drop(entry);
        let _held = processes.hold(control.clone());
        let (two, _entry) = processes.name(control).unwrap();
        assert_eq!((one, two), (1, 2));
    }

    #[test]
    fn a_number_is_known_as_long_as_its_entry_lives() {
        let processes = Processes::default();
        let (number, entry) = processes.name(Arc::new(Killed::default())).unwrap();
        assert!(processes.find(number).is_some());
        drop(entry);
        assert!(processes.find(number).is_none());
    }

    #[test]
    fn no_number_reaches_an_unnamed_program() {
        let processes = Processes::default();
        let _held = processes.hold(Arc::new(Killed::default()));
        for number in [-1, 0, 1, i32::MIN, i32::MAX] {
            assert!(processes.find(number).is_none(), "{number}");
        }
    }

    #[test]
    fn the_last_number_is_given_once() {
        let processes = Processes::default();
        processes.lock().last = i32::MAX - 1;
        let control = Arc::new(Killed::default());
        let (number, _entry) = processes.name(control.clone()).unwrap();
        assert_eq!(number, i32::MAX);
        assert!(processes.name(control).is_none());
    }

    #[test]
    fn the_end_of_all_reaches_named_and_unnamed_programs() {
        let processes = Processes::default();
        let control = Arc::new(Killed::default());
        let _named = processes.name(control.clone()).unwrap();
        let _held = processes.hold(control.clone());
        processes.end_all();
        assert_eq!(control.0.load(Relaxed), 2);
    }
}
