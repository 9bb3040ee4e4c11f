//! When a claim ends.

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::condition::{FINISHED, READY, find};
use crate::crd::{ClaimShutdownPolicy, SandboxClaim};

/// The reason of `Ready` once a claim has expired.
pub(super) const CLAIM_EXPIRED: &str = "ClaimExpired";

/// Where a claim stands in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// It has a sandbox or waits for one, for so long yet; `None`: for ever.
    Active(Option<Duration>),
    /// Its time is over, and its status does not say so yet.
    Expiring,
    /// Its time is over, and everyone can read it.
    Expired(ClaimShutdownPolicy),
}

/// Where a claim stands, by its spec and by the status it was given last.
pub(super) fn phase(claim: &SandboxClaim, now: Timestamp) -> Phase {
    let Some(end) = end(claim) else {
        return Phase::Active(None);
    };
    if end > now {
        return Phase::Active(Some(end.duration_since(now).unsigned_abs()));
    }
    let conditions = claim
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let told = find(conditions.unwrap_or_default(), READY)
        .is_some_and(|ready| ready.status == "False" && ready.reason == CLAIM_EXPIRED);
    if !told {
        return Phase::Expiring;
    }
    let lifecycle = claim.spec.lifecycle.as_ref();
    Phase::Expired(lifecycle.map(|it| it.shutdown_policy).unwrap_or_default())
}

/// The earlier of the time that the spec names and the one that follows from
/// when the sandbox finished.
fn end(claim: &SandboxClaim) -> Option<Timestamp> {
    let lifecycle = claim.spec.lifecycle.as_ref()?;
    let named = lifecycle.shutdown_time.as_ref().map(|time| time.0);
    let finished = claim
        .status
        .as_ref()
        .and_then(|status| find(&status.conditions, FINISHED))
        .filter(|finished| finished.status == "True")
        .map(|finished| finished.last_transition_time.0);
    let ttl = lifecycle.ttl_seconds_after_finished;
    let followed = finished.zip(ttl).map(|(finished, ttl)| {
        let ttl = SignedDuration::from_secs(ttl.max(0).into());
        finished.checked_add(ttl).unwrap_or(Timestamp::MAX)
    });
    named.into_iter().chain(followed).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{at, claim, finished, ready};
    use crate::crd::{ClaimLifecycle, SandboxClaimStatus, Time};

    fn ending(lifecycle: ClaimLifecycle, conditions: Vec<crate::crd::Condition>) -> SandboxClaim {
        let mut claim = claim("c");
        claim.spec.lifecycle = Some(lifecycle);
        claim.status = Some(SandboxClaimStatus {
            conditions,
            sandbox: None,
        });
        claim
    }

    fn until(second: i64) -> ClaimLifecycle {
        ClaimLifecycle {
            shutdown_time: Some(Time(at(second))),
            ..ClaimLifecycle::default()
        }
    }

    fn ttl(seconds: i32) -> ClaimLifecycle {
        ClaimLifecycle {
            ttl_seconds_after_finished: Some(seconds),
            ..ClaimLifecycle::default()
        }
    }

    #[test]
    fn without_a_lifecycle_a_claim_never_ends() {
        assert_eq!(phase(&claim("c"), at(0)), Phase::Active(None));
        let empty = ending(ClaimLifecycle::default(), vec![finished(at(0))]);
        assert_eq!(phase(&empty, at(9)), Phase::Active(None));
    }

    #[test]
    fn a_claim_ends_at_its_time() {
        let claim = ending(until(10), vec![]);
        assert_eq!(
            phase(&claim, at(4)),
            Phase::Active(Some(Duration::from_secs(6)))
        );
        assert_eq!(phase(&claim, at(10)), Phase::Expiring);
    }

    #[test]
    fn the_time_to_live_runs_from_when_the_sandbox_finished() {
        assert_eq!(phase(&ending(ttl(5), vec![]), at(99)), Phase::Active(None));
        let claim = ending(ttl(5), vec![finished(at(10))]);
        assert_eq!(
            phase(&claim, at(12)),
            Phase::Active(Some(Duration::from_secs(3)))
        );
        assert_eq!(phase(&claim, at(15)), Phase::Expiring);
        let endless = ending(ttl(i32::MAX), vec![finished(Timestamp::MAX)]);
        assert!(matches!(phase(&endless, at(15)), Phase::Active(Some(_))));
    }

    #[test]
    fn the_earlier_of_both_ends_wins() {
        let both = ClaimLifecycle {
            ttl_seconds_after_finished: Some(5),
            ..until(12)
        };
        let claim = ending(both.clone(), vec![finished(at(10))]);
        assert_eq!(phase(&claim, at(12)), Phase::Expiring);
        let claim = ending(both, vec![finished(at(1))]);
        assert_eq!(phase(&claim, at(6)), Phase::Expiring);
    }

    #[test]
    fn nothing_is_cleaned_up_before_the_status_says_that_the_claim_has_expired() {
        let mut claim = ending(until(10), vec![ready("True", "DependenciesReady", "m")]);
        assert_eq!(phase(&claim, at(10)), Phase::Expiring);
        claim.status.as_mut().unwrap().conditions = vec![ready("False", CLAIM_EXPIRED, "m")];
        assert_eq!(
            phase(&claim, at(10)),
            Phase::Expired(ClaimShutdownPolicy::Retain)
        );
    }
}
