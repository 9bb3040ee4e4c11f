//! Sessions by the names of their objects.

use std::collections::HashMap;
use std::sync::Arc;

use mote_api::SandboxId;

use crate::record::Record;
use crate::sandbox::Sandbox;

/// Sessions by `NAME.NAMESPACE`. A name comes back: one that is to go may be
/// there still when the next of its name is made.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Vec<SandboxId>>);

impl Names {
    /// Those of sessions from before.
    pub(super) fn of<'a>(sandboxes: impl Iterator<Item = &'a Arc<Sandbox>>) -> Self {
        let mut sandboxes: Vec<_> = sandboxes.collect();
        sandboxes.sort_by_key(|sandbox| sandbox.record().created_at);
        let mut names = Self::default();
        sandboxes.into_iter().for_each(|sandbox| names.add(sandbox));
        names
    }

    /// Notes a session that was made after all others. A sandbox that is no
    /// object's has no such name.
    pub(super) fn add(&mut self, sandbox: &Sandbox) {
        if let Some(name) = name(&sandbox.record()) {
            self.0.entry(name).or_default().push(sandbox.id.clone());
        }
    }

    /// Forgets one that is gone.
    pub(super) fn remove(&mut self, sandbox: &Sandbox) {
        let Some(name) = name(&sandbox.record()) else {
            return;
        };
        let Some(ids) = self.0.get_mut(&name) else {
            return;
        };
        ids.retain(|id| *id != sandbox.id);
        if ids.is_empty() {
            self.0.remove(&name);
        }
    }

    /// The last that was made of this name.
    pub(super) fn latest(&self, name: &str) -> Option<&SandboxId> {
        self.0.get(name)?.last()
    }
}

fn name(record: &Record) -> Option<String> {
    let object = record.object.as_ref()?;
    Some(format!("{}.{}", object.name, object.namespace))
}
