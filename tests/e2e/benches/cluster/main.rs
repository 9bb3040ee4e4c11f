//! What the controller in the cluster takes and costs, whoever made it:
//! everything is measured through the API server and the controller's own
//! `/metrics` (`process_*` are standard names), so that the same run against
//! another controller's image gives a table to compare. Rows of the wasm tier
//! are left out where the cluster has no runtime class of that name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod costs;
mod pods;
mod wait;
mod wasm;

use k8s_openapi::api::node::v1::RuntimeClass;
use kube::Api;
use mote_e2e::{Story, table};

#[tokio::main]
async fn main() {
    // `cargo bench` hands on arguments; one that is a word chooses rows.
    let only = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let story = Story::begin("bench").await;
    let classes: Api<RuntimeClass> = Api::all(story.client.clone());
    let mut rows = Vec::new();
    // First, for memory that a process had once it seldom gives back.
    if chosen("pods") {
        rows.extend(pods::rows(&story).await);
    }
    if chosen("wasm") && classes.get_opt("wasm").await.expect("an answer").is_some() {
        rows.extend(wasm::rows(&story).await);
    }
    story.end().await;
    print!("{}", table(&rows));
}
