//! Keeps the directory as the API server has it, by one watch on all sandboxes.

use futures_util::StreamExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};

use crate::directory::Directory;
use crate::sandbox::{Entry, Sandbox, Trust};

/// Fills the directory and keeps it, for as long as it is polled.
pub async fn keep(client: Client, directory: Directory, trust: Trust) {
    // A list that was begun: what it has said so far.
    let mut listed = Vec::new();
    let sandboxes: Api<DeserializeGuard<Sandbox>> = Api::all(client);
    let mut events = std::pin::pin!(watcher(sandboxes, Config::default()).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(sandbox)) => listed.extend(read(&sandbox, &trust)),
            Ok(Event::InitDone) => directory.replace(std::mem::take(&mut listed)),
            Ok(Event::Apply(sandbox)) => match read(&sandbox, &trust) {
                Some(entry) => directory.set(entry),
                // Better none than one that is no longer true.
                None => forget(&directory, &sandbox),
            },
            Ok(Event::Delete(sandbox)) => forget(&directory, &sandbox),
            Err(error) => tracing::warn!(%error, "the watch was interrupted and starts anew"),
        }
    }
}

fn read(sandbox: &DeserializeGuard<Sandbox>, trust: &Trust) -> Option<Entry> {
    match &sandbox.0 {
        Ok(sandbox) => Entry::of(sandbox, trust),
        Err(error) => {
            let namespace = sandbox.namespace();
            tracing::warn!(sandbox = sandbox.name_any(), ?namespace, %error, "a sandbox cannot be read");
            None
        }
    }
}

fn forget(directory: &Directory, sandbox: &DeserializeGuard<Sandbox>) {
    let namespace = sandbox.namespace().unwrap_or_default();
    directory.remove(&namespace, &sandbox.name_any());
}
