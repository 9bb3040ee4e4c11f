//! Where a sandbox's session is, as far as can be told.

use std::time::Duration;

use mote_rpc::v1::{Phase, Session};

use super::{backing, is_kept, observed};
use crate::condition::{self, FINISHED};
use crate::sandbox::apply::Hands;
use crate::sandbox::backing::{Backing, Observed};
use crate::sandbox::report::{SUSPENDED, reason};
use crate::sandbox::validate::Subject;
use crate::wasm::{Fate, Found, Wasm, has_ended};

/// Where a session is, as far as can be told.
pub(super) enum Whereabouts {
    /// There, and it stays. To be asked again after this time, if any.
    Here(Found, Option<Duration>),
    /// On a node that is not heard: nobody else may start it. Why, and when to
    /// ask again.
    Unheard(Found, String, Option<Duration>),
    /// On a node that it has to leave: why.
    Leaving(Found, String),
    /// Nowhere. Before, it was on this node.
    Nowhere(Option<String>),
}

/// The node on which the status says that it is, or that it was when it was
/// last known.
pub(super) fn said<'a>(subject: &Subject<'a>) -> Option<&'a str> {
    let Subject { sandbox, .. } = subject;
    // A pod has been on a node too.
    let status = sandbox.status.as_ref().filter(|_| is_kept(sandbox))?;
    status.node_name.as_deref()
}

/// Of what is not known, files are taken for granted.
pub(super) fn may_have_files(found: &Found) -> bool {
    found
        .session
        .as_ref()
        .is_none_or(|session| session.has_files)
}

/// How what ran has ended, as far as is known: it is not to run again because
/// its node goes.
pub(super) fn ended(subject: &Subject<'_>, session: Option<&Session>) -> Option<Phase> {
    if subject.is_suspended() {
        return None;
    }
    if let Some(session) = session {
        return has_ended(session).then(|| session.phase());
    }
    let status = subject.sandbox.status.as_ref()?;
    let finished = condition::find(&status.conditions, FINISHED)?;
    Some(match finished.reason.as_str() {
        reason::POD_SUCCEEDED => Phase::Succeeded,
        _ => Phase::Failed,
    })
}

/// Whether a session stands still, as far as is known.
fn rests(subject: &Subject<'_>, found: &Found) -> bool {
    let status = subject.sandbox.status.as_ref();
    match &found.session {
        Some(session) => session.phase() == Phase::Suspended,
        None => status.is_some_and(|it| condition::is_true(&it.conditions, SUSPENDED)),
    }
}

/// A session on a node that is not heard, as it was last seen.
pub(super) fn unheard(subject: &Subject<'_>, found: &Found, why: String) -> Observed {
    let status = subject.sandbox.status.as_ref();
    if subject.is_suspended() && rests(subject, found) {
        return Observed::Resting(found.node.clone());
    }
    let ips = status.map(|status| status.pod_ips.clone());
    let told = found.session.as_deref().cloned();
    let session = told.unwrap_or_else(|| Session {
        addresses: ips.unwrap_or_default(),
        // What has ended has not begun again because nobody hears of it.
        phase: ended(subject, None).unwrap_or_default().into(),
        ..Session::default()
    });
    Observed::Here(Backing {
        note: Some(why),
        ..backing(&found.node, &session, false)
    })
}

impl Hands<'_> {
    pub(super) fn whereabouts(&self, wasm: &Wasm) -> Whereabouts {
        let Self { context, subject } = self;
        let said = said(subject);
        let Some(found) = wasm.fleet.find(subject.uid, said) else {
            return Whereabouts::Nowhere(said.map(str::to_owned));
        };
        let pod = &subject.sandbox.spec.blueprint.pod_template.spec;
        let tolerations = pod.tolerations.as_deref().unwrap_or_default();
        let (files, grace) = (may_have_files(&found), context.settings.node_grace);
        match wasm.fleet.fate(&found.node, files, tolerations, grace) {
            Fate::Stays(again) => Whereabouts::Here(found, again),
            Fate::Lingers(why) => {
                self.tell_once(wasm, &found.node, why);
                Whereabouts::Here(found, None)
            }
            Fate::Waits(why, again) => Whereabouts::Unheard(found, why, again),
            Fate::Moves(why) => Whereabouts::Leaving(found, why),
        }
    }

    /// Where a session is that goes on as it is, whatever its template says by
    /// now: one that runs, or that is to stand still.
    pub(super) fn stay(&self, wasm: &Wasm) -> Option<Whereabouts> {
        let subject = self.subject;
        if !is_kept(subject.sandbox) {
            return None;
        }
        let whereabouts = match self.whereabouts(wasm) {
            Whereabouts::Leaving(found, why) if found.heard => {
                let why = format!("{why}, and its template has none made elsewhere");
                self.tell_once(wasm, &found.node, why);
                Whereabouts::Here(found, None)
            }
            other => other,
        };
        let stays = match &whereabouts {
            Whereabouts::Here(found, _) | Whereabouts::Unheard(found, ..) => {
                subject.is_suspended() || !rests(subject, found)
            }
            Whereabouts::Leaving(..) | Whereabouts::Nowhere(_) => false,
        };
        stays.then_some(whereabouts)
    }

    /// Its session, as it was last told.
    pub(super) fn there(&self, wasm: &Wasm) -> Option<Observed> {
        let found = wasm.fleet.find(self.subject.uid, said(self.subject))?;
        let session = found.session.as_deref()?;
        Some(match observed(&found.node, session) {
            Observed::Here(_) if !found.heard => {
                Observed::Here(backing(&found.node, session, false))
            }
            observed => observed,
        })
    }
}

/// Of a session whose node nobody hears of, what is known of its end.
pub(super) fn at_its_end(phase: Phase) -> Observed {
    let session = Session {
        phase: phase.into(),
        ..Session::default()
    };
    Observed::Here(Backing {
        node: None,
        ..backing("", &session, false)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::crd::{Sandbox, SandboxStatus};
    use crate::sandbox::fixtures::{at, sandbox, subject, suspended};
    use crate::sandbox::session::FINALIZER;

    fn found(session: Option<Session>) -> Found {
        Found {
            node: "a".to_owned(),
            session: session.map(Arc::new),
            heard: false,
        }
    }

    fn session(phase: Phase) -> Session {
        Session {
            phase: phase.into(),
            addresses: vec!["10.9.0.7".to_owned()],
            ..Session::default()
        }
    }

    /// A sandbox of the tier that was on node `a`, with this condition.
    fn placed(mut sandbox: Sandbox, type_: &str, reason: &str, ips: &[&str]) -> Sandbox {
        sandbox.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        let mut status = SandboxStatus {
            node_name: Some("a".to_owned()),
            pod_ips: ips.iter().map(ToString::to_string).collect(),
            ..SandboxStatus::default()
        };
        let saying = condition::Saying::new(condition::Status::True, reason, "");
        condition::set(&mut status.conditions, type_, saying, 1, at(1));
        sandbox.status = Some(status);
        sandbox
    }

    #[test]
    fn a_session_is_where_it_was_said_to_be_and_a_pod_has_none() {
        for (type_, ips) in [("Ready", &["10.9.0.7"][..]), (SUSPENDED, &[]), ("x", &[])] {
            let placed = placed(sandbox(), type_, "r", ips);
            assert_eq!(said(&subject(&placed)), Some("a"));
        }
        let mut pod = placed(sandbox(), "Ready", "r", &["10.9.0.7"]);
        pod.metadata.finalizers = None;
        assert_eq!(said(&subject(&pod)), None);
    }

    #[test]
    fn of_a_node_that_was_not_heard_yet_files_are_taken_for_granted() {
        assert!(may_have_files(&found(None)));
        assert!(!may_have_files(&found(Some(session(Phase::Running)))));
    }

    #[test]
    fn a_session_that_waits_for_its_node_says_why_and_keeps_its_address() {
        let running = placed(sandbox(), "Ready", "r", &["10.9.0.7"]);
        for session in [Some(session(Phase::Running)), None] {
            let told = unheard(&subject(&running), &found(session), "why".to_owned());
            let Observed::Here(backing) = told else {
                panic!("it is there, as far as anybody knows");
            };
            assert!(!backing.ready);
            assert_eq!(backing.note.as_deref(), Some("why"));
            assert_eq!(backing.ips, ["10.9.0.7"]);
        }
    }

    #[test]
    fn a_session_that_stands_still_does_so_whether_its_node_is_heard_or_not() {
        let resting = placed(suspended(), SUSPENDED, reason::POD_TERMINATED, &[]);
        for session in [Some(session(Phase::Suspended)), None] {
            assert_eq!(
                unheard(&subject(&resting), &found(session), String::new()),
                Observed::Resting("a".to_owned())
            );
        }
    }

    #[test]
    fn what_has_ended_stays_so_whether_its_node_is_heard_or_not() {
        let over = placed(sandbox(), FINISHED, reason::POD_SUCCEEDED, &["10.9.0.7"]);
        for session in [Some(session(Phase::Succeeded)), None] {
            let told = unheard(&subject(&over), &found(session), String::new());
            let Observed::Here(backing) = told else {
                panic!("it is there, as far as anybody knows");
            };
            assert_eq!(backing.phase, "Succeeded");
        }
    }

    #[test]
    fn what_has_ended_does_not_run_again_because_its_node_goes() {
        let over = placed(sandbox(), FINISHED, reason::POD_SUCCEEDED, &[]);
        assert_eq!(ended(&subject(&over), None), Some(Phase::Succeeded));
        let failed = session(Phase::Failed);
        assert_eq!(ended(&subject(&over), Some(&failed)), Some(Phase::Failed));
        assert_eq!(ended(&subject(&over), Some(&session(Phase::Running))), None);
        let resting = placed(suspended(), FINISHED, reason::POD_SUCCEEDED, &[]);
        assert_eq!(ended(&subject(&resting), None), None);
    }
}
