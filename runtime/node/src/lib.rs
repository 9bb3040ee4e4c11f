//! The node host: sandboxes that are kept on disk, live when they are called,
//! and speak the surfaces' protocols.
//!
//! ```text
//! connection ─ auth ─ route ─┬─► api: create, suspend, fork, delete …   ─► Node ─► Store (disk)
//!                            └─► a surface's router ─► Spoken: Backend ─► call ─► Session (mote-host)
//!                                                                          └─► metrics, audit, trace
//! controller ─ rpc: ensure, delete, police, watch ─► Node ─► Images ─► registries
//! ```

#![forbid(unsafe_code)]

mod addresses;
mod api;
mod audit;
mod auth;
mod backend;
mod call;
mod config;
mod duty;
mod feed;
mod images;
mod life;
mod log;
mod metrics;
mod node;
mod observe;
mod outfit;
mod policy;
mod record;
mod route;
mod rpc;
mod sandbox;
mod server;
mod store;
mod terminal;
mod trace;
mod tree;
mod volumes;

pub use addresses::{AddressSource, Own, Prefixes, PrefixesError, SourceError};
pub use config::{NodeConfig, SandboxLimits, Token, TokenError};
pub use images::{Authorities, AuthoritiesError, Authority, AuthorityError, ImagesConfig};
pub use node::{Node, NodeError, most_limits};
pub use rpc::{Identity, IdentityError, IdentityFiles, Rpc, RpcConfig};
pub use server::{SandboxPort, Server};
