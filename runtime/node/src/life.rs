//! Where a sandbox is in its life, and what may be asked of it there.
//!
//! ```text
//! Ready ── nobody calls ──► Idle ── a call ──► Ready
//!   ├─ suspend ─► Suspended ── resume ──► Ready        each ── delete, expire ──► Gone
//!   └─ its command ended ──► Ended ── suspend ──► Suspended
//! ```

use mote_api::SandboxState;

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It takes calls.
    Ready,
    /// Nobody has called it for long; the next call finds it as it was.
    Idle,
    /// It takes no calls until it is resumed.
    Suspended,
    /// It takes no calls: what it did by itself has come to its end.
    Ended,
    /// It is deleted; who still holds it finds nothing.
    Gone,
}

/// What is asked of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To run a program, or use its files.
    Call,
    /// To take no calls.
    Suspend,
    /// To take calls again.
    Resume,
    /// To be the source of another.
    Fork,
    /// To go.
    Delete,
    /// To rest, as nobody has called it.
    Rest,
    /// To take no calls any more, as its command has ended.
    End,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has to be resumed first.
    Suspended,
    /// It has come to its end.
    Ended,
    /// It is not there.
    Gone,
}

impl Phase {
    /// Where the sandbox is after `request`.
    ///
    /// # Errors
    /// It cannot be done there.
    pub(crate) fn after(self, request: Request) -> Result<Self, Refusal> {
        match (self, request) {
            (Self::Gone, _) => Err(Refusal::Gone),
            (_, Request::Delete) => Ok(Self::Gone),
            (_, Request::Suspend) => Ok(Self::Suspended),
            (Self::Ended, Request::Call) => Err(Refusal::Ended),
            // To be resumed, it has to have been suspended.
            (Self::Ended, Request::Resume) => Ok(Self::Ended),
            (_, Request::Resume) => Ok(Self::Ready),
            (here, Request::Fork) => Ok(here),
            (Self::Suspended, Request::Call) => Err(Refusal::Suspended),
            (Self::Ready | Self::Idle, Request::Call) => Ok(Self::Ready),
            (Self::Ready, Request::Rest) => Ok(Self::Idle),
            (here, Request::Rest) => Ok(here),
            (Self::Suspended, Request::End) => Ok(Self::Suspended),
            (Self::Ready | Self::Idle | Self::Ended, Request::End) => Ok(Self::Ended),
        }
    }

    /// As it is told; `None` for what is not there.
    pub(crate) fn told(self) -> Option<SandboxState> {
        match self {
            Self::Ready => Some(SandboxState::Ready),
            Self::Idle => Some(SandboxState::Idle),
            // It takes no calls, as a suspended one.
            Self::Suspended | Self::Ended => Some(SandboxState::Suspended),
            Self::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Phase::{Ended, Gone, Idle, Ready, Suspended};
    use super::Request::{Call, Delete, End, Fork, Rest, Resume, Suspend};
    use super::*;

    #[test]
    fn every_request_in_every_phase() {
        let suspended = Err(Refusal::Suspended);
        let table = [
            (
                Ready,
                [
                    Ok(Ready),
                    Ok(Suspended),
                    Ok(Ready),
                    Ok(Ready),
                    Ok(Gone),
                    Ok(Idle),
                    Ok(Ended),
                ],
            ),
            (
                Idle,
                [
                    Ok(Ready),
                    Ok(Suspended),
                    Ok(Ready),
                    Ok(Idle),
                    Ok(Gone),
                    Ok(Idle),
                    Ok(Ended),
                ],
            ),
            (
                Suspended,
                [
                    suspended,
                    Ok(Suspended),
                    Ok(Ready),
                    Ok(Suspended),
                    Ok(Gone),
                    Ok(Suspended),
                    Ok(Suspended),
                ],
            ),
            (
                Ended,
                [
                    Err(Refusal::Ended),
                    Ok(Suspended),
                    Ok(Ended),
                    Ok(Ended),
                    Ok(Gone),
                    Ok(Ended),
                    Ok(Ended),
                ],
            ),
            (Gone, [Err(Refusal::Gone); 7]),
        ];
        for (phase, expected) in table {
            let requests = [Call, Suspend, Resume, Fork, Delete, Rest, End];
            assert_eq!(
                requests.map(|request| phase.after(request)),
                expected,
                "{phase:?}"
            );
        }
    }
}
