//! What the leader does for the wasm tier: certificates, connections, and
//! looking for leftovers.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fleet::Key;
use super::identity::Identity;
use super::link::{Way, follow};
use super::sweep::sweep;
use super::{Wasm, police};
use crate::context::Context;

/// How long node hosts have to tell what they hold before sandboxes are judged
/// by it: a controller that has just begun knows nothing.
pub const SETTLE: Duration = Duration::from_secs(3);
/// Between tries to read or make certificates.
const RETRY: Duration = Duration::from_secs(5);
/// How long after a failure certificates are renewed again: there are weeks to
/// do so.
const RENEW_AGAIN: Duration = Duration::from_secs(60);

/// Minds the node hosts until `shutdown`. Sandboxes that something was told of
/// go to `tell`.
pub async fn lead(
    context: Arc<Context>,
    tell: impl Fn(Key) + Clone + Send + Sync + 'static,
    shutdown: CancellationToken,
) {
    let Some(wasm) = &context.wasm else {
        return;
    };
    let identity = identity(&context, wasm);
    let Some(identity) = shutdown.run_until_cancelled(identity).await else {
        return;
    };
    let follows = TaskTracker::new();
    let (police, client, end) = (
        wasm.police.clone(),
        context.client.clone(),
        shutdown.clone(),
    );
    follows.spawn(async move { police.run(&client, &end).await });
    follows.spawn(police::tell(
        wasm.police.clone(),
        context.clone(),
        shutdown.clone(),
    ));
    follows.spawn(sweep(
        wasm.fleet.clone(),
        context.caches.sandboxes.clone(),
        shutdown.clone(),
    ));
    let mut renewal = Instant::now() + identity.next_renewal();
    loop {
        for (node, address, stop) in wasm.fleet.to_follow() {
            let tell = tell.clone();
            let tell = move |keys: Vec<Key>| keys.into_iter().for_each(&tell);
            let way = Way {
                identity: identity.clone(),
                policies: wasm.police.policies(),
                node,
                address,
            };
            follows.spawn(follow(wasm.fleet.clone(), way, tell, stop));
        }
        tokio::select! {
            () = wasm.fleet.hosts_changed() => {}
            () = sleep_until(renewal) => renewal = Instant::now() + renew(&identity, &context).await,
            () = shutdown.cancelled() => break,
        }
    }
    wasm.fleet.leave();
    follows.close();
    follows.wait().await;
}

/// Renews certificates; how long it may be until they are looked at again.
async fn renew(identity: &Identity, context: &Context) -> Duration {
    match identity.renew(context).await {
        Ok(()) => identity.next_renewal(),
        Err(error) => {
            tracing::error!(%error, ?RENEW_AGAIN, "the certificates of node hosts are not renewed");
            RENEW_AGAIN
        }
    }
}

async fn identity(context: &Context, wasm: &Wasm) -> Arc<Identity> {
    let mut tries = interval(RETRY);
    loop {
        tries.tick().await;
        match Identity::open(context, &wasm.namespace).await {
            Ok(identity) => return Arc::new(identity),
            Err(error) => tracing::error!(%error, ?RETRY, "node hosts cannot be called"),
        }
    }
}
