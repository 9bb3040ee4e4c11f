//! Stories on a real Kubernetes: what they share.
//!
//! A story has a namespace of its own, asks the API server for things as any
//! user would, and waits for what must become true, under a deadline. It needs
//! a cluster with the controller of this project in it, and `KUBECONFIG`;
//! `make e2e` brings both.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness stops the test at what it did not expect"
)]

mod authority;
mod call;
mod controller;
mod hosts;
mod kubectl;
mod manifest;
mod metrics;
mod nodes;
mod proxy;
mod rows;
mod sdk;
mod stand_in;
mod story;

pub use authority::Authority;
pub use call::execute;
pub use controller::{ControllerProcess, Only};
pub use hosts::Hosts;
pub use kubectl::{crash, kubectl, kubectl_fails};
pub use manifest::{
    busybox, claim, open_template, patience, pool, sandbox, served, session, session_on, template,
};
pub use metrics::Scrape;
pub use nodes::{
    Undo, cordon, cut_off, insecure_registries, kill_controller, kill_host, kill_process, nodes,
    prefixes, readdress, taint, two_nodes, without_host,
};
pub use proxy::{Fault, Faults, FaultyApi};
pub use rows::{Row, table};
pub use sdk::sdk;
pub use stand_in::{Served, StandIn, own_node};
pub use story::{Kind, Story};
