//! `kubectl mote logs`: what a sandbox wrote by itself.

use futures_util::{AsyncBufRead, AsyncReadExt};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use kube::api::LogParams;

use crate::args::LogsArgs;
use crate::cluster::{Cluster, Denied, answer};
use crate::container::Container;
use crate::door::Door;
use crate::failure::Failure;
use crate::find::find;
use crate::objects::{Sandbox, Tier};
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

fn uri(args: &LogsArgs) -> String {
    let tail = args.tail.map(|lines| format!("tail={lines}"));
    let follow = args.follow.then(|| "follow=1".to_owned());
    let query: Vec<_> = tail.into_iter().chain(follow).collect();
    match query.as_slice() {
        [] => LOGS.to_owned(),
        query => format!("{LOGS}?{}", query.join("&")),
    }
}

async fn of_pod(args: &LogsArgs, cluster: &Cluster, sandbox: &Sandbox) -> Result<(), Failure> {
    let pods = cluster.pods(&sandbox.namespace);
    let container = Container::new(pods.clone(), &sandbox.pod, args.container.as_deref());
    let params = LogParams {
        container: Some(container.name().await?),
        follow: args.follow,
        tail_lines: args.tail.map(i64::from),
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
        let uri = |tail, follow| {
            uri(&LogsArgs {
                sandbox: "s".parse().unwrap(),
                follow,
                tail,
                container: None,
            })
        };
        assert_eq!(uri(None, false), "/v1/logs");
        assert_eq!(uri(Some(0), false), "/v1/logs?tail=0");
        assert_eq!(uri(Some(5), true), "/v1/logs?tail=5&follow=1");
    }
}
