//! How long it takes until what was created is ready, as one sees it who has
//! watched since before.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};
use kube::ResourceExt;
use kube::runtime::watcher::{self, Event};
use mote_controller::crd::{Condition, Sandbox, SandboxClaim};
use mote_e2e::{Kind, Story};
use serde_json::Value;

/// Longer than anything here may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A kind that says when it is ready.
pub(crate) trait Readied: Kind {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];

    /// Whether it is ready.
    fn is_ready(&self) -> bool {
        let mut conditions = self.conditions().iter();
        conditions.any(|it| it.type_ == "Ready" && it.status == "True")
    }
}

impl Readied for Sandbox {
    fn conditions(&self) -> &[Condition] {
        self.status
            .as_ref()
            .map_or(&[], |status| &status.conditions)
    }
}

impl Readied for SandboxClaim {
    fn conditions(&self) -> &[Condition] {
        self.status
            .as_ref()
            .map_or(&[], |status| &status.conditions)
    }
}

/// From the request that creates an object until it is ready.
pub(crate) async fn ready<K: Readied>(story: &Story, name: &str, object: Value) -> Duration {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let watch = begin::<K>(story, config).await;
    let started = Instant::now();
    story.create::<K>(object).await;
    until_ready(watch, 1).await;
    started.elapsed()
}

/// From the first request that creates one of these until all are ready.
pub(crate) async fn all_ready<K: Readied>(story: &Story, objects: Vec<Value>) -> Duration {
    let watch = begin::<K>(story, watcher::Config::default()).await;
    let (started, count) = (Instant::now(), objects.len());
    let creating = join_all(objects.into_iter().map(|object| story.create::<K>(object)));
    tokio::join!(creating, until_ready(watch, count));
    started.elapsed()
}

/// A watch that has listed what there was before.
async fn begin<K: Readied>(
    story: &Story,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Unpin + use<K> {
    let mut watch = Box::pin(kube::runtime::watcher(story.api::<K>(), config));
    while !matches!(watch.next().await, Some(Ok(Event::InitDone))) {}
    watch
}

async fn until_ready<K: Readied>(
    mut watch: impl Stream<Item = watcher::Result<Event<K>>> + Unpin,
    count: usize,
) {
    let mut ready = HashSet::new();
    let counting = async {
        while ready.len() < count {
            if let Event::Apply(object) = watch.next().await.expect("a watch").expect("an event")
                && object.is_ready()
            {
                ready.insert(object.name_any());
            }
        }
    };
    let all = tokio::time::timeout(DEADLINE, counting).await;
    all.unwrap_or_else(|_| panic!("{} of {count} ready within {DEADLINE:?}", ready.len()));
}
