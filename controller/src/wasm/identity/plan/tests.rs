//! Years of authorities in milliseconds: what the controller does is played
//! through, with node hosts that hear of it late.

use proptest::prelude::*;

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A certificate, and the authority that issued it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Issued {
    by: Term,
    term: Term,
}

/// What node hosts are given.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    trusted: Vec<Term>,
    own: Issued,
}

/// The controller and its Secrets.
#[derive(Default)]
struct World {
    authorities: Vec<Term>,
    given: Option<Given>,
    /// Writes of the two Secrets.
    writes: usize,
}

impl World {
    /// One look of the controller; what it shows node hosts.
    fn look(&mut self, now: Timestamp) -> Issued {
        let plan = plan(&self.authorities, now);
        let before = self.authorities.clone();
        self.authorities = plan.kept.iter().map(|place| before[*place]).collect();
        if plan.makes {
            self.authorities.push(Term::of_authority(now));
        }
        let by = self.authorities[plan.issuer];
        let issue = || Issued {
            by,
            term: Term::of_certificate(now, by),
        };
        let keeps = |own: &Issued| own.by == by && !own.term.is_due(now, by);
        let own = self.given.as_ref().map(|given| given.own);
        let given = Given {
            trusted: self.authorities.clone(),
            own: own.filter(keeps).unwrap_or_else(issue),
        };
        self.writes += usize::from(before != self.authorities);
        self.writes += usize::from(self.given.as_ref() != Some(&given));
        self.given = Some(given);
        issue()
    }

    /// Asserts that a node host which has last heard `heard` and a controller
    /// that shows `shown` take each other for who they are.
    fn assert_met(&self, heard: &Given, shown: Issued, now: Timestamp) {
        let theirs = heard.own;
        assert!(
            heard.trusted.contains(&shown.by),
            "{now}: it is unknown there"
        );
        assert!(
            self.authorities.contains(&theirs.by),
            "{now}: it is unknown here"
        );
        for issued in [shown, theirs] {
            assert!(issued.term.is_good(now), "{now}: {issued:?} has ended");
            assert!(issued.term.until <= issued.by.until, "{now}: {issued:?}");
        }
    }
}

fn begin() -> Timestamp {
    "2026-11-29T00:00:00Z".parse().unwrap()
}

#[test]
fn over_thirty_years_a_node_that_hears_of_everything_a_day_late_never_meets_a_stranger() {
    let mut world = World::default();
    let (mut now, mut made) = (begin(), 0);
    let mut past = std::collections::VecDeque::new();
    while now < begin() + YEAR * 30 {
        let shown = world.look(now);
        made += usize::from(world.authorities.last() == Some(&Term::of_authority(now)));
        assert!(
            world.authorities.len() <= 2,
            "{now}: {:?}",
            world.authorities
        );
        past.push_back(world.given.clone().unwrap());
        // A node host has what there was some 23 hours ago.
        if past.len() > 23 {
            past.pop_front();
        }
        world.assert_met(&past[0], shown, now);
        now += HOUR;
    }
    assert_eq!(made, 15, "one in two years");
    // Each made, taught, used, and given up; and a certificate a month.
    assert!(world.writes < 15 * 5 + 30 * 13, "{}", world.writes);
}

#[test]
fn a_controller_that_was_away_while_everything_ended_begins_anew() {
    let mut world = World::default();
    world.look(begin());
    let now = begin() + YEAR * 7;
    let shown = world.look(now);
    assert_eq!(world.authorities, [Term::of_authority(now)]);
    let given = world.given.clone().unwrap();
    world.assert_met(&given, shown, now);
}

#[test]
fn the_next_authority_is_trusted_for_a_day_before_it_issues() {
    let old = Term::of_authority(begin());
    let almost = old.until - YEAR - DAY;
    assert_eq!(
        plan(&[old], almost),
        Plan {
            kept: vec![0],
            makes: false,
            issuer: 0
        }
    );
    let now = old.until - YEAR + DAY;
    assert_eq!(
        plan(&[old], now),
        Plan {
            kept: vec![0],
            makes: true,
            issuer: 0
        }
    );
    let next = Term::of_authority(now);
    for (later, issuer) in [(HOUR, 0), (HOUR * 23, 0), (DAY, 1), (DAY * 300, 1)] {
        let decided = plan(&[old, next], now + later);
        assert_eq!(
            decided,
            Plan {
                kept: vec![0, 1],
                makes: false,
                issuer
            }
        );
    }
    let alone = plan(&[old, next], old.until);
    assert_eq!(
        alone,
        Plan {
            kept: vec![1],
            makes: false,
            issuer: 0
        }
    );
}

#[test]
fn an_authority_that_ends_before_the_next_is_spread_is_followed_by_it_at_once() {
    let old = Term {
        from: begin() - YEAR,
        until: begin() + HOUR,
    };
    let next = Term::of_authority(begin());
    assert_eq!(plan(&[old], begin()).issuer, 0);
    assert_eq!(plan(&[old, next], begin()).issuer, 0);
    // What is left is halved.
    let half = begin() + HOUR / 2;
    assert_eq!(plan(&[old, next], half).issuer, 1);
    let after = plan(&[old, next], begin() + HOUR);
    assert_eq!(
        after,
        Plan {
            kept: vec![1],
            makes: false,
            issuer: 0
        }
    );
}

#[test]
fn a_controller_that_comes_shortly_before_the_end_meets_no_stranger_after_it() {
    const MINUTE: SignedDuration = SignedDuration::from_mins(1);
    // As long as the kubelet may take.
    let late = MINUTE * 2;
    for minutes in [6, 30, 59, 61, 90, 125, 600, 1_400, 1_500, 3_000] {
        let now = begin();
        let old = Term {
            from: now - YEAR * 2,
            until: now + MINUTE * minutes,
        };
        let own = Issued {
            by: old,
            term: Term {
                from: now - DAY,
                until: old.until,
            },
        };
        let trusted = vec![old];
        let mut world = World {
            authorities: trusted.clone(),
            given: Some(Given { trusted, own }),
            writes: 0,
        };
        let (mut heard, mut past) = (world.given.clone().unwrap(), Vec::new());
        let (mut look, mut shown) = (now, own);
        let mut minute = now;
        while minute < old.until + DAY * 2 {
            // Looks do not come on the minute.
            while look <= minute {
                shown = world.look(look);
                past.push((look, world.given.clone().unwrap()));
                look += next_look(shown.by, look);
            }
            let reached = past.iter().rfind(|(given, _)| *given + late <= minute);
            heard = reached.map_or(heard, |(_, given)| given.clone());
            world.assert_met(&heard, shown, minute);
            minute += MINUTE;
        }
        assert_ne!(shown.by, old);
    }
}

#[test]
fn who_looks_seldom_looks_more_often_before_an_authority_ends() {
    let issuer = Term::of_authority(begin());
    for (left, within) in [
        (YEAR, HOUR),
        (HOUR * 2, HOUR),
        (HOUR, HOUR / 2),
        (SignedDuration::ZERO, LOOK_WITHIN),
        (-HOUR, LOOK_WITHIN),
    ] {
        assert_eq!(next_look(issuer, issuer.until - left), within);
    }
}

#[test]
fn an_authority_of_tomorrow_is_of_no_use_today() {
    let tomorrow = Term::of_authority(begin() + DAY);
    let today = plan(&[tomorrow], begin());
    assert_eq!(
        today,
        Plan {
            kept: vec![],
            makes: true,
            issuer: 0
        }
    );
}

#[test]
fn a_certificate_is_due_when_it_ends_soon_and_another_would_not() {
    let authority = Term::of_authority(begin());
    let issued = Term::of_certificate(begin(), authority);
    assert!(!issued.is_due(begin() + DAY * 29, authority));
    assert!(issued.is_due(begin() + DAY * 30, authority));
    let short = Term {
        from: begin() - YEAR,
        until: begin() + DAY * 10,
    };
    let last = Term::of_certificate(begin(), short);
    assert_eq!(last.until, short.until);
    assert!(
        !last.is_due(begin() + DAY, short),
        "another would end no later"
    );
    assert!(last.is_due(begin() + DAY * 10, short), "it has ended");
}

proptest! {
    #[test]
    fn whenever_the_controller_looks_the_two_sides_know_each_other(
        days_away in prop::collection::vec(0..1500i64, 1..40)
    ) {
        let (mut world, mut now) = (World::default(), begin());
        for days in days_away {
            now += DAY * i32::try_from(days).unwrap_or(0);
            let shown = world.look(now);
            prop_assert!(!world.authorities.is_empty() && world.authorities.len() <= 2);
            let given = world.given.clone().unwrap();
            world.assert_met(&given, shown, now);
            let again = world.writes;
            world.look(now);
            prop_assert_eq!(world.writes, again, "a second look changes nothing");
        }
    }
}
