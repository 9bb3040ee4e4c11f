//! From a target to a connection: waking, dialling, and trying again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Cluster, Proxy};
use crate::headers::Protocol;
use crate::metrics::Flight;
use crate::refusal::Refusal;
use crate::resolve::{Place, Route, resolve};
use crate::sandbox::Entry;
use crate::target::Target;
use crate::upstream::Sender;

/// A client may have heard of a change before we have: whoever set a sandbox
/// running and asks at once is not told that it is suspended.
const LAG: Duration = Duration::from_millis(300);
/// Times that one request wakes its sandbox. A second one is for a sandbox that
/// was suspended again before the request came to it.
const MAX_WAKES: usize = 2;

impl Proxy {
    /// A connection to the sandbox, as soon as it has one to offer.
    pub(super) async fn reach(
        &self,
        target: &Target,
        protocol: Protocol,
        fresh: bool,
        flight: &mut Flight,
    ) -> Result<Sender, Refusal> {
        let mut waits = self.settings.retries.waits();
        let mut attempt = 0;
        loop {
            let place = self.place(target, attempt).await?;
            let reason = match &place {
                Some(place) => match self.upstreams.sender(place, protocol, fresh).await {
                    Ok(sender) => return Ok(sender),
                    Err(error) => {
                        tracing::debug!(sandbox = target.id, %place, %error, attempt, "a sandbox could not be dialled");
                        error.word()
                    }
                },
                None => "unknown",
            };
            let Some(wait) = waits.next() else {
                unreached(target, reason, place.is_some());
                flight.failed(reason);
                return Err(Refusal::Unreachable(target.id.clone()));
            };
            if place.is_some() {
                flight.retried();
            }
            attempt += 1;
            self.change_or(wait, target, place.as_ref()).await;
        }
    }

    /// Where the sandbox is; awake. `None` while nobody knows.
    async fn place(&self, target: &Target, attempt: usize) -> Result<Option<Place>, Refusal> {
        let (mut wakes, mut waited) = (0, false);
        loop {
            let asleep = match self.route(target, attempt) {
                Route::To(place) => return Ok(Some(place)),
                Route::Nowhere => return Ok(None),
                Route::Asleep(entry) => entry,
            };
            match &self.cluster {
                Some(cluster) if asleep.wakes && wakes < MAX_WAKES => {
                    wakes += 1;
                    wake(cluster, &asleep).await?;
                }
                Some(cluster) if !waited => {
                    waited = true;
                    let woken = cluster.directory.until(|now| {
                        let now = now.with_uid(&asleep.uid);
                        now.is_none_or(|now| !now.suspended).then_some(())
                    });
                    // Whether it is, is looked at once more.
                    let _ = timeout(LAG, woken).await;
                }
                Some(_) | None => return Err(Refusal::Suspended(target.id.clone())),
            }
        }
    }

    fn route(&self, target: &Target, attempt: usize) -> Route {
        let directory = self.cluster.as_ref().map(|cluster| &cluster.directory);
        resolve(directory, target, &self.settings.cluster_domain, attempt)
    }

    /// Waits for that long, or until the sandbox is somewhere else.
    async fn change_or(&self, wait: Duration, target: &Target, place: Option<&Place>) {
        let moved = async {
            let Some(cluster) = &self.cluster else {
                return std::future::pending().await;
            };
            // Of several addresses, the next one is no news.
            let was = self.route(target, 0);
            let moved = |_: &_| (self.route(target, 0) != was).then_some(());
            cluster.directory.until(moved).await;
        };
        let _ = timeout(wait, moved).await;
        tracing::trace!(?place, "trying again");
    }
}

/// Of a sandbox that is known, it is news; names that nobody has are endless.
fn unreached(target: &Target, reason: &str, known: bool) {
    let (sandbox, namespace) = (&target.id, &target.namespace);
    if known {
        tracing::info!(sandbox, namespace, reason, "a sandbox could not be reached");
    } else {
        tracing::debug!(sandbox, namespace, reason, "no such sandbox has an address");
    }
}

async fn wake(cluster: &Cluster, asleep: &Arc<Entry>) -> Result<(), Refusal> {
    cluster
        .wakes
        .wake(asleep)
        .await
        .map_err(|why| Refusal::NotWoken {
            id: asleep.name.to_string(),
            why,
        })
}
