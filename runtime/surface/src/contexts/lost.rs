//! Why a context is no more.

use std::fmt;

use mote_api::{End, Outcome, StreamUsage, Usage};

use crate::events::{CallerGone, Exit};

/// Why a context is no more.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lost {
    /// Its program ended by itself, or met a limit of its own.
    Ended(Box<Exit>),
    /// A call took too long.
    Deadline,
    /// A call's caller went, or sent a signal.
    Cancelled,
    /// The driver's words make no sense.
    Garbled,
    /// No call came for too long.
    Idle,
    /// All of the sandbox was stopped.
    Stopped,
    /// Nobody knows: its host failed.
    Host,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended(exit) => match &exit.outcome.end {
                End::Exited { code } => {
                    return write!(f, "a call ended its interpreter with status {code}");
                }
                end => return write!(f, "its interpreter ended: {}", end.reason()),
            },
            Self::Deadline => "a call ran past its time limit",
            Self::Cancelled => "the caller of a call went away or ended it",
            Self::Garbled => "a call disturbed its interpreter",
            Self::Idle => "no call came for its idle time",
            Self::Stopped => "the sandbox was stopped",
            Self::Host => "the sandbox host failed; its log says why",
        })
    }
}

impl From<CallerGone> for Lost {
    fn from(_: CallerGone) -> Self {
        Self::Cancelled
    }
}

impl Lost {
    /// How the call ended that was running then; `None` if nobody knows.
    pub(super) fn exit(self, usage: Used) -> Option<Exit> {
        let mut exit = match self {
            Self::Ended(exit) => *exit,
            Self::Deadline => usage.exit(End::Deadline),
            Self::Cancelled | Self::Idle | Self::Stopped => Exit {
                // As of a program that a signal ends.
                code: -1,
                ..usage.exit(End::Cancelled)
            },
            Self::Garbled => usage.exit(End::Trapped {
                trap: "it disturbed the interpreter of its context".to_owned(),
            }),
            Self::Host => return None,
        };
        let hint = exit.outcome.hint.take().map(|hint| hint + " ");
        exit.outcome.hint =
            Some(hint.unwrap_or_default() + "The context and its variables are gone.");
        Some(exit)
    }
}

/// What one call of a context used, as far as it can be told from others.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub(super) wall: std::time::Duration,
    pub(super) stdout: u64,
    pub(super) stderr: u64,
}

impl Used {
    /// How a call that used this ended.
    pub(super) fn exit(self, end: End) -> Exit {
        let stream = |bytes| StreamUsage {
            bytes,
            spilled_to: None,
        };
        let outcome = Outcome {
            exit_code: end.exit_code(),
            usage: Usage {
                wall: self.wall,
                ..Usage::default()
            },
            stdout: stream(self.stdout),
            stderr: stream(self.stderr),
            denied: Vec::new(),
            limits_hit: Vec::new(),
            hint: end.hint(),
            transaction: None,
            end,
        };
        Exit {
            code: outcome.exit_code.into(),
            outcome: Box::new(outcome),
        }
    }
}
