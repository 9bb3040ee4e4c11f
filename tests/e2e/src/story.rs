//! A namespace in which one story takes place.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use mote_controller::crd::Sandbox;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long anything may take to become true. A cold pod takes a second or
/// two here; images are present, but twenty pods may start at once.
const DEADLINE: Duration = Duration::from_secs(90);

/// What can be asked for by name.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}
impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

/// One story: its namespace and a client of its own.
pub struct Story {
    /// Talks to the API server as the administrator.
    pub client: Client,
    /// The namespace's name.
    pub namespace: String,
}

impl Story {
    /// Makes a namespace. Its name begins with what the story is about.
    pub async fn begin(about: &str) -> Self {
        let client = Client::try_default()
            .await
            .expect("a cluster by KUBECONFIG; `make e2e` brings one");
        let metadata = ObjectMeta {
            generate_name: Some(format!("e2e-{about}-")),
            labels: Some([("mote.dev/e2e".to_owned(), about.to_owned())].into()),
            ..Default::default()
        };
        let namespace = Namespace {
            metadata,
            ..Default::default()
        };
        let made = Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        Self {
            client,
            namespace: made.name_any(),
        }
    }

    /// The kind, in this namespace.
    pub fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates an object from its JSON, as `kubectl create` does: what the Rust
    /// types would leave out or fill in is sent as it stands.
    pub async fn create<K: Kind>(&self, object: Value) -> K {
        self.try_create(object)
            .await
            .unwrap_or_else(|error| panic!("created: {error}"))
    }

    /// The same, for what the API server may refuse.
    pub async fn try_create<K: Kind>(&self, object: Value) -> Result<K, kube::Error> {
        let mut object = object;
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        object["metadata"]["namespace"] = json!(self.namespace);
        let path = K::url_path(&(), Some(&self.namespace));
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(serde_json::to_vec(&object).expect("JSON"))
            .expect("a request");
        self.client.request(request).await
    }

    /// The same, where the API server may be away for a while.
    pub async fn create_when_possible<K: Kind>(&self, object: Value) -> K {
        /// How often it is asked. Nothing tells when a server comes back.
        const PAUSE: Duration = Duration::from_millis(100);
        let mut pauses = tokio::time::interval(PAUSE);
        let created = async {
            loop {
                pauses.tick().await;
                match self.try_create(object.clone()).await {
                    Ok(object) => return object,
                    Err(kube::Error::Api(status)) if status.code < 500 => {
                        panic!("created: {status}")
                    }
                    Err(_) => {}
                }
            }
        };
        tokio::time::timeout(DEADLINE, created)
            .await
            .expect("an API server that comes back")
    }

    /// The object as it is now.
    pub async fn get<K: Kind>(&self, name: &str) -> K {
        self.api::<K>()
            .get(name)
            .await
            .unwrap_or_else(|error| panic!("{} {name}: {error}", K::kind(&())))
    }

    /// The object as it is now, if it is.
    pub async fn find<K: Kind>(&self, name: &str) -> Option<K> {
        self.api::<K>().get_opt(name).await.expect("an answer")
    }

    /// All objects with these labels.
    pub async fn list<K: Kind>(&self, labels: &str) -> Vec<K> {
        self.api::<K>()
            .list(&ListParams::default().labels(labels))
            .await
            .expect("a list")
            .items
    }

    /// Merges a patch.
    pub async fn patch<K: Kind>(&self, name: &str, patch: Value) -> K {
        self.api::<K>()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap_or_else(|error| panic!("patched {} {name}: {error}", K::kind(&())))
    }

    /// Deletes, in the background.
    pub async fn delete<K: Kind>(&self, name: &str) {
        self.api::<K>()
            .delete(name, &DeleteParams::background())
            .await
            .expect("deleted");
    }

    /// Waits until the object is as `wanted`; tells how it was if it never is.
    pub async fn until<K: Kind>(&self, name: &str, what: &str, wanted: impl Fn(&K) -> bool) -> K {
        let wanted = |object: Option<&K>| object.is_some_and(&wanted);
        self.watch(name, what, wanted)
            .await
            .expect("an object that is as wanted")
    }

    /// Waits until there is no such object.
    pub async fn until_gone<K: Kind>(&self, name: &str) {
        self.watch::<K>(name, "gone", |object| object.is_none())
            .await;
    }

    /// Waits until the objects with these labels are, together, as `wanted`.
    pub async fn until_all<K: Kind>(
        &self,
        labels: &str,
        what: &str,
        wanted: impl Fn(&[K]) -> bool,
    ) -> Vec<K> {
        let mut last = Vec::new();
        let look = async {
            let config = watcher::Config::default().labels(labels);
            let mut changes = std::pin::pin!(watcher(self.api::<K>(), config).default_backoff());
            loop {
                last = self.list::<K>(labels).await;
                if wanted(&last) {
                    return;
                }
                changes.next().await;
            }
        };
        if tokio::time::timeout(DEADLINE, look).await.is_err() {
            let last: Vec<_> = last.iter().map(|object| to_json(object)).collect();
            self.fail(
                &format!("{}s with {labels}: never {what}", K::kind(&())),
                &json!(last),
            )
            .await;
        }
        last
    }

    async fn watch<K: Kind>(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(Option<&K>) -> bool,
    ) -> Option<K> {
        let mut last = None;
        let look = async {
            let mut changes =
                std::pin::pin!(watcher::watch_object(self.api::<K>(), name).default_backoff());
            while let Some(change) = changes.next().await {
                let Ok(object) = change else { continue };
                last = object;
                if wanted(last.as_ref()) {
                    return;
                }
            }
        };
        if tokio::time::timeout(DEADLINE, look).await.is_err() {
            let last = last.as_ref().map(to_json).unwrap_or_default();
            self.fail(&format!("{} {name}: never {what}", K::kind(&())), &last)
                .await;
        }
        last
    }

    async fn fail(&self, claim: &str, last: &Value) -> ! {
        let pods = self.list::<Pod>("").await;
        let pods: Vec<_> = pods
            .iter()
            .map(|pod| format!("{} {:?}", pod.name_any(), phase(pod)))
            .collect();
        let events: Vec<_> = self
            .list::<Event>("")
            .await
            .into_iter()
            .filter_map(|event| event.message)
            .collect();
        panic!(
            "{claim}, within {DEADLINE:?}\nlast seen: {last:#}\npods: {pods:#?}\nevents: {events:#?}\nnamespace: {}",
            self.namespace
        );
    }

    /// Waits until the sandbox's Ready condition has this status and reason.
    pub async fn until_ready_is(&self, name: &str, status: &str, reason: &str) -> Sandbox {
        self.until(
            name,
            &format!("Ready={status} {reason}"),
            |sandbox: &Sandbox| {
                let conditions = sandbox
                    .status
                    .as_ref()
                    .map(|status| status.conditions.as_slice())
                    .unwrap_or_default();
                conditions
                    .iter()
                    .any(|it| it.type_ == "Ready" && it.status == status && it.reason == reason)
            },
        )
        .await
    }

    /// Ends the story: the namespace goes, with all that is in it. A story that
    /// fails leaves its namespace, to be looked at.
    pub async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client);
        namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await
            .expect("deleted");
    }
}

fn to_json<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}
