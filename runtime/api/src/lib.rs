//! Wire types of Mote: what a sandbox may do ([`Grant`], [`Limits`]), what is
//! asked of it ([`Invocation`]) and what became of it ([`Outcome`]).
//!
//! ```text
//! Grants + Limits ── open ──► Session ── Invocation ──► Outcome { End, Usage, … }
//!                                │
//!                                └─ or a Rejection: no guest code has run
//! ```
//!
//! This package knows no runtime, no network and no Kubernetes: everything
//! here is plain data with serde.

#![forbid(unsafe_code)]

mod call;
mod grant;
mod invocation;
mod label;
mod limits;
mod manifest;
mod name;
mod outcome;
mod sandbox;
mod size;

pub use call::CallOptions;
pub use grant::{Access, Clock, Grant, GrantError, Grants, Preopen, Random};
pub use invocation::Invocation;
pub use label::{ContextName, LabelError, SandboxId};
pub use limits::{Limits, LimitsError};
pub use manifest::{Capability, ComponentKind, Manifest};
pub use name::{Digest, GuestPath, NameError};
pub use outcome::{
    Change, ChangeKind, Denial, End, Outcome, Rejection, StreamUsage, Transaction, Usage,
};
pub use sandbox::{Activity, Sandbox, SandboxEvent, SandboxEventKind, SandboxSpec, SandboxState};
pub use size::{ByteSize, SizeError};
