//! How fast a pool may fill: not before a delay, and not faster than a rate.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::validate::since;

/// A bucket holds the creations of one second, so that a pool that rested does
/// not flood the cluster.
const BUCKET: Duration = Duration::from_secs(1);

/// The pace of one pool. It begins ready.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    /// How many sandboxes the pool last had in full.
    full: Option<usize>,
    /// Since when it lacks some of them.
    short_since: Option<Timestamp>,
    /// Creations that are allowed now, and when that was counted.
    bucket: Option<(f64, Timestamp)>,
}

/// How many may be created now, and when to ask again for the others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Allowed {
    pub(super) count: usize,
    pub(super) again_in: Option<Duration>,
}

impl Pace {
    /// Allows a pool that lacks `missing` of `replicas` sandboxes some of them.
    pub(super) fn allow(
        &mut self,
        (missing, replicas): (usize, usize),
        delay: Duration,
        per_second: f64,
        now: Timestamp,
    ) -> Allowed {
        if missing == 0 {
            self.full = Some(replicas);
            self.short_since = None;
            return Allowed::default();
        }
        let wait = self.delayed(replicas, delay, now);
        if !wait.is_zero() {
            return Allowed {
                count: 0,
                again_in: Some(wait),
            };
        }
        self.take(missing, per_second, now)
    }

    /// Only what was there and is gone is replaced with a delay: a new pool and
    /// one that is made larger fill at once.
    fn delayed(&mut self, replicas: usize, delay: Duration, now: Timestamp) -> Duration {
        if self.full.is_none_or(|full| full < replicas) {
            return Duration::ZERO;
        }
        let short_since = *self.short_since.get_or_insert(now);
        delay.saturating_sub(since(short_since, now))
    }

    fn take(&mut self, wanted: usize, per_second: f64, now: Timestamp) -> Allowed {
        if !(per_second.is_finite() && per_second > 0.0) {
            return Allowed {
                count: wanted,
                again_in: None,
            };
        }
        // A rate below one a second still lets one through, now and then.
        let most = (per_second * BUCKET.as_secs_f64()).max(1.0);
        let (left, at) = self.bucket.unwrap_or((most, now));
        let tokens = (left + since(at, now).as_secs_f64() * per_second).min(most);
        // `as` saturates, and the number is neither negative nor NaN.
        let count = wanted.min(tokens.floor() as usize);
        let left = tokens - count as f64;
        self.bucket = Some((left, now));
        let next = Duration::try_from_secs_f64((1.0 - left).max(0.0) / per_second);
        Allowed {
            count,
            again_in: (count < wanted).then_some(next.unwrap_or(Duration::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_DELAY: Duration = Duration::ZERO;
    const DELAY: Duration = Duration::from_secs(10);

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    fn allowed(count: usize, again_in_ms: u64) -> Allowed {
        Allowed {
            count,
            again_in: Some(Duration::from_millis(again_in_ms)),
        }
    }

    fn all(count: usize) -> Allowed {
        Allowed {
            count,
            again_in: None,
        }
    }

    #[test]
    fn without_delay_and_rate_all_are_allowed_at_once() {
        assert_eq!(
            Pace::default().allow((300, 300), NO_DELAY, 0.0, at(0)),
            all(300)
        );
        for nonsense in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(
                Pace::default().allow((3, 3), NO_DELAY, nonsense, at(0)),
                all(3)
            );
        }
    }

    #[test]
    fn a_new_pool_is_not_delayed() {
        assert_eq!(Pace::default().allow((5, 5), DELAY, 0.0, at(0)), all(5));
    }

    #[test]
    fn what_was_claimed_is_replaced_after_the_delay() {
        let mut pace = Pace::default();
        pace.allow((0, 5), DELAY, 0.0, at(0));
        assert_eq!(
            pace.allow((1, 5), DELAY, 0.0, at(1_000)),
            allowed(0, 10_000)
        );
        assert_eq!(pace.allow((3, 5), DELAY, 0.0, at(5_000)), allowed(0, 6_000));
        assert_eq!(pace.allow((3, 5), DELAY, 0.0, at(11_000)), all(3));
    }

    #[test]
    fn a_full_pool_begins_a_new_delay() {
        let mut pace = Pace::default();
        pace.allow((0, 5), DELAY, 0.0, at(0));
        pace.allow((1, 5), DELAY, 0.0, at(0));
        pace.allow((0, 5), DELAY, 0.0, at(11_000));
        assert_eq!(
            pace.allow((1, 5), DELAY, 0.0, at(12_000)),
            allowed(0, 10_000)
        );
    }

    #[test]
    fn a_larger_pool_is_not_delayed_and_a_smaller_one_is() {
        let mut pace = Pace::default();
        pace.allow((0, 5), DELAY, 0.0, at(0));
        assert_eq!(pace.clone().allow((5, 10), DELAY, 0.0, at(0)), all(5));
        assert_eq!(pace.allow((1, 3), DELAY, 0.0, at(0)), allowed(0, 10_000));
    }

    #[test]
    fn a_bucket_holds_one_second_of_creations() {
        let mut pace = Pace::default();
        assert_eq!(pace.allow((20, 20), NO_DELAY, 4.0, at(0)), allowed(4, 250));
        assert_eq!(
            pace.allow((16, 20), NO_DELAY, 4.0, at(250)),
            allowed(1, 250)
        );
        // However long it rested.
        assert_eq!(
            pace.allow((15, 20), NO_DELAY, 4.0, at(60_000)),
            allowed(4, 250)
        );
    }

    #[test]
    fn less_than_a_token_creates_nothing_and_is_kept() {
        let mut pace = Pace::default();
        pace.allow((4, 20), NO_DELAY, 4.0, at(0));
        assert_eq!(pace.allow((1, 20), NO_DELAY, 4.0, at(125)), allowed(0, 125));
        assert_eq!(pace.allow((1, 20), NO_DELAY, 4.0, at(250)), all(1));
    }

    #[test]
    fn a_bucket_gives_no_more_than_is_wanted_and_keeps_the_rest() {
        let mut pace = Pace::default();
        assert_eq!(pace.allow((1, 20), NO_DELAY, 4.0, at(0)), all(1));
        assert_eq!(pace.allow((4, 20), NO_DELAY, 4.0, at(0)), allowed(3, 250));
    }

    #[test]
    fn one_in_ten_seconds_is_a_rate_too() {
        let mut pace = Pace::default();
        assert_eq!(pace.allow((2, 2), NO_DELAY, 0.1, at(0)), allowed(1, 10_000));
        assert_eq!(pace.allow((1, 2), NO_DELAY, 0.1, at(9_000)).count, 0);
        assert_eq!(pace.allow((1, 2), NO_DELAY, 0.1, at(10_001)), all(1));
    }

    #[test]
    fn a_clock_set_back_gives_nothing_extra() {
        let mut pace = Pace::default();
        pace.allow((4, 20), NO_DELAY, 4.0, at(10_000));
        assert_eq!(pace.allow((1, 20), NO_DELAY, 4.0, at(0)).count, 0);
        assert_eq!(pace.allow((1, 20), NO_DELAY, 4.0, at(250)).count, 1);
    }

    #[test]
    fn after_the_delay_the_rate_still_holds() {
        let mut pace = Pace::default();
        pace.allow((0, 5), DELAY, 1.0, at(0));
        pace.allow((3, 5), DELAY, 1.0, at(0));
        assert_eq!(
            pace.allow((3, 5), DELAY, 1.0, at(10_000)),
            allowed(1, 1_000)
        );
    }
}
