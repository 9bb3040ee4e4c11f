//! When authorities and certificates are made and given up, as functions of the
//! time: nothing here reads a clock.
//!
//! ```text
//! authority  ├───────────── issues ──────────┬─ day ─┤ is trusted still ┤
//! the next                                   ├─ is trusted ─┬─ issues ──── …
//! ```
//!
//! A new authority is made while the one before has long to live, and is trusted
//! for a day before it issues anything: by then every node host has heard of it,
//! and neither side is ever shown a certificate that it cannot check. A
//! controller that was away for so long that less than two days are left of the
//! old one halves what is left: in the first half the new one is heard of, in
//! the second it issues. One that was away while everything ended begins with a
//! new one.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How long an authority is good for. Its key is in a Secret, and who has read
/// it once can pass for the controller until it ends.
pub(super) const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(3 * 365 * 24);
/// The part of an authority's life that is left when the next is made: a year.
const LAST_PART: i32 = 3;
/// How long an authority is trusted before it issues: the kubelet gives node
/// hosts a changed Secret within minutes, and a node may be off for a while.
pub(super) const SPREAD: SignedDuration = SignedDuration::from_hours(24);
/// How long a certificate is good for, and what must be left of it: a cluster
/// that stood still for a month still finds its nodes.
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
pub(super) const LEFT: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Between two looks at what there is, which cost two reads of a Secret; and
/// the least, near the end of an authority.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);
const LOOK_WITHIN: SignedDuration = SignedDuration::from_secs(1);
/// Clocks of nodes differ.
pub(super) const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// When something is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Term {
    /// From then on.
    pub(super) from: Timestamp,
    /// Until then.
    pub(super) until: Timestamp,
}

impl Term {
    /// That of an authority which is made now.
    pub(super) fn of_authority(now: Timestamp) -> Self {
        Self {
            from: now - SKEW,
            until: now + AUTHORITY_LIFE,
        }
    }

    /// That of a certificate which is issued now: it does not outlive its
    /// authority.
    pub(super) fn of_certificate(now: Timestamp, authority: Self) -> Self {
        Self {
            from: now - SKEW,
            until: authority.until.min(now + LIFE),
        }
    }

    fn is_good(self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    fn left(self, now: Timestamp) -> SignedDuration {
        self.until.duration_since(now)
    }

    /// Whether little of it is left.
    fn wanes(self, now: Timestamp) -> bool {
        self.left(now) * LAST_PART < self.until.duration_since(self.from)
    }

    /// Whether a certificate of this authority is to be issued anew: it ends
    /// soon, and a new one would not.
    pub(super) fn is_due(self, now: Timestamp, authority: Self) -> bool {
        let fresh = Self::of_certificate(now, authority);
        !self.is_good(now) || (self.left(now) <= LEFT && self.until < fresh.until)
    }
}

/// What is to be done about authorities.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Plan {
    /// Which of them are trusted still, by their place.
    pub(super) kept: Vec<usize>,
    /// Whether another is made, which comes after them.
    pub(super) makes: bool,
    /// Which of those that there are then issues, by its place.
    pub(super) issuer: usize,
}

/// Decides, for authorities from the oldest to the newest.
pub(super) fn plan(authorities: &[Term], now: Timestamp) -> Plan {
    let all = authorities.iter().copied().enumerate();
    let good: Vec<_> = all.filter(|(_, term)| term.is_good(now)).collect();
    let newest = good.last();
    // Who is away when the first of them ends has no other day to hear of it.
    let left = good.first().map_or(SPREAD, |(_, term)| term.left(now));
    let is_spread = |term: &Term| now.duration_since(term.from) >= SPREAD.min(left);
    Plan {
        makes: newest.is_none_or(|(_, term)| term.wanes(now)),
        // The newest that everybody has heard of. Where there is none yet, the
        // oldest there is.
        issuer: good
            .iter()
            .rposition(|(_, term)| is_spread(term))
            .unwrap_or(0),
        kept: good.into_iter().map(|(place, _)| place).collect(),
    }
}

/// How long it may be until the next look, where this authority issues: before
/// it ends, another is to have been heard of and to have taken over.
pub(super) fn next_look(issuer: Term, now: Timestamp) -> SignedDuration {
    (issuer.left(now) / 2).clamp(LOOK_WITHIN, LOOK_EVERY)
}

#[cfg(test)]
mod tests;
