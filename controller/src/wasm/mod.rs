//! The wasm tier: which sandboxes it can serve, on which node, and the way to
//! the node hosts.
//!
//! ```text
//! blueprint ─► classify ─► Wanted ─► place ─► node ─► Link ─► session
//!                  └─► objections, each by the name of its field
//! ```

pub mod address;
mod classify;
mod env;
mod fleet;
mod host;
mod identity;
mod images;
mod lead;
mod link;
mod place;
mod police;
mod registry;
mod source;
mod sweep;
mod version;
mod volume;

use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod};
use k8s_openapi::api::node::v1::RuntimeClass;

use crate::cache::Cache;

pub use classify::{Command, Needs, Objection, PORTS, Wanted, classify};
pub use env::expand;
pub use fleet::{Fate, Fleet, Found, Host, Key, Reserved, has_ended};
pub use identity::{AUTHORITY_SECRET, NODE_SECRET};
pub use images::{CONFIG_MAP, Images};
pub use lead::{SETTLE, lead};
pub use link::LinkError;
pub use place::{NodeView, place};
pub use police::Police;
pub use registry::registry_credentials;
pub use source::{Budget, Missing, ReadError, Sources};
pub use volume::resolve;

/// The handler of runtime classes whose sandboxes are wasm sessions.
const WASM_HANDLER: &str = "mote-wasm";
/// The handler of those that are where they can be, and pods elsewhere.
const AUTO_HANDLER: &str = "mote-auto";

/// The label of the pods of node hosts.
pub const HOST_LABEL: (&str, &str) = ("app", "mote-node");

/// The wasm tier of a cluster.
pub struct Wasm {
    /// The namespace of node hosts and their certificates: the controller's own.
    pub namespace: String,
    /// The node hosts.
    pub fleet: Arc<Fleet>,
    /// The runtime classes.
    pub classes: Cache<RuntimeClass>,
    /// The pods of node hosts.
    pub hosts: Cache<Pod>,
    /// The nodes.
    pub nodes: Cache<Node>,
    /// What the operator says of images.
    pub maps: Cache<ConfigMap>,
    /// Which programs images stand for: as the map says.
    images: RwLock<Arc<Images>>,
    /// Who may call sessions.
    pub police: Arc<Police>,
}

/// What a runtime class asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// A pod.
    Pod,
    /// A wasm session.
    Wasm,
    /// A wasm session where one can be, a pod elsewhere.
    Auto,
}

impl Wasm {
    /// The wasm tier of a controller in this namespace, which knows of nothing
    /// yet.
    pub fn new(
        namespace: &str,
        classes: Cache<RuntimeClass>,
        hosts: Cache<Pod>,
        nodes: Cache<Node>,
        maps: Cache<ConfigMap>,
        namespaces: Cache<Namespace>,
    ) -> Self {
        Self {
            namespace: namespace.to_owned(),
            fleet: Arc::default(),
            classes,
            hosts,
            nodes,
            maps,
            images: RwLock::default(),
            police: Arc::new(Police::new(namespaces)),
        }
    }

    /// Which programs images stand for.
    pub fn images(&self) -> Arc<Images> {
        let images = self.images.read();
        images.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the operator says of images. A map that cannot be read
    /// changes nothing.
    pub fn images_changed(&self, map: Option<&ConfigMap>) {
        let read = map.map_or_else(|| Ok(Images::default()), Images::read);
        match read {
            Ok(read) => {
                let mut images = self.images.write().unwrap_or_else(PoisonError::into_inner);
                *images = Arc::new(read);
            }
            Err(error) => {
                tracing::error!(error, "images stay what they were");
            }
        }
    }

    /// Notes where the host of a node is, as its pods say, or why there is none.
    /// One that is going away is called as long as it answers and there is no
    /// other. Sandboxes to be looked at again.
    pub fn host_changed(&self, node: &str) -> Vec<Key> {
        let pods = self.hosts.all();
        let here = pods.iter().filter_map(|pod| host::running(pod, node));
        let mut here: Vec<_> = here.collect();
        here.sort_by_key(|(leaving, _)| *leaving);
        let host = here.into_iter().next().map(|(_, host)| host);
        let runs = host.is_some();
        let pardoned = self.fleet.host_changed(node, host);
        if runs {
            return pardoned;
        }
        if !pods.iter().any(|pod| host::is_on(pod, node)) {
            self.fleet.has_no_pod(node);
        }
        let failure = pods.iter().find_map(|pod| host::failure(pod, node));
        failure
            .map(|why| self.fleet.does_not_start(node, &why))
            .unwrap_or_default()
    }

    /// What the runtime class of this name asks for.
    pub fn class(&self, name: Option<&str>) -> Class {
        let class = name.and_then(|name| self.classes.get("", name));
        match class.as_ref().map(|class| class.handler.as_str()) {
            Some(WASM_HANDLER) => Class::Wasm,
            Some(AUTO_HANDLER) => Class::Auto,
            Some(_) | None => Class::Pod,
        }
    }
}
