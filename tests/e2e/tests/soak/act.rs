//! What happens: one act of somebody, chosen at random.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use mote_controller::crd::{Sandbox, SandboxClaim};
use mote_e2e::{
    Kind, claim, cordon, crash, cut_off, execute, kill_controller, kill_host, nodes, sandbox,
    session, taint,
};
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use super::model::{READ, content, write};
use super::{POOL, Soak};

/// How long the API server may be away.
const AWAY: Duration = Duration::from_secs(60);
/// Sandboxes at once: more take longer to be looked at than to go wrong.
const SANDBOXES: usize = 12;
/// Claims at once.
const CLAIMS: usize = 3;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Delete,
    Suspend,
    Resume,
    Write,
    Read,
    Claim,
    Unclaim,
    KillHost,
    KillController,
    KillApi,
    Cordon,
    Drain,
    CutOff,
}

/// How often each of them happens, beside the others.
const ACTS: [(Act, u32); 14] = [
    (Act::Create, 8),
    (Act::Delete, 3),
    (Act::Suspend, 4),
    (Act::Resume, 4),
    (Act::Write, 6),
    (Act::Read, 8),
    (Act::Claim, 3),
    (Act::Unclaim, 2),
    (Act::KillHost, 2),
    (Act::KillController, 1),
    (Act::KillApi, 1),
    (Act::Cordon, 2),
    (Act::Drain, 1),
    (Act::CutOff, 1),
];

impl Soak {
    /// Does one thing, if it can be done now.
    pub(crate) async fn act(&mut self) {
        let chosen = ACTS.choose_weighted(&mut self.random, |(_, weight)| *weight);
        let (act, _) = *chosen.expect("weights");
        match act {
            Act::Create if self.model.sandboxes.len() < SANDBOXES => self.create().await,
            Act::Delete => self.delete().await,
            Act::Suspend => self.set_mode(false).await,
            Act::Resume => self.set_mode(true).await,
            // What is written on a node that nobody hears may be lost.
            Act::Write if !self.cut => self.write().await,
            Act::Create | Act::Write | Act::Read => self.read().await,
            Act::Claim if self.model.claims.len() < CLAIMS => self.claim().await,
            Act::Claim | Act::Unclaim => self.unclaim().await,
            Act::KillApi => {
                self.history.note("the API server is killed");
                crash("apiserver");
            }
            Act::KillController => {
                self.until_api_answers().await;
                self.history.note("the controller is killed");
                kill_controller();
            }
            Act::KillHost | Act::Cordon | Act::Drain | Act::CutOff => self.befall(act).await,
        }
    }

    /// Something befalls a node.
    async fn befall(&mut self, act: Act) {
        self.until_api_answers().await;
        let nodes = nodes();
        let Some(node) = nodes.choose(&mut self.random) else {
            return;
        };
        self.history.note(format!("{act:?} {node}"));
        match act {
            Act::Cordon => self.undo.push(cordon(node)),
            Act::Drain => self.undo.push(taint(node, "example.com/soak:NoExecute")),
            // One at a time: rules of the firewall are told apart by nothing.
            Act::CutOff if !self.cut => {
                self.undo.push(cut_off(node));
                self.cut = true;
            }
            Act::KillHost => kill_host(node),
            _ => {}
        }
    }

    async fn create(&mut self) {
        let name = self.model.create();
        self.history.note(format!("create {name}"));
        let mut object = sandbox(&name, session("wasm"));
        object["spec"]["service"] = json!(true);
        self.make::<Sandbox>(object).await;
    }

    async fn claim(&mut self) {
        let name = format!("c{}", self.model.number());
        self.history.note(format!("claim {name}"));
        self.make::<SandboxClaim>(claim(&name, POOL)).await;
        self.model.claims.insert(name);
    }

    async fn delete(&mut self) {
        let names: Vec<String> = self.model.sandboxes.keys().cloned().collect();
        if let Some(name) = names.choose(&mut self.random) {
            self.history.note(format!("delete {name}"));
            self.take_away::<Sandbox>(name).await;
            self.model.sandboxes.remove(name);
        }
    }

    async fn unclaim(&mut self) {
        let names: Vec<String> = self.model.claims.iter().cloned().collect();
        if let Some(name) = names.choose(&mut self.random) {
            self.history.note(format!("delete {name}"));
            self.take_away::<SandboxClaim>(name).await;
            self.model.claims.remove(name);
        }
    }

    /// Suspends one that runs, or resumes one that does not.
    async fn set_mode(&mut self, suspended: bool) {
        let names = self.model.names(suspended);
        let Some(name) = names.choose(&mut self.random) else {
            return;
        };
        let mode = if suspended { "Running" } else { "Suspended" };
        self.history.note(format!("{name} is to be {mode}"));
        let patch = Patch::Merge(json!({ "spec": { "operatingMode": mode } }));
        let api: Api<Sandbox> = self.story.api();
        self.patiently(async || {
            api.patch(name, &PatchParams::default(), &patch)
                .await
                .map(drop)
        })
        .await;
        if let Some(wanted) = self.model.sandboxes.get_mut(name) {
            wanted.suspended = !suspended;
        }
    }

    async fn write(&mut self) {
        let names = self.model.names(false);
        let Some(name) = names.choose(&mut self.random) else {
            return;
        };
        let Some((_, address)) = self.ready(name).await else {
            return;
        };
        let number = self.model.number();
        let written = execute(&address, &write(number));
        self.history
            .note(format!("{number} into {name}: {written:?}"));
        let Some(wanted) = self.model.sandboxes.get_mut(name) else {
            return;
        };
        match written {
            Ok(_) => wanted.file = [Some(number)].into(),
            // It may have been written, though nobody said so.
            Err(_) => drop(wanted.file.insert(Some(number))),
        }
    }

    /// Reads a file; while its sandbox is ready, it holds what was written.
    async fn read(&mut self) {
        let names = self.model.names(false);
        let Some(name) = names.choose(&mut self.random) else {
            return;
        };
        let Some(before) = self.ready(name).await else {
            return;
        };
        let read = execute(&before.1, READ);
        self.history.note(format!("read {name}: {read:?}"));
        // An address that was given up meanwhile is another's.
        if let Ok(printed) = read
            && self.ready(name).await == Some(before)
        {
            self.compare(name, &printed);
        }
    }

    fn compare(&mut self, name: &str, printed: &str) {
        let Some(wanted) = self.model.sandboxes.get_mut(name) else {
            return;
        };
        match content(printed) {
            Ok(content) if wanted.file.contains(&content) => wanted.file = [content].into(),
            _ => {
                let wanted = format!("{:?}", wanted.file);
                self.history
                    .fail(&format!("{name} holds {printed:?} and not one of {wanted}"));
            }
        }
    }

    /// The node and the address of a sandbox that says that it is ready.
    async fn ready(&self, name: &str) -> Option<(Option<String>, String)> {
        let sandbox = self.story.api::<Sandbox>().get(name).await.ok()?;
        let status = sandbox.status?;
        let ready =
            |it: &mote_controller::crd::Condition| it.type_ == "Ready" && it.status == "True";
        let address = status.pod_ips.first()?.clone();
        let is_ready = status.conditions.iter().any(ready);
        is_ready.then_some((status.node_name, address))
    }

    async fn make<K: Kind>(&self, object: Value) {
        let mut object = object;
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        let object: K = serde_json::from_value(object).expect("an object");
        let api = self.story.api::<K>();
        self.patiently(
            async || match api.create(&PostParams::default(), &object).await {
                // It was made, and nobody said so.
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                made => made.map(drop),
            },
        )
        .await;
    }

    async fn take_away<K: Kind>(&self, name: &str) {
        let api = self.story.api::<K>();
        self.patiently(
            async || match api.delete(name, &DeleteParams::background()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                gone => gone.map(drop),
            },
        )
        .await;
    }

    /// Waits until the API server answers.
    pub(crate) async fn until_api_answers(&self) {
        let namespaces: Api<Namespace> = Api::all(self.story.client.clone());
        let name = &self.story.namespace;
        self.patiently(async || namespaces.get(name).await.map(drop))
            .await;
    }

    /// Asks until it is done: the API server may be away.
    async fn patiently(&self, mut ask: impl AsyncFnMut() -> Result<(), kube::Error>) {
        /// Between tries. Nothing tells when a server comes back.
        const PAUSE: Duration = Duration::from_millis(200);
        let mut pauses = interval(PAUSE);
        let done = async {
            loop {
                pauses.tick().await;
                match ask().await {
                    Ok(()) => return,
                    Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
                        self.history
                            .fail(&format!("the API server declines: {status}"))
                    }
                    Err(_) => {}
                }
            }
        };
        if timeout(AWAY, done).await.is_err() {
            self.history.fail(&format!("no API server for {AWAY:?}"));
        }
    }
}
