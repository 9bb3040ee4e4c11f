//! What is told of a call, in one place: metrics, audit log and trace.
//!
//! ```text
//! Observer ── call ─► Observed ─┬─ finish(Outcome) ─┐
//!                               ├─ reject(error) ───┼─► counted, logged and traced once
//!                               └─ dropped ─────────┘
//! ```

use std::time::Duration;

use mote_api::{Digest, End, Grants, GuestPath, Outcome, SandboxId};
use mote_surface::{Caller, Record, StartError};
use tracing::Span;

use crate::audit::{self, Audit, Entry, Held, Program};
use crate::metrics::{CallTimer, Metrics, Surface, refusal};
use crate::trace::CallTrace;

/// Tells of calls; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What is logged for ever.
    pub(crate) audit: Audit,
}

/// Who asks for what, and holds what meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// By which protocol.
    pub(crate) surface: Surface,
    /// In which sandbox.
    pub(crate) sandbox: &'a SandboxId,
    /// Who.
    pub(crate) caller: &'a Caller,
    /// The program and its arguments.
    pub(crate) argv: &'a [String],
    /// What the sandbox holds.
    pub(crate) grants: &'a Grants,
    /// The only directories that the call asks for, if it does.
    pub(crate) preopens: Option<&'a [GuestPath]>,
}

impl Observer {
    /// Observes a call from here on. Dropped without a word, it was cancelled.
    pub(crate) fn call(&self, about: About<'_>) -> Observed {
        let About {
            surface,
            sandbox,
            caller,
            argv,
            grants,
            preopens,
        } = about;
        let timer = self.metrics.call(surface);
        let program = Program::of(argv);
        Observed {
            timer: Some(timer),
            trace: CallTrace::begin(caller, sandbox.as_str(), surface, &program.name),
            audit: self.audit.clone(),
            who: caller.who.clone(),
            sandbox: sandbox.clone(),
            surface,
            program,
            digest: None,
            held: Held::of(grants, preopens),
        }
    }
}

/// A call that is observed.
#[derive(Debug)]
#[must_use = "a call that is not kept is told of as cancelled at once"]
pub(crate) struct Observed {
    /// Always there until the call has ended.
    timer: Option<CallTimer>,
    trace: CallTrace,
    audit: Audit,
    who: String,
    sandbox: SandboxId,
    surface: Surface,
    program: Program,
    digest: Option<Digest>,
    held: Held,
}

impl Observed {
    /// What is logged within it belongs to the call.
    pub(crate) fn span(&self) -> &Span {
        self.trace.span()
    }

    /// The component of this digest runs.
    pub(crate) fn started(&mut self, digest: Option<Digest>) {
        self.digest = digest;
        if let Some(timer) = &self.timer {
            timer.started();
        }
    }

    /// It ended.
    pub(crate) fn finish(mut self, outcome: &Outcome) {
        if let Some(timer) = self.timer.take() {
            let took = timer.elapsed();
            timer.finish(outcome);
            self.tell(outcome.end.reason(), took, Some(outcome));
        }
    }

    /// It was declined.
    pub(crate) fn reject(mut self, error: &StartError) {
        if let Some(timer) = self.timer.take() {
            let took = timer.elapsed();
            timer.reject(error);
            self.tell(refusal(error), took, None);
        }
    }

    /// Tells the log and the trace.
    fn tell(&self, reason: &'static str, took: Duration, outcome: Option<&Outcome>) {
        self.trace.end(reason, took);
        self.audit.write(&Entry::Call(audit::Call {
            who: &self.who,
            sandbox: self.sandbox.as_str(),
            surface: self.surface,
            program: &self.program,
            digest: self.digest,
            grants: &self.held,
            outcome: reason,
            exit_code: outcome.map(|outcome| outcome.exit_code),
            usage: outcome.map(|outcome| &outcome.usage),
            committed: outcome.and_then(|o| o.transaction.as_ref().map(|t| t.committed)),
            trace: self.trace.here(),
        }));
        for denial in outcome.map_or(&[][..], |outcome| &outcome.denied) {
            self.audit.write(&Entry::Denied(audit::Denied {
                who: &self.who,
                sandbox: self.sandbox.as_str(),
                surface: self.surface,
                program: &self.program,
                capability: denial.capability,
                count: denial.count,
                trace: self.trace.here(),
            }));
        }
    }
}

impl Record for Observed {
    fn declined(self: Box<Self>, error: &StartError) {
        self.reject(error);
    }

    fn ended(self: Box<Self>, outcome: &Outcome) {
        self.finish(outcome);
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            let took = timer.elapsed();
            drop(timer);
            self.tell(End::Cancelled.reason(), took, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use mote_api::{Capability, Denial, StreamUsage, Usage};
    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::audit::Rotation;
    use crate::metrics::Snapshot;

    struct Scene {
        folder: TempDir,
        observer: Observer,
    }

    impl Scene {
        fn new() -> Self {
            let folder = TempDir::new().unwrap();
            let metrics = Metrics::new();
            let audit = Audit::open(folder.path(), Rotation::default(), metrics.clone()).unwrap();
            let observer = Observer { metrics, audit };
            Self { folder, observer }
        }

        fn call(&self) -> Observed {
            self.observer.call(About {
                surface: Surface::Grpc,
                sandbox: &"build-7".parse().unwrap(),
                caller: &Caller {
                    who: "alice".to_owned(),
                    trace: None,
                },
                argv: &["sh".to_owned()],
                grants: &Grants::none(),
                preopens: None,
            })
        }

        /// The metrics, and the lines of the audit log.
        fn told(self) -> (String, Vec<Value>) {
            let page = self.observer.metrics.render(&Snapshot::default());
            drop(self.observer);
            let log = fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
            let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
            (page, lines.collect())
        }
    }

    fn counted(page: &str, outcome: &str) -> bool {
        page.contains(&format!(
            "mote_calls_total{{surface=\"grpc\",outcome=\"{outcome}\"}} 1\n"
        ))
    }

    #[test]
    fn an_outcome_is_counted_and_logged_with_what_was_denied() {
        let scene = Scene::new();
        let end = End::Exited { code: 3 };
        let mut call = scene.call();
        call.started(Some(Digest::from_bytes([7; 32])));
        call.finish(&Outcome {
            exit_code: end.exit_code(),
            end,
            usage: Usage::default(),
            stdout: StreamUsage::default(),
            stderr: StreamUsage::default(),
            denied: [Capability::Sockets, Capability::Spawn]
                .map(|capability| Denial {
                    capability,
                    count: 2,
                })
                .to_vec(),
            limits_hit: Vec::new(),
            hint: None,
            transaction: None,
        });
        let (page, lines) = scene.told();
        assert!(counted(&page, "exited"), "{page}");
        let events: Vec<_> = lines.iter().map(|line| line["event"].as_str()).collect();
        assert_eq!(events, [Some("call"), Some("denied"), Some("denied")]);
        assert_eq!(lines[0]["exit_code"], 3);
        assert_eq!(lines[0]["who"], "alice");
        assert!(
            lines[0]["digest"]
                .as_str()
                .unwrap()
                .starts_with("sha256:0707")
        );
        assert_eq!(lines[2]["capability"], "spawn");
        assert_eq!(lines[0]["trace_id"], lines[2]["trace_id"]);
    }

    #[test]
    fn a_rejection_is_counted_and_logged() {
        let scene = Scene::new();
        let error = StartError::Denied("needs the capability http".to_owned());
        scene.call().reject(&error);
        let (page, lines) = scene.told();
        assert!(counted(&page, "denied"), "{page}");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["outcome"], "denied");
        assert_eq!(lines[0].get("exit_code"), None);
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_counted_and_logged_as_cancelled() {
        let scene = Scene::new();
        drop(scene.call());
        let (page, lines) = scene.told();
        assert!(counted(&page, "cancelled"), "{page}");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["outcome"], "cancelled");
    }
}
