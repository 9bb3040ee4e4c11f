//! Every request that changes the cluster, and live reads: one door, counted.

use http::Request;
use k8s_openapi::NamespaceResourceScope;
use kube::api::{
    Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Resource, ResourceExt};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::context::Context;
use crate::names::{CORE_GROUP, FIELD_MANAGER};

/// A kind that the API server keeps by namespace and name.
pub trait Stored:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
{
}
impl<K> Stored for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
{
}

/// Why a request did not do what it says. The first three are part of life
/// where others write too.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no object of that name any more.
    #[error("{0} is not there")]
    NotFound(String),
    /// Someone wrote in between; the next pass sees what.
    #[error("{0} was changed by someone else")]
    Conflict(String),
    /// The name is taken.
    #[error("{0} exists already")]
    AlreadyExists(String),
    /// The API server declines, and says why.
    #[error("{message}")]
    Rejected {
        /// The HTTP status.
        code: u16,
        /// One word of Kubernetes.
        reason: String,
        /// A sentence for people.
        message: String,
    },
    /// No answer that could be understood.
    #[error("the API server could not be asked about {object}: {source}")]
    Unreachable {
        /// What the request was about.
        object: String,
        /// What went wrong.
        source: Box<kube::Error>,
    },
}

impl WriteError {
    /// Whether the same request can only fail again: the object itself is at fault.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Rejected {
                code: 400 | 422,
                ..
            }
        )
    }

    fn from(error: kube::Error, object: impl FnOnce() -> String) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::Unreachable {
                object: object(),
                source: Box::new(error),
            };
        };
        match (status.code, status.reason.as_str()) {
            (404, "NotFound") => Self::NotFound(object()),
            (409, "AlreadyExists") => Self::AlreadyExists(object()),
            (409, _) => Self::Conflict(object()),
            _ => Self::Rejected {
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
            },
        }
    }
}

/// Which object is to be deleted, and how.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only if nobody wrote since.
    pub resource_version: Option<String>,
    /// The object lingers until all that blocks its deletion is gone.
    pub foreground: bool,
}

/// How many requests of each kind were made.
#[derive(Clone, Debug, Default)]
pub struct WriteMetrics {
    requests: Family<RequestLabels, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    kind: String,
    verb: &'static str,
    result: &'static str,
}

impl WriteMetrics {
    /// Makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "mote_controller_api_requests",
            "Requests to the API server, without watches, by kind, verb and result",
            metrics.requests.clone(),
        );
        metrics
    }

    fn count<K: Stored>(&self, verb: &'static str, result: Option<&WriteError>) {
        let result = match result {
            None => "ok",
            Some(WriteError::NotFound(_)) => "not_found",
            Some(WriteError::Conflict(_)) => "conflict",
            Some(WriteError::AlreadyExists(_)) => "already_exists",
            Some(WriteError::Rejected { .. }) => "rejected",
            Some(WriteError::Unreachable { .. }) => "unreachable",
        };
        let kind = K::kind(&()).into_owned();
        self.requests
            .get_or_create(&RequestLabels { kind, verb, result })
            .inc();
    }
}

impl Context {
    /// Creates an object in its namespace.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn create<K: Stored>(&self, object: &K) -> Result<K, WriteError> {
        let namespace = object.namespace().unwrap_or_default();
        let result = self.api::<K>(&namespace).create(&post(), object).await;
        self.done::<K, _>(
            "create",
            result,
            &namespace,
            object.meta().name.as_deref().unwrap_or("(unnamed)"),
        )
    }

    /// Puts an object in place of the one with the same name and resource version.
    ///
    /// # Errors
    /// What the API server says; [`WriteError::Conflict`] if someone wrote since.
    pub async fn replace<K: Stored>(&self, object: &K) -> Result<K, WriteError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let result = self
            .api::<K>(&namespace)
            .replace(&name, &post(), object)
            .await;
        self.done::<K, _>("update", result, &namespace, &name)
    }

    /// Merges a JSON patch into an object. One with `metadata.resourceVersion`
    /// applies only if nobody wrote since.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn merge_patch<K: Stored>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<K, WriteError> {
        let result = self
            .api::<K>(namespace)
            .patch(name, &params(), &Patch::Merge(patch))
            .await;
        self.wrote("patch", result, namespace, name)
    }

    /// Merges a JSON patch into an object's status.
    ///
    /// # Errors
    /// What the API server says.
    pub async fn merge_patch_status<K: Stored>(
        &self,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<K, WriteError> {
        let result = self
            .api::<K>(namespace)
            .patch_status(name, &params(), &Patch::Merge(patch))
            .await;
        self.wrote("patch_status", result, namespace, name)
    }

    /// Puts the first status of an object, which is still of this version. To
    /// merge it into nothing comes to the same, at a quarter more work for the
    /// API server: it writes the object out, and reads it again.
    ///
    /// # Errors
    /// What the API server says; [`WriteError::Conflict`] if someone wrote since.
    pub async fn put_first_status<K: Stored>(
        &self,
        object: &K,
        status: &Value,
    ) -> Result<K, WriteError> {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let result = self.client.request(first_status(object, status)?).await;
        self.wrote("update_status", result, &namespace, &name)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// What the API server says; [`WriteError::Conflict`] if it is not the one meant.
    pub async fn delete<K: Stored>(
        &self,
        namespace: &str,
        name: &str,
        how: Deletion,
    ) -> Result<(), WriteError> {
        let Deletion {
            uid,
            resource_version,
            foreground,
        } = how;
        let params = DeleteParams {
            propagation_policy: foreground.then_some(PropagationPolicy::Foreground),
            preconditions: Some(Preconditions {
                uid,
                resource_version,
            }),
            ..Default::default()
        };
        let result = self.api::<K>(namespace).delete(name, &params).await;
        self.done::<K, _>("delete", result, namespace, name)
            .map(|_| ())
    }

    /// Asks the API server, not the cache.
    ///
    /// # Errors
    /// What the API server says. An object that is not there is no error.
    pub async fn get<K: Stored>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<K>, WriteError> {
        let result = self.api::<K>(namespace).get_opt(name).await;
        self.done::<K, _>("get", result, namespace, name)
    }

    fn api<K: Stored>(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// As [`Context::done`], for what changes an object that is there. Only of
    /// our own kinds are there passes that could come too early.
    fn wrote<K: Stored>(
        &self,
        verb: &'static str,
        result: Result<K, kube::Error>,
        namespace: &str,
        name: &str,
    ) -> Result<K, WriteError> {
        let written = self.done::<K, K>(verb, result, namespace, name)?;
        if K::group(&()).ends_with(CORE_GROUP) {
            self.freshness.wrote(written.meta());
        }
        Ok(written)
    }

    fn done<K: Stored, T>(
        &self,
        verb: &'static str,
        result: Result<T, kube::Error>,
        namespace: &str,
        name: &str,
    ) -> Result<T, WriteError> {
        let result = result.map_err(|error| {
            WriteError::from(error, || format!("{} {namespace}/{name}", K::kind(&())))
        });
        self.metrics.writes.count::<K>(verb, result.as_ref().err());
        result
    }
}

/// The request that puts a status. What else there is of an object is no
/// matter of its status, and need not be said.
fn first_status<K: Stored>(object: &K, status: &Value) -> Result<Request<Vec<u8>>, WriteError> {
    let (meta, name) = (object.meta(), object.name_any());
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
        },
        "status": status,
    });
    let url = K::url_path(&(), meta.namespace.as_deref());
    kube::core::Request::new(url)
        .replace_subresource("status", &name, &post(), body.to_string().into_bytes())
        .map_err(|error| WriteError::Unreachable {
            object: format!("{} {name}", K::kind(&())),
            source: Box::new(kube::Error::BuildRequest(error)),
        })
}

fn post() -> PostParams {
    PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..Default::default()
    }
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..Default::default()
    }
}
