//! Output past what the caller captures goes to a file of the workspace, so
//! that nothing a program printed is lost while there is room for it.

use std::sync::{Arc, Mutex, PoisonError};

use mote_api::{Access, GuestPath};

use crate::files::{OpenDir, Overflow};
use crate::scope::Scope;
use crate::session::Streams;
use crate::stdio::Output;

/// Where the rest of each stream went.
pub(crate) struct Spilled {
    pub(crate) stdout: Spill,
    pub(crate) stderr: Spill,
}

/// The file of one stream, once there is one.
#[derive(Clone, Default)]
pub(crate) struct Spill(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    /// Nothing has gone over the ceiling yet.
    #[default]
    Unused,
    Open(GuestPath, Overflow),
}

impl Spill {
    /// The guest's path of the file.
    pub(crate) fn path(&self) -> Option<GuestPath> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open(path, _) => Some(path.clone()),
            State::Unused => None,
        }
    }

    /// Appends; `false` if no more can be taken.
    fn push(&self, dir: &OpenDir, scope: &Scope, stream: &str, bytes: &[u8]) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unused = *state {
            let Ok((name, file)) = Overflow::create(dir, stream, &scope.ledger, &scope.budget)
            else {
                return false;
            };
            let Ok(path) = dir.guest.join(&name) else {
                return false;
            };
            *state = State::Open(path, file);
        }
        match &*state {
            State::Open(_, file) => file.append(bytes).is_ok(),
            State::Unused => false,
        }
    }
}

/// Gives each captured stream a file to go on in, where the sandbox has a
/// workspace it may write.
pub(crate) fn attach(streams: &Streams, scope: &Scope) -> Spilled {
    let spilled = Spilled {
        stdout: Spill::default(),
        stderr: Spill::default(),
    };
    let workspace = GuestPath::workspace();
    let writable = |dir: &&OpenDir| dir.guest == workspace && dir.access() == Access::ReadWrite;
    let Some(dir) = scope.dirs.iter().find(writable) else {
        return spilled;
    };
    for (name, output, spill) in [
        ("stdout", &streams.stdout, &spilled.stdout),
        ("stderr", &streams.stderr, &spilled.stderr),
    ] {
        if let Output::Capture(capture) = output {
            let (spill, dir, scope) = (spill.clone(), dir.clone(), scope.clone());
            capture.set_spill(move |bytes| spill.push(&dir, &scope, name, bytes));
        }
    }
    spilled
}
