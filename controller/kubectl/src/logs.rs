//! `kubectl mote logs`: what a sandbox wrote by itself.

use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncReadExt};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use k8s_openapi::jiff::Timestamp;
use kube::api::LogParams;

use crate::args::{LogsArgs, Tail};
use crate::cluster::{Cluster, Denied, answer};
use crate::container::Container;
use crate::door::Door;
use crate::failure::Failure;
use crate::find::{find, resume};
use crate::objects::{Sandbox, State, Tier};
use crate::print::print;
use crate::rest::{RestError, empty};
use crate::router;
use crate::way::Way;

/// Where a session has its log.
const LOGS: &str = "/v1/logs";
/// Bytes of a pod's log that are passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Prints the log of a sandbox.
pub(crate) async fn logs(args: &LogsArgs, cluster: &Cluster) -> Result<(), Failure> {
    let sandbox = find(cluster, &args.sandbox).await?;
    if sandbox.state == State::Suspended && !(sandbox.tier == Tier::Wasm && sandbox.wakes) {
        return Err(asleep(&sandbox));
    }
    // Nothing has to run in a pod for its log to be read.
    if sandbox.tier == Tier::Pod {
        return of_pod(args, cluster, &sandbox).await;
    }
    if sandbox.finished {
        // It takes no calls, and its log is there still.
        let tunnel = router::tunnel(cluster).await?;
        let door = Door::of_router(cluster, &tunnel, &sandbox)?;
        return of_session(args, &sandbox, &door).await;
    }
    match Way::to(cluster, &sandbox, args.container.as_deref()).await? {
        Way::Door(door) | Way::Pod(door, _) => of_session(args, &sandbox, &door).await,
        Way::Container(_) => of_pod(args, cluster, &sandbox).await,
    }
}

async fn of_session(args: &LogsArgs, sandbox: &Sandbox, door: &Door) -> Result<(), Failure> {
    let failed = |error: RestError| match error {
        RestError::Refused(StatusCode::NOT_FOUND, _) => Failure::Refused(format!(
            "sandbox {0} has no log: it has no command of its own, and takes calls; `kubectl mote exec {0} -- COMMAND` makes one, and prints what it writes",
            sandbox.name
        )),
        error => error.during(&format!("read the log of {}", sandbox.name)),
    };
    let mut rest = door.rest().await.map_err(failed)?;
    let request = door.request(Method::GET, &uri(args), empty())?;
    let mut response = rest.answer(request).await.map_err(failed)?;
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|error| failed(rest.lost(&error)))?;
        if let Some(bytes) = frame.data_ref() {
            print(bytes).await?;
        }
    }
    Ok(())
}

/// Where the log of a sandbox is that does not run, and what to do.
fn asleep(sandbox: &Sandbox) -> Failure {
    let Sandbox { name, tier, .. } = sandbox;
    let log = match tier {
        Tier::Wasm => "its log is kept, and read from it while it runs",
        Tier::Pod => "its pod is gone, and its log with it",
    };
    Failure::Refused(format!(
        "sandbox {name} is suspended: {log}; {}",
        resume(sandbox)
    ))
}

fn uri(args: &LogsArgs) -> String {
    let tail = lines(args).map(|lines| format!("tail={lines}"));
    let ago = args.since.map(|ago| format!("since={}", ago.as_secs_f64()));
    // In this form there is nothing to encode.
    let then = args.since_time.map(|then| format!("since={then}"));
    let flag = |is_set: bool, text: &str| is_set.then(|| text.to_owned());
    let query = [
        tail,
        ago,
        then,
        flag(args.timestamps, "timestamps=1"),
        flag(args.follow, "follow=1"),
    ];
    let query: Vec<_> = query.into_iter().flatten().collect();
    match query.as_slice() {
        [] => LOGS.to_owned(),
        query => format!("{LOGS}?{}", query.join("&")),
    }
}

fn lines(args: &LogsArgs) -> Option<u32> {
    match args.tail {
        Some(Tail::Lines(lines)) => Some(lines),
        Some(Tail::All) | None => None,
    }
}

/// So many seconds, of which a part counts as a whole one.
fn seconds(time: Duration) -> i64 {
    let part = u64::from(time.subsec_nanos() > 0);
    i64::try_from(time.as_secs().saturating_add(part)).unwrap_or(i64::MAX)
}

/// The second that a time is in. Kubernetes takes no less, and the client would
/// round up: rather a line too many.
fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

async fn of_pod(args: &LogsArgs, cluster: &Cluster, sandbox: &Sandbox) -> Result<(), Failure> {
    let pods = cluster.pods(&sandbox.namespace);
    let container = Container::new(pods.clone(), &sandbox.pod, args.container.as_deref());
    let params = LogParams {
        container: Some(container.name().await?),
        follow: args.follow,
        tail_lines: lines(args).map(i64::from),
        since_seconds: args.since.map(seconds),
        since_time: args.since_time.map(whole),
        timestamps: args.timestamps,
        ..LogParams::default()
    };
    let failed = |denied: Denied| denied.during(&format!("read the log of pod {}", sandbox.pod));
    let log = answer(pods.log_stream(&sandbox.pod, &params)).await;
    pass(log.map_err(failed)?).await
}

async fn pass(from: impl AsyncBufRead) -> Result<(), Failure> {
    let mut from = std::pin::pin!(from);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let read = from.read(&mut buffer).await;
        let read = read.map_err(|error| Failure::Lost(format!("the log broke off: {error}")))?;
        if read == 0 {
            return Ok(());
        }
        print(buffer.get(..read).unwrap_or_default()).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_asked_for_as_it_was_typed() {
        let all = LogsArgs {
            sandbox: "s".parse().unwrap(),
            follow: false,
            tail: None,
            since: None,
            since_time: None,
            timestamps: false,
            container: None,
        };
        assert_eq!(uri(&all), "/v1/logs");
        let some = |tail| LogsArgs {
            tail: Some(tail),
            ..all.clone()
        };
        assert_eq!(uri(&some(Tail::All)), "/v1/logs");
        assert_eq!(uri(&some(Tail::Lines(0))), "/v1/logs?tail=0");
        let followed = LogsArgs {
            follow: true,
            since: Some(Duration::from_millis(1_500)),
            timestamps: true,
            ..some(Tail::Lines(5))
        };
        let query = "tail=5&since=1.5&timestamps=1&follow=1";
        assert_eq!(uri(&followed), format!("/v1/logs?{query}"));
        let then = LogsArgs {
            since_time: "2026-01-02T03:04:05.5+01:00".parse().ok(),
            ..all.clone()
        };
        assert_eq!(uri(&then), "/v1/logs?since=2026-01-02T02:04:05.5Z");
    }

    #[test]
    fn a_part_of_a_second_is_a_second_of_a_pods_log() {
        for (millis, whole) in [(1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), whole);
        }
        let late: Timestamp = "2026-01-02T03:04:05.9Z".parse().unwrap();
        assert_eq!(whole(late).to_string(), "2026-01-02T03:04:05Z");
    }
}
