//! Who tells what a sandbox uses: a session itself, by the router; of pods,
//! the cluster's metrics server, where there is one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::Method;
use k8s_openapi::jiff::Timestamp;
use mote_api::Activity;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::board::{Key, key};
use crate::cluster::{Cluster, answer};
use crate::door::Door;
use crate::objects::{Sandbox, State, Tier};
use crate::rest::{Rest, RestError, empty};
use crate::router;
use crate::tunnel::Tunnel;

/// Connections by which sessions are asked at once.
const CONNECTIONS: usize = 4;
/// Most sessions that are asked: more rows than terminals have.
const MAX_ASKED: usize = 200;
/// How long a session may take to tell; it does in a millisecond.
const PATIENCE: Duration = Duration::from_secs(2);
/// Where the metrics server tells of pods.
const METRICS: &str = "/apis/metrics.k8s.io/v1beta1";

/// What is known of what a sandbox uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Used now, in thousandths of one processor.
    pub(super) cpu_permille: Option<u64>,
    /// Used since the node host started, in microseconds.
    pub(super) cpu_us: Option<u64>,
    /// The most that one call of a session held; what a pod holds now.
    pub(super) memory_bytes: Option<u64>,
    pub(super) disk_bytes: Option<u64>,
    /// Calls that run now.
    pub(super) running: Option<u64>,
    /// Calls that ended.
    pub(super) calls: Option<u64>,
    /// When a session was last called.
    pub(super) last_active_at: Option<Timestamp>,
}

/// What a session tells of itself.
#[derive(Deserialize)]
struct Doings {
    activity: Activity,
    last_active_at: Option<Timestamp>,
}

impl From<Doings> for Figures {
    fn from(doings: Doings) -> Self {
        let Doings {
            activity,
            last_active_at,
        } = doings;
        Self {
            cpu_permille: None,
            cpu_us: Some(activity.cpu_us),
            memory_bytes: Some(activity.peak_memory_bytes),
            disk_bytes: Some(activity.disk_bytes),
            running: Some(activity.running),
            calls: Some(activity.calls),
            last_active_at,
        }
    }
}

/// Who tells, as far as was found out.
#[derive(Default)]
pub(super) struct Sources {
    router: Option<Tunnel>,
    notes: Vec<&'static str>,
}

impl Sources {
    /// What they tell of the sandboxes. What nobody tells is not in it.
    pub(super) async fn figures(
        &mut self,
        cluster: &Cluster,
        sandboxes: &[Sandbox],
    ) -> HashMap<Key, Figures> {
        self.notes.clear();
        let mut figures = self.of_sessions(cluster, sandboxes).await;
        if sandboxes.iter().any(|it| it.tier == Tier::Pod) {
            match of_pods(cluster, sandboxes).await {
                Some(pods) => figures.extend(pods),
                None => self.notes.push("no metrics server tells of pods"),
            }
        }
        figures
    }

    /// What is missing, and why.
    pub(super) fn note(&self) -> Option<String> {
        (!self.notes.is_empty()).then(|| format!("({})", self.notes.join("; ")))
    }

    async fn of_sessions(
        &mut self,
        cluster: &Cluster,
        sandboxes: &[Sandbox],
    ) -> HashMap<Key, Figures> {
        let sessions = sandboxes
            .iter()
            .filter(|it| it.tier == Tier::Wasm && it.state == State::Ready);
        let sessions: Vec<_> = sessions.take(MAX_ASKED).collect();
        if sessions.is_empty() {
            return HashMap::new();
        }
        let Some(tunnel) = self.router(cluster).await else {
            self.notes.push("no router tells of sessions");
            return HashMap::new();
        };
        let size = sessions.len().div_ceil(CONNECTIONS);
        let asked = stream::iter(sessions.chunks(size))
            .map(|some| ask(cluster, &tunnel, some))
            .buffer_unordered(CONNECTIONS)
            .collect::<Vec<_>>();
        let mut figures = HashMap::new();
        for answered in asked.await {
            match answered {
                Ok(some) => figures.extend(some),
                // Another of its pods is looked for the next time.
                Err(_) => self.router = None,
            }
        }
        if figures.is_empty() {
            self.notes.push("the sessions tell nothing");
        }
        figures
    }

    async fn router(&mut self, cluster: &Cluster) -> Option<Tunnel> {
        if self.router.is_none() {
            self.router = router::tunnel(cluster).await.ok();
        }
        self.router.clone()
    }
}

/// Asks sessions, one after another over one connection.
async fn ask(
    cluster: &Cluster,
    tunnel: &Tunnel,
    sandboxes: &[&Sandbox],
) -> Result<Vec<(Key, Figures)>, RestError> {
    let mut rest = Rest::connect(tunnel).await?;
    let mut told = Vec::new();
    for sandbox in sandboxes {
        let door = Door::of_router(cluster, tunnel, sandbox).map_err(RestError::Lost)?;
        match timeout(PATIENCE, metadata(&mut rest, &door)).await {
            Ok(Ok(Some(figures))) => told.push((key(sandbox), figures)),
            Ok(Ok(None) | Err(RestError::Refused(..))) => {}
            Ok(Err(lost)) => return Err(lost),
            // What it says later would be taken for another's answer.
            Err(_) => return Ok(told),
        }
    }
    Ok(told)
}

async fn metadata(rest: &mut Rest, door: &Door) -> Result<Option<Figures>, RestError> {
    let request = door.request(Method::GET, "/v1/metadata", empty());
    let told: serde_json::Value = rest.json(request.map_err(RestError::Lost)?).await?;
    // A node host of an earlier version tells nothing of it.
    let doings = serde_json::from_value::<Doings>(told).ok();
    Ok(doings.map(Figures::from))
}

/// What the metrics server tells of the pods of sandboxes.
async fn of_pods(cluster: &Cluster, sandboxes: &[Sandbox]) -> Option<Vec<(Key, Figures)>> {
    let namespaces: HashSet<_> = sandboxes.iter().map(|it| it.namespace.as_str()).collect();
    let path = match namespaces.iter().next() {
        Some(namespace) if namespaces.len() == 1 => {
            format!("{METRICS}/namespaces/{namespace}/pods")
        }
        _ => format!("{METRICS}/pods"),
    };
    let request = http::Request::get(path).body(Vec::new()).ok()?;
    let list: PodMetricsList = answer(cluster.client.request(request)).await.ok()?;
    let by_name: HashMap<_, _> = list
        .items
        .iter()
        .map(|pod| (pod.key(), pod.figures()))
        .collect();
    let pods = sandboxes.iter().filter(|it| it.tier == Tier::Pod);
    let told = pods.filter_map(|it| {
        let figures = by_name.get(&(it.namespace.clone(), it.pod.clone()))?;
        Some((key(it), *figures))
    });
    Some(told.collect())
}

#[derive(Deserialize)]
struct PodMetricsList {
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    usage: Usage,
}

#[derive(Deserialize)]
struct Usage {
    cpu: String,
    memory: String,
}

impl PodMetrics {
    fn key(&self) -> Key {
        (self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn figures(&self) -> Figures {
        let sum = |of: fn(&Usage) -> Option<u128>| {
            let all: Option<u128> = self.containers.iter().map(|it| of(&it.usage)).sum();
            all
        };
        let nanos = sum(|usage| billionths(&usage.cpu));
        let bytes = sum(|usage| billionths(&usage.memory).map(|it| it / NANO));
        Figures {
            cpu_permille: nanos.and_then(|it| u64::try_from(it / (NANO / 1_000)).ok()),
            memory_bytes: bytes.and_then(|it| u64::try_from(it).ok()),
            ..Figures::default()
        }
    }
}

/// The smallest part that a quantity of Kubernetes has.
const NANO: u128 = 1_000_000_000;

/// A quantity, such as `12345n`, `5m`, `1234Ki` or `2`, in billionths.
fn billionths(text: &str) -> Option<u128> {
    let digits = text
        .find(|it: char| !it.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u128 = match unit {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => NANO,
        "k" => NANO * 1_000,
        "M" => NANO * 1_000_000,
        "G" => NANO * 1_000_000_000,
        "Ki" => NANO << 10,
        "Mi" => NANO << 20,
        "Gi" => NANO << 30,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()
        .map(|number| u128::from(number) * scale)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_of_a_pod_are_summed() {
        let pod: PodMetrics = serde_json::from_value(json!({
            "metadata": { "name": "p", "namespace": "n" },
            "containers": [
                { "name": "a", "usage": { "cpu": "1500000n", "memory": "1024Ki" } },
                { "name": "b", "usage": { "cpu": "250m", "memory": "1Mi" } },
            ],
        }))
        .unwrap();
        let figures = pod.figures();
        assert_eq!(figures.cpu_permille, Some(251));
        assert_eq!(figures.memory_bytes, Some(2 << 20));
    }

    #[test]
    fn what_a_session_has_done_is_shown() {
        let told = json!({
            "env": {},
            "last_active_at": "2026-01-02T03:04:05Z",
            "activity": {
                "running": 1, "calls": 2, "failed": 1, "cpu_us": 3_000,
                "peak_memory_bytes": 4_096, "disk_bytes": 5,
            },
        });
        let figures = Figures::from(serde_json::from_value::<Doings>(told).unwrap());
        let expected = Figures {
            cpu_permille: None,
            cpu_us: Some(3_000),
            memory_bytes: Some(4_096),
            disk_bytes: Some(5),
            running: Some(1),
            calls: Some(2),
            last_active_at: "2026-01-02T03:04:05Z".parse().ok(),
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn what_is_no_quantity_is_not_told() {
        for (text, quantity) in [
            ("1n", Some(1)),
            ("2", Some(2 * NANO)),
            ("1Ki", Some(1024 * NANO)),
            ("", None),
            ("Ki", None),
            ("-1", None),
            ("1X", None),
        ] {
            assert_eq!(billionths(text), quantity, "{text}");
        }
    }
}
