//! One leads: a lease in the API server, as other controllers of Kubernetes
//! keep it, so that one of theirs and one of ours do not reconcile together.
//!
//! ```text
//! acquire ── free, expired or ours ──► hold ── renewed every RETRY ──┐
//!    ▲                                  │ ▲                          │
//!    └── someone else's, fresh: wait    │ └──────────────────────────┘
//!                                       └── not renewed for RENEW: lost
//! ```

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use tokio::time::{Interval, MissedTickBehavior};

/// The lease's name: that of the controller this one stands in for.
pub(super) const NAME: &str = "a3317529.agent-sandbox.x-k8s.io";
/// How long nobody else takes a lease that is not renewed. The three times are
/// those of client-go.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long no longer leads: sooner than
/// [`DURATION`], so that there are never two.
const RENEW: Duration = Duration::from_secs(10);
/// How often the lease is looked at.
const RETRY: Duration = Duration::from_secs(2);
/// How long one look may take: what hangs must leave time for another try
/// before [`RENEW`] is over.
const LOOK: Duration = Duration::from_secs(5);

/// A candidate.
pub(super) struct Candidate {
    leases: Api<Lease>,
    identity: String,
}

/// What a candidate knows of a lease: who held it, and since when, by the
/// candidate's own clock, nothing has changed. Clocks of others are not trusted.
struct Seen {
    version: Option<String>,
    since: Instant,
}

/// What a candidate does next.
#[derive(Debug, Eq, PartialEq)]
enum Step {
    /// There is no lease: make one.
    Create,
    /// It is free, has run out, or is ours already: write our name into it.
    Take,
    /// Someone else leads.
    Wait,
}

/// How a look at the lease ended.
#[derive(Debug, Eq, PartialEq)]
enum Look {
    /// It is ours for [`DURATION`] from when the look began.
    Ours,
    /// It is someone else's.
    Theirs,
    /// Someone wrote to it in between; the next look tells who leads.
    Unsure,
}

impl Candidate {
    /// A candidate of this name. Names must differ between processes.
    pub(super) fn new(client: Client, namespace: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
        }
    }

    /// Waits until this candidate leads.
    pub(super) async fn acquire(&self) {
        let mut seen = Seen::nothing();
        let mut looks = looks();
        loop {
            looks.tick().await;
            if self.look(&mut seen).await == Look::Ours {
                return;
            }
        }
    }

    /// Renews until that has failed for too long, or someone else leads.
    pub(super) async fn hold(&self) {
        let mut seen = Seen::nothing();
        let mut renewed = Instant::now();
        let mut looks = looks();
        while let Some(left) = RENEW.checked_sub(renewed.elapsed()) {
            looks.tick().await;
            let began = Instant::now();
            match tokio::time::timeout(left, self.look(&mut seen)).await {
                Ok(Look::Ours) => renewed = began,
                Ok(Look::Unsure) => {}
                Ok(Look::Theirs) | Err(_) => return,
            }
        }
    }

    /// Gives the lease back, so that the next one need not wait for it to run out.
    pub(super) async fn release(&self) {
        let given_back = async {
            let Some(mut lease) = self.leases.get_opt(NAME).await? else {
                return Ok(());
            };
            if holder(&lease) == Some(&self.identity) {
                let spec = lease.spec.get_or_insert_default();
                spec.holder_identity = Some(String::new());
                spec.lease_duration_seconds = Some(1);
                self.leases
                    .replace(NAME, &PostParams::default(), &lease)
                    .await?;
            }
            Ok::<_, kube::Error>(())
        };
        match tokio::time::timeout(RETRY, given_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease could not be given back; it runs out")
            }
            Err(_) => tracing::warn!("the lease could not be given back in time; it runs out"),
        }
    }

    /// Looks at the lease and, where it may, writes our name into it.
    async fn look(&self, seen: &mut Seen) -> Look {
        match tokio::time::timeout(LOOK, self.attempt(seen)).await {
            Ok(Ok(look)) => look,
            // Someone was quicker.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Look::Unsure,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease could not be looked at or renewed");
                Look::Unsure
            }
            Err(_) => {
                tracing::warn!(?LOOK, "the API server does not answer about the lease");
                Look::Unsure
            }
        }
    }

    async fn attempt(&self, seen: &mut Seen) -> Result<Look, kube::Error> {
        let lease = self.leases.get_opt(NAME).await?;
        let version = lease.as_ref().and_then(ResourceExt::resource_version);
        if version != seen.version {
            *seen = Seen {
                version,
                since: Instant::now(),
            };
        }
        let params = PostParams::default();
        match self.next(lease.as_ref(), seen.since.elapsed()) {
            Step::Wait => return Ok(Look::Theirs),
            Step::Create => self.leases.create(&params, &self.ours(None)).await?,
            Step::Take => {
                self.leases
                    .replace(NAME, &params, &self.ours(lease))
                    .await?
            }
        };
        Ok(Look::Ours)
    }

    fn next(&self, lease: Option<&Lease>, unchanged: Duration) -> Step {
        let Some(lease) = lease else {
            return Step::Create;
        };
        let lasts = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        let lasts = Duration::from_secs(
            lasts
                .and_then(|it| u64::try_from(it).ok())
                .unwrap_or(DURATION.as_secs()),
        );
        match holder(lease) {
            None => Step::Take,
            Some(holder) if *holder == self.identity => Step::Take,
            Some(_) if unchanged > lasts => Step::Take,
            Some(_) => Step::Wait,
        }
    }

    /// The lease with our name in it.
    fn ours(&self, lease: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let mut lease = lease.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let renewal = holder(&lease) == Some(&self.identity);
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if !renewal {
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(
                spec.lease_transitions
                    .map_or(0, |before| before.saturating_add(1)),
            );
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
        spec.renew_time = Some(now);
        lease
    }
}

impl Seen {
    fn nothing() -> Self {
        Self {
            version: None,
            since: Instant::now(),
        }
    }
}

/// Ticks every [`RETRY`]; after a look that took longer, not sooner.
fn looks() -> Interval {
    let mut looks = tokio::time::interval(RETRY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn holder(lease: &Lease) -> Option<&String> {
    lease
        .spec
        .as_ref()?
        .holder_identity
        .as_ref()
        .filter(|holder| !holder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate() -> Candidate {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is asked"))
        });
        Candidate::new(Client::new(service, "ns"), "ns", "me".to_owned())
    }

    fn held_by(holder: &str) -> Lease {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        };
        Lease {
            metadata: ObjectMeta::default(),
            spec: Some(spec),
        }
    }

    #[tokio::test]
    async fn a_lease_is_taken_when_it_is_free_ours_or_has_run_out() {
        let (me, fresh, old) = (
            candidate(),
            Duration::from_secs(15),
            Duration::from_secs(16),
        );
        assert_eq!(me.next(None, fresh), Step::Create);
        assert_eq!(me.next(Some(&held_by("")), fresh), Step::Take);
        assert_eq!(me.next(Some(&held_by("me")), fresh), Step::Take);
        assert_eq!(me.next(Some(&held_by("other")), fresh), Step::Wait);
        assert_eq!(me.next(Some(&held_by("other")), old), Step::Take);
    }

    #[tokio::test]
    async fn taking_over_is_counted_and_renewing_is_not() {
        let me = candidate();
        let transitions = |lease: Lease| lease.spec.unwrap().lease_transitions;
        assert_eq!(transitions(me.ours(None)), Some(0));
        assert_eq!(transitions(me.ours(Some(held_by("other")))), Some(4));
        assert_eq!(transitions(me.ours(Some(held_by("me")))), Some(3));
    }
}
