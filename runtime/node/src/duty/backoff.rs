//! How long a command that has ended waits before it is started again: as the
//! kubelet has it, so that what fails at once does not fill a node.

use std::time::Duration;

/// The wait before the second restart; the first comes at once.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait: each is twice the one before.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// Whoever has run for so long begins anew with its waits.
const FORGIVEN_AFTER: Duration = Duration::from_secs(10 * 60);

/// The waits of one command.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// How long it waits after it `ran` for this time.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= FORGIVEN_AFTER {
            self.next = Duration::ZERO;
        }
        let wait = self.next;
        self.next = (wait * 2).clamp(FIRST_WAIT, LONGEST_WAIT);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after(AT_ONCE).as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn who_has_run_for_long_is_started_again_at_once() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            backoff.after(AT_ONCE);
        }
        let just_less = FORGIVEN_AFTER - Duration::from_secs(1);
        assert_eq!(backoff.after(just_less), Duration::from_secs(40));
        assert_eq!(backoff.after(FORGIVEN_AFTER), AT_ONCE);
        assert_eq!(backoff.after(AT_ONCE), FIRST_WAIT);
    }
}
