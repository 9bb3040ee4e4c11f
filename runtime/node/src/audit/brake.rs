//! Keeps strangers from filling a log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lines of refused requests in one second. Anybody can cause them: at 300
/// bytes each it takes a day to push all other lines out of the log.
const REFUSALS_A_SECOND: u64 = 10;

/// Lets a number of lines pass in each second.
#[derive(Debug)]
pub(crate) struct Brake {
    begun: Instant,
    /// The second of the last line in the upper half, how many lines it had
    /// in the lower.
    last: AtomicU64,
}

impl Brake {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    /// Whether one more line may pass now.
    pub(crate) fn admits(&self) -> bool {
        self.admits_in(self.begun.elapsed().as_secs())
    }

    fn admits_in(&self, second: u64) -> bool {
        let next = |last: u64| {
            if last >> 32 != second {
                return Some(second << 32 | 1);
            }
            let passed = last & u64::from(u32::MAX);
            (passed < REFUSALS_A_SECOND).then_some(last + 1)
        };
        self.last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_lets_the_same_number_pass() {
        let brake = Brake::new();
        for second in [0, 1, 7] {
            let passed = (0..100).filter(|_| brake.admits_in(second)).count();
            assert_eq!(passed as u64, REFUSALS_A_SECOND);
        }
    }
}
