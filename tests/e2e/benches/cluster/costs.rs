//! What the controller's process costs, by its own `/metrics` and the API
//! server's.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use mote_e2e::{Scrape, Story};

/// What it has cost so far.
pub(crate) struct Costs {
    /// Writes to objects of the API's groups.
    pub(crate) writes: f64,
    /// Processor time in seconds.
    pub(crate) cpu: f64,
    /// Resident memory in bytes.
    pub(crate) memory: f64,
}

/// Looks.
pub(crate) async fn costs(story: &Story) -> Costs {
    let api_server = text(story, "/metrics").await;
    let writes = ["POST", "PUT", "PATCH", "DELETE"].iter().flat_map(|verb| {
        let api_server = &api_server;
        ["agents.x-k8s.io", "extensions.agents.x-k8s.io"]
            .iter()
            .map(move |group| {
                let (verb, group) = (format!("verb=\"{verb}\""), format!("group=\"{group}\""));
                api_server.sum("apiserver_request_total", &[&verb, &group])
            })
    });
    let writes = writes.sum();
    let pods: Api<Pod> = Api::namespaced(story.client.clone(), "agent-sandbox-system");
    let labels = ListParams::default().labels("app=agent-sandbox-controller");
    let pods = pods.list(&labels).await.expect("a list").items;
    let pod = pods
        .first()
        .expect("a controller in the cluster")
        .metadata
        .name
        .as_deref()
        .unwrap();
    let path = format!("/api/v1/namespaces/agent-sandbox-system/pods/{pod}:8080/proxy/metrics");
    let controller = text(story, &path).await;
    Costs {
        writes,
        cpu: controller.sum("process_cpu_seconds_total", &[]),
        memory: controller.sum("process_resident_memory_bytes", &[]),
    }
}

/// A page of metrics.
pub(crate) async fn text(story: &Story, path: &str) -> Scrape {
    let request = http::Request::get(path)
        .body(Vec::new())
        .expect("a request");
    Scrape::new(
        story
            .client
            .request_text(request)
            .await
            .expect("a page of metrics"),
    )
}
