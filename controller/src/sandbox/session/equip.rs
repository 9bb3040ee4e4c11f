//! What a session is made of beside its image, some of which other objects
//! say: ConfigMaps and Secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mote_rpc::rules::MAX_COMMAND_BYTES;
use mote_rpc::v1::{self, SessionSpec};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::sandbox::apply::Hands;
use crate::sandbox::metadata::Metadata;
use crate::sandbox::refusal::Trouble;
use crate::sandbox::validate::Subject;
use crate::wasm::{
    Budget, Command, LinkError, Missing, Sources, Wanted, expand, registry_credentials, resolve,
};

/// Mebibytes that sessions which are being made bring together. Each is there
/// four times for a moment: as it came, as it is sent, and on the way.
const MAX_LOAD: usize = 64;
/// Those that they bring to one node: one that is slow to take them leaves the
/// rest to others. Two of the largest sessions.
const MAX_NODE_LOAD: usize = MAX_LOAD / 4;
/// How long a session waits for room. A session is made in milliseconds; who
/// waits for longer waits for a node that is slow, and keeps a worker from
/// sandboxes that could go on.
const PATIENCE: Duration = Duration::from_secs(2);
/// The whole process has one memory.
static LOADS: Loads = Loads::new();

/// Waits until there is room for what a session brings to this node, if it
/// brings anything. To be held until the node has it.
///
/// # Errors
/// There is none for long.
pub(super) async fn room(wanted: &Wanted, node: &str) -> Result<Option<Room<'static>>, LinkError> {
    match wanted.mebibytes() {
        0 => Ok(None),
        load => LOADS.take(load, node, PATIENCE).await.map(Some),
    }
}

/// What is on its way to nodes.
struct Loads {
    all: Semaphore,
    /// Of each node to which something is on its way, or waits to be.
    nodes: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

/// Room for what one session brings, until it is dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    _of_node: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'a>,
}

impl Loads {
    const fn new() -> Self {
        Self {
            all: Semaphore::const_new(MAX_LOAD),
            nodes: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes room for so many mebibytes. That of the node comes first: who
    /// waits for it holds nothing that others need.
    async fn take(&self, load: u32, node: &str, patience: Duration) -> Result<Room<'_>, LinkError> {
        let of_node = self.of(node);
        let taking = async {
            let of_node = of_node.acquire_many_owned(load).await?;
            let of_all = self.all.acquire_many(load).await?;
            Ok(Room {
                _of_node: of_node,
                _of_all: of_all,
            })
        };
        // Neither is ever closed.
        let closed = |_: tokio::sync::AcquireError| LinkError::Busy;
        let taken = timeout(patience, taking).await;
        taken.map_err(|_| LinkError::Busy)?.map_err(closed)
    }

    /// The room for what is brought to this node.
    fn of(&self, node: &str) -> Arc<Semaphore> {
        // Whoever held it left it whole.
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = nodes.get(node).and_then(Weak::upgrade) {
            return room;
        }
        nodes.retain(|_, room| room.strong_count() > 0);
        let room = Arc::new(Semaphore::new(MAX_NODE_LOAD));
        nodes.insert(node.to_owned(), Arc::downgrade(&room));
        room
    }
}

impl Hands<'_> {
    /// Adds it to a session that is to begin. What is to stand still begins
    /// nothing that would need it.
    ///
    /// # Errors
    /// Something is not there, or the API server does not answer.
    pub(super) async fn equip(
        &self,
        spec: SessionSpec,
        wanted: &Wanted,
    ) -> Result<SessionSpec, Trouble> {
        if spec.suspended {
            return Ok(spec);
        }
        let Self { context, subject } = self;
        let object = &fields(subject);
        let sources = Sources::read(context, subject.namespace, wanted.sources()).await?;
        let env = wanted.env.resolve(object, &sources)?;
        let command = wanted.command.as_ref();
        let command = command.map(|it| written_out(it, &env)).transpose()?;
        Ok(SessionSpec {
            command,
            env: env.into_iter().collect(),
            volumes: resolve(&wanted.volumes, object, &sources)?,
            mounts: wanted.mounts.clone(),
            working_dir: wanted.working_dir.clone(),
            registry_credentials: registry_credentials(&wanted.pull_secrets, &sources),
            ..spec
        })
    }
}

/// What variables and files say of the object: what they would of its pod,
/// whose name and namespace are the sandbox's.
fn fields(subject: &Subject<'_>) -> ObjectMeta {
    let Metadata {
        labels,
        annotations,
    } = Metadata::of(subject);
    ObjectMeta {
        name: Some(subject.name.to_owned()),
        namespace: Some(subject.namespace.to_owned()),
        uid: Some(subject.uid.to_owned()),
        labels: Some(labels),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

/// A command with the values of the variables that it names.
fn written_out(
    Command { argv, restart }: &Command,
    env: &BTreeMap<String, String>,
) -> Result<v1::Command, Missing> {
    let mut budget = Budget::new("its command takes", MAX_COMMAND_BYTES);
    let mut words = Vec::with_capacity(argv.len());
    for word in argv {
        let word = expand(word, env, &budget)?;
        budget.take(word.len())?;
        words.push(word);
    }
    Ok(v1::Command {
        argv: words,
        restart: (*restart).into(),
    })
}

#[cfg(test)]
mod tests {
    use mote_rpc::v1::command::Restart;

    use super::*;
    use crate::names::label;
    use crate::sandbox::fixtures::{sandbox, subject};

    #[tokio::test]
    async fn a_node_that_takes_nothing_leaves_room_for_what_goes_to_others() {
        let loads = Loads::new();
        let at_once = |load, node| loads.take(load, node, Duration::ZERO);
        let (half, full) = (MAX_NODE_LOAD as u32 / 2, MAX_NODE_LOAD as u32);
        let first = at_once(half, "slow").await.unwrap();
        let second = at_once(half, "slow").await.unwrap();
        let busy = at_once(1, "slow").await.unwrap_err();
        assert!(matches!(busy, LinkError::Busy), "{busy}");
        for node in ["b", "c"] {
            at_once(full, node).await.unwrap();
        }
        drop(first);
        at_once(half, "slow").await.unwrap();
        drop(second);
        assert_eq!(loads.all.available_permits(), MAX_LOAD);
        at_once(1, "b").await.unwrap();
        assert_eq!(
            loads.nodes.lock().unwrap().len(),
            1,
            "idle ones are forgotten"
        );
    }

    #[tokio::test]
    async fn all_nodes_together_are_brought_no_more_than_there_is_memory_for() {
        let loads = Loads::new();
        let full = MAX_NODE_LOAD as u32;
        let mut held = Vec::new();
        for node in ["a", "b", "c", "d"] {
            held.push(loads.take(full, node, Duration::ZERO).await.unwrap());
        }
        assert!(loads.take(1, "e", Duration::ZERO).await.is_err());
        held.pop();
        assert!(loads.take(1, "e", Duration::ZERO).await.is_ok());
    }

    #[test]
    fn variables_and_files_read_what_a_pod_would_carry_and_not_what_the_sandbox_does() {
        let mut sandbox = sandbox();
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            pairs.collect()
        };
        sandbox.metadata.labels = Some(map(&[("tier", "of the sandbox")]));
        let template = &mut sandbox.spec.blueprint.pod_template.metadata;
        template.labels = map(&[("tier", "gold"), (label::SANDBOX_NAME_HASH, "victims")]);
        template.annotations = map(&[("note", "n")]);
        let subject = subject(&sandbox);
        let told = fields(&subject);
        assert_eq!(
            (told.name.as_deref(), told.uid.as_deref()),
            (Some(subject.name), Some(subject.uid))
        );
        let labels = told.labels.unwrap();
        assert_eq!(labels["tier"], "gold");
        assert_eq!(labels[label::SANDBOX_NAME_HASH], subject.hash);
        assert_eq!(told.annotations.unwrap()["note"], "n");
    }

    #[test]
    fn a_command_that_names_a_long_variable_often_is_no_longer_than_any() {
        let env = BTreeMap::from([("A".to_owned(), "x".repeat(1 << 10))]);
        let naming = |times| Command {
            argv: vec!["$(A)".to_owned(); times],
            restart: Restart::Never,
        };
        assert_eq!(written_out(&naming(64), &env).unwrap().argv.len(), 64);
        let told = written_out(&naming(65), &env).unwrap_err().to_string();
        assert!(
            told.contains("its command takes more than 65536 bytes"),
            "{told}"
        );
    }
}
