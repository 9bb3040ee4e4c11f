//! What a process of Kubernetes has around its work: ports, pages, a way to the
//! API server, and the end.
#![forbid(unsafe_code)]

mod cluster;
mod end;
mod listen;
mod pages;

pub use cluster::config;
pub use end::told_to_end;
pub use listen::Listen;
pub use pages::{metrics, probes};
