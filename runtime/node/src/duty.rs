//! What a session does by itself: a command, from its beginning on, and the
//! time for which it may be there.
//!
//! ```text
//! begin ─► runs ─ ends ─ Restart ─► waits (Backoff) ─► runs …
//!            │              └─► Ended: the session takes no calls any more
//!            └─ suspended ─ resumed ─► begin
//! ```

pub(crate) mod backoff;
pub(crate) mod log;
pub(crate) mod run;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What a session does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duty {
    /// What it runs.
    pub(crate) command: Option<Command>,
    /// Seconds from its beginning on after which it fails.
    pub(crate) deadline_seconds: Option<u64>,
}

/// A program that runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// The program and its arguments; not empty.
    pub(crate) argv: Vec<String>,
    pub(crate) restart: Restart,
}

/// What follows the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Restart {
    /// It is started again.
    Always,
    /// So only if it failed.
    OnFailure,
    /// The session is at its end.
    Never,
}

/// A duty, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Course {
    pub(crate) duty: Duty,
    /// When the session was made, or resumed last.
    began_at: Timestamp,
    /// How it has come to its end, if it has.
    pub(crate) ended: Option<Ended>,
}

/// How a command, or a session with it, has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Ended {
    /// It ran, and ended with this status; why, where that does not say it.
    Exited {
        code: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// It could not be started: the status that a shell gives it, and why.
    Declined { code: u8, why: String },
    /// The session was there for longer than it may, in seconds.
    Overdue { seconds: u64 },
}

impl Ended {
    /// The status of the command, if that is how it ended.
    pub(crate) fn code(&self) -> Option<u8> {
        match self {
            Self::Exited { code, .. } | Self::Declined { code, .. } => Some(*code),
            Self::Overdue { .. } => None,
        }
    }

    /// Whether nothing is wrong with it.
    pub(crate) fn is_well(&self) -> bool {
        self.code() == Some(0)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code, hint: None } => write!(f, "its command ended with status {code}"),
            Self::Exited {
                code,
                hint: Some(hint),
            } => write!(f, "its command ended with status {code}: {hint}"),
            Self::Declined { why, .. } => write!(f, "its command cannot be started: {why}"),
            // The first word is that of Kubernetes.
            Self::Overdue { seconds } => write!(
                f,
                "DeadlineExceeded: it was there for the {seconds} s of its activeDeadlineSeconds"
            ),
        }
    }
}

impl Restart {
    /// Whether a command that ended so is started again.
    pub(crate) fn follows(self, ended: &Ended) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => !ended.is_well(),
            Self::Never => false,
        }
    }
}

impl Course {
    /// The course of a session that begins now; `None` if there is nothing
    /// that it does by itself.
    pub(crate) fn begin(duty: Duty, now: Timestamp) -> Option<Box<Self>> {
        (duty != Duty::default()).then(|| {
            Box::new(Self {
                duty,
                began_at: now,
                ended: None,
            })
        })
    }

    /// Why it is at its end now, if its time is over.
    pub(crate) fn overdue(&self, now: Timestamp) -> Option<Ended> {
        let seconds = self.duty.deadline_seconds?;
        let time = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
        (now.duration_since(self.began_at) >= time).then_some(Ended::Overdue { seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(code: u8) -> Ended {
        Ended::Exited { code, hint: None }
    }

    #[test]
    fn a_command_is_started_again_as_its_policy_says() {
        let declined = Ended::Declined {
            code: 127,
            why: "no such program".to_owned(),
        };
        let follows = |restart: Restart| {
            [&exited(0), &exited(3), &declined].map(|ended| restart.follows(ended))
        };
        assert_eq!(follows(Restart::Always), [true; 3]);
        assert_eq!(follows(Restart::OnFailure), [false, true, true]);
        assert_eq!(follows(Restart::Never), [false; 3]);
    }

    #[test]
    fn time_is_counted_from_the_beginning_and_kept_over_a_restart() {
        let duty = Duty {
            command: None,
            deadline_seconds: Some(60),
        };
        let course = Course::begin(duty, Timestamp::UNIX_EPOCH).unwrap();
        let kept = serde_json::to_string(&course).unwrap();
        let back: Course = serde_json::from_str(&kept).unwrap();
        let at = |seconds| back.overdue(Timestamp::from_second(seconds).unwrap());
        assert_eq!(at(59), None);
        assert_eq!(at(60), Some(Ended::Overdue { seconds: 60 }));
        assert!(at(60).unwrap().to_string().starts_with("DeadlineExceeded"));
    }

    #[test]
    fn what_does_nothing_by_itself_has_no_course() {
        assert_eq!(Course::begin(Duty::default(), Timestamp::UNIX_EPOCH), None);
    }
}
