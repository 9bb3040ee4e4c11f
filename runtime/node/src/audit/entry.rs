//! What the lines of the audit log say.

use std::borrow::Cow;
use std::fmt;

use mote_api::{Access, Capability, Clock, Digest, Grants, GuestPath, Random, Usage};
use mote_surface::TraceParent;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::metrics::{Refused, Surface};

/// Longest text of a stranger's in a line, in bytes: enough to know a program
/// or a caller by, and no room to fill the log with one call.
const MAX_TEXT_BYTES: usize = 256;

/// One line. All text in it is bounded.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Entry<'a> {
    /// A call ended, or was declined.
    Call(Call<'a>),
    /// A call was refused a capability while it ran; one line for each.
    Denied(Denied<'a>),
    /// Something was done to a sandbox.
    Sandbox(SandboxAction<'a>),
    /// A request was refused before a sandbox saw it.
    Refused(Refusal<'a>),
    /// Here lines are missing: there were more than could be written.
    Lost {
        /// How many.
        lines: u64,
    },
}

/// A call that ended, or was declined.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Call<'a> {
    /// The caller.
    #[serde(serialize_with = "clipped")]
    pub(crate) who: &'a str,
    /// In which sandbox.
    pub(crate) sandbox: &'a str,
    /// By which protocol.
    pub(crate) surface: Surface,
    /// What was to run.
    #[serde(flatten)]
    pub(crate) program: &'a Program,
    /// The component that ran, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Digest>,
    /// What it held.
    pub(crate) grants: &'a Held,
    /// [`mote_api::End::reason`], or why it was declined: the words of the
    /// metrics.
    pub(crate) outcome: &'static str,
    /// The exit status, if it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit_code: Option<u8>,
    /// What it used, if it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<&'a Usage>,
    /// Whether its changes of files were kept, if it was a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) committed: Option<bool>,
    /// The trace it is part of.
    #[serde(rename = "trace_id", serialize_with = "trace_id")]
    pub(crate) trace: TraceParent,
}

/// A capability that a call asked for and was not granted.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Denied<'a> {
    /// The caller.
    #[serde(serialize_with = "clipped")]
    pub(crate) who: &'a str,
    /// In which sandbox.
    pub(crate) sandbox: &'a str,
    /// By which protocol.
    pub(crate) surface: Surface,
    /// What ran.
    #[serde(flatten)]
    pub(crate) program: &'a Program,
    /// What it asked for.
    pub(crate) capability: Capability,
    /// How often.
    pub(crate) count: u64,
    /// The trace it is part of.
    #[serde(rename = "trace_id", serialize_with = "trace_id")]
    pub(crate) trace: TraceParent,
}

/// Something that was done to a sandbox, or was to be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SandboxAction<'a> {
    /// The caller; empty where the node did it by itself.
    #[serde(serialize_with = "clipped")]
    pub(crate) who: &'a str,
    /// To which sandbox.
    pub(crate) sandbox: &'a str,
    /// What.
    pub(crate) action: Action,
    /// The sandbox that it was forked from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<&'a str>,
    /// `done`, or a word of ours for why not.
    pub(crate) outcome: &'static str,
    /// The trace it is part of, if the caller told.
    #[serde(
        rename = "trace_id",
        serialize_with = "trace_id_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) trace: Option<TraceParent>,
}

/// What is done to a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// It is new.
    Create,
    /// It is new, with the files of another.
    Fork,
    /// It takes no calls until it is resumed.
    Suspend,
    /// It takes calls again.
    Resume,
    /// It goes, files and all: somebody asked for it.
    Delete,
    /// It goes, files and all: its time has come.
    Expire,
}

/// A request that was refused before a sandbox saw it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Refusal<'a> {
    /// The caller: of one without a token, where it is from.
    #[serde(serialize_with = "clipped")]
    pub(crate) who: &'a str,
    /// The sandbox it asked for, if that could be read.
    #[serde(
        serialize_with = "clipped_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) sandbox: Option<&'a str>,
    /// By which protocol.
    pub(crate) surface: Surface,
    /// Why.
    pub(crate) reason: Refused,
}

/// What was to run, as far as it may be told: arguments can be secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Program {
    /// `argv[0]`, clipped.
    #[serde(rename = "program")]
    pub(crate) name: String,
    /// SHA-256 of all of `argv`, with NUL in between, to know the same call by.
    pub(crate) argv_sha256: String,
}

impl Program {
    /// What `argv` runs.
    pub(crate) fn of(argv: &[String]) -> Self {
        let mut hash = Sha256::new();
        for (index, argument) in argv.iter().enumerate() {
            if index > 0 {
                hash.update([0]);
            }
            hash.update(argument);
        }
        let name = argv.first().map_or("", String::as_str);
        Self {
            name: clip(name).into_owned(),
            argv_sha256: Digest::from_bytes(hash.finalize().into()).hex(),
        }
    }
}

/// What a call holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Held {
    /// Directories; at most as many as a sandbox may be granted.
    preopens: Vec<Directory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<Clock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    random: Option<Random>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Directory {
    /// Where the guest sees it, clipped.
    guest: String,
    access: Access,
}

impl Held {
    /// `grants`, and of their directories only those that a call asks for, if
    /// it does.
    pub(crate) fn of(grants: &Grants, asked: Option<&[GuestPath]>) -> Self {
        let held = |guest: &GuestPath| asked.is_none_or(|asked| asked.contains(guest));
        let preopens = grants
            .preopens()
            .filter(|preopen| held(&preopen.guest))
            .map(|preopen| Directory {
                guest: clip(preopen.guest.as_str()).into_owned(),
                access: preopen.access,
            });
        Self {
            preopens: preopens.collect(),
            clock: grants.clock(),
            random: grants.random(),
        }
    }
}

/// The beginning of `text`, up to [`MAX_TEXT_BYTES`], and a sign that there is
/// more.
pub(crate) fn clip(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_TEXT_BYTES {
        return Cow::Borrowed(text);
    }
    let (head, _) = text.split_at(text.floor_char_boundary(MAX_TEXT_BYTES));
    Cow::Owned(format!("{head}…"))
}

fn clipped<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clip(text))
}

fn clipped_if_any<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    text.map(clip).serialize(serializer)
}

fn trace_id<S: Serializer>(trace: &TraceParent, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Hex(trace.trace))
}

fn trace_id_if_any<S: Serializer>(
    trace: &Option<TraceParent>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match trace {
        Some(trace) => trace_id(trace, serializer),
        None => serializer.serialize_none(),
    }
}

struct Hex(u128);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
