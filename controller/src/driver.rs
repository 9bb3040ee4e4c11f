//! Drives one kind: what is queued is reconciled, each object by one worker at
//! a time; what fails is tried again, later each time.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config, Controller, Error};
use kube::runtime::reflector::ObjectRef;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, Watched};
use crate::context::Context;
use crate::write::WriteError;

/// The first wait after a failure, as in other controllers of Kubernetes.
const FIRST_RETRY: Duration = Duration::from_millis(5);
/// The longest wait after a failure: what is broken for an hour is still
/// looked at every few minutes, and costs the API server nothing in between.
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);
/// An object the API server will not take as it is cannot be mended by time,
/// only by a change, which is heard of. This wait is for what is not heard of,
/// such as a quota that was raised.
const FINAL_RETRY: Duration = Duration::from_secs(60);
/// The longest wait where something is missing that nobody tells of when it is
/// there: whoever makes it should not wait for long.
const MISSING_RETRY: Duration = Duration::from_secs(60);

/// Why a pass did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// A request to the API server.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A request to a node host.
    #[error("{0}")]
    Node(String),
    /// Something that is not watched is not there.
    #[error("{0}")]
    Missing(String),
    /// The cache does not show yet what was written.
    #[error("{0}")]
    Stale(String),
}

/// Objects of a kind that someone should look at.
#[derive(Debug)]
pub struct Queue<K: Watched> {
    sender: mpsc::UnboundedSender<ObjectRef<K>>,
    open: Arc<AtomicBool>,
}

impl<K: Watched> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            open: self.open.clone(),
        }
    }
}

impl<K: Watched> Queue<K> {
    /// Asks for a pass over an object, unless nobody leads here: then there is
    /// nothing to do, and whoever leads next begins with all of them.
    ///
    /// The queue has no bound of its own. The scheduler behind it holds each
    /// object once, so it is bounded by what is in the cache.
    pub fn push(&self, namespace: &str, name: &str) {
        if self.open.load(Ordering::Acquire) {
            // An error means that the controller has ended with its process.
            let _ = self.sender.send(ObjectRef::new(name).within(namespace));
        }
    }
}

/// The other end of a [`Queue`].
#[derive(Debug)]
pub struct Waiting<K: Watched> {
    queue: Queue<K>,
    receiver: mpsc::UnboundedReceiver<ObjectRef<K>>,
}

/// A queue, shut until its controller runs.
pub fn queue<K: Watched>() -> (Queue<K>, Waiting<K>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let queue = Queue {
        sender,
        open: Arc::default(),
    };
    (queue.clone(), Waiting { queue, receiver })
}

/// What all controllers share while this process leads.
pub struct Term {
    /// What passes work with.
    pub context: Arc<Context>,
    /// When no more passes begin.
    pub end: CancellationToken,
}

/// Reconciles a kind until the end of the term; then finishes the passes that
/// run.
pub async fn run<K, F, R>(
    (cache, waiting): (Cache<DeserializeGuard<K>>, Waiting<DeserializeGuard<K>>),
    workers: u16,
    reconcile: F,
    Term { context, end }: Term,
) where
    K: Watched + DeserializeOwned,
    F: Fn(Arc<DeserializeGuard<K>>, Arc<Context>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let kind = K::kind(&()).to_lowercase();
    let Waiting {
        queue,
        mut receiver,
    } = waiting;
    queue.open.store(true, Ordering::Release);
    for object in cache.all() {
        let meta = object.meta();
        queue.push(
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default(),
        );
    }
    let retries = Arc::new(Retries::default());
    let (counted, ended) = (retries.clone(), retries.clone());
    let measured = context.metrics.reconciles.clone();
    let failed = measured.clone();
    let failed_kind = kind.clone();
    Controller::for_stream(stream::pending(), cache.store())
        .reconcile_on(stream::poll_fn(move |task| receiver.poll_recv(task)))
        .with_config(Config::default().concurrency(workers))
        .graceful_shutdown_on(async move { end.cancelled().await })
        .run(
            move |object, context| {
                let (reconcile, retries) = (reconcile.clone(), counted.clone());
                let (measured, kind) = (measured.clone(), kind.clone());
                async move {
                    let started = Instant::now();
                    let key = key(object.meta());
                    if context.freshness.is_behind(object.meta()) {
                        return Ok(retries.when_behind(&key));
                    }
                    let result = reconcile(object, context).await;
                    measured.observe(&kind, started.elapsed(), &result);
                    if result.is_ok() {
                        retries.forget(&key);
                    }
                    result
                }
            },
            move |object, error, _| {
                let wait = retries.next(object.meta(), error);
                failed.error(&failed_kind);
                tracing::warn!(kind = failed_kind, object = key(object.meta()), %error, ?wait, "a pass failed and is tried again");
                Action::requeue(wait)
            },
            context,
        )
        .for_each(|pass| {
            ended.forget_gone(&pass);
            std::future::ready(())
        })
        .await;
}

fn key(object: &ObjectMeta) -> String {
    named(object.namespace.as_deref(), object.name.as_deref())
}

fn named(namespace: Option<&str>, name: Option<&str>) -> String {
    let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
    format!("{namespace}/{name}")
}

/// How often each object has failed in a row. For each that is in here a pass is
/// to come: it succeeds, fails again, or finds that the object is gone.
#[derive(Debug, Default)]
struct Retries {
    /// By namespace and name.
    failing: Mutex<HashMap<String, Failing>>,
    chance: RandomState,
}

#[derive(Debug, Default)]
struct Failing {
    /// Another object of that name begins anew.
    uid: Option<String>,
    times: u32,
}

impl Retries {
    fn next(&self, object: &ObjectMeta, error: &ReconcileError) -> Duration {
        let key = key(object);
        let share = f64::from(self.chance.hash_one(&key) as u32) / f64::from(u32::MAX);
        let mut failing = self.failing();
        let failing = failing.entry(key).or_default();
        if failing.uid != object.uid {
            *failing = Failing {
                uid: object.uid.clone(),
                times: 0,
            };
        }
        let wait = FIRST_RETRY
            .saturating_mul(1 << failing.times.min(20))
            .min(LAST_RETRY);
        failing.times = failing.times.saturating_add(1);
        // Half of the wait differs from object to object, so that those who
        // failed together do not come back together.
        let apart = |wait: Duration| wait.mul_f64(0.5 + 0.5 * share);
        match error {
            ReconcileError::Write(error) if error.is_final() => wait.max(FINAL_RETRY),
            ReconcileError::Missing(_) => apart(wait.min(MISSING_RETRY)),
            ReconcileError::Write(_) | ReconcileError::Node(_) | ReconcileError::Stale(_) => {
                apart(wait)
            }
        }
    }

    /// When to look again at an object that the cache is behind of: when it is
    /// heard of, and it may be that it is gone, of which nobody hears.
    fn when_behind(&self, key: &str) -> Action {
        if self.failing().contains_key(key) {
            Action::requeue(LAST_RETRY)
        } else {
            Action::await_change()
        }
    }

    /// Forgets an object of which a pass found that it is gone.
    fn forget_gone<T, E: std::error::Error, Q: std::error::Error>(
        &self,
        pass: &Result<T, Error<E, Q>>,
    ) {
        if let Err(Error::ObjectNotFound(gone)) = pass {
            self.forget(&named(gone.namespace.as_deref(), Some(&gone.name)));
        }
    }

    fn forget(&self, key: &str) {
        self.failing().remove(key);
    }

    fn failing(&self) -> MutexGuard<'_, HashMap<String, Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How passes end and how long they take. Names and labels are those of
/// controller-runtime, so that dashboards keep working.
#[derive(Clone, Debug)]
pub struct ReconcileMetrics {
    passes: Family<PassLabels, Counter>,
    errors: Family<ControllerLabel, Counter>,
    seconds: Family<ControllerLabel, Histogram>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ControllerLabel {
    controller: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PassLabels {
    controller: String,
    result: &'static str,
}

impl ReconcileMetrics {
    /// Makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        /// In seconds; from a pass that finds nothing to do to one that waits
        /// for several slow writes.
        const BUCKETS: [f64; 12] = [
            0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0,
        ];
        let metrics = Self {
            passes: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        };
        registry.register(
            "controller_runtime_reconcile",
            "Passes by controller and result",
            metrics.passes.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Passes that failed",
            metrics.errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "How long a pass takes",
            metrics.seconds.clone(),
        );
        metrics
    }

    fn observe(&self, controller: &str, took: Duration, result: &Result<Action, ReconcileError>) {
        let controller = controller.to_owned();
        let result = match result {
            Err(_) => "error",
            Ok(action) if *action == Action::await_change() => "success",
            Ok(_) => "requeue_after",
        };
        self.seconds
            .get_or_create(&ControllerLabel {
                controller: controller.clone(),
            })
            .observe(took.as_secs_f64());
        self.passes
            .get_or_create(&PassLabels { controller, result })
            .inc();
    }

    fn error(&self, controller: &str) {
        self.errors
            .get_or_create(&ControllerLabel {
                controller: controller.to_owned(),
            })
            .inc();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    fn object(uid: &str) -> ObjectMeta {
        ObjectMeta {
            namespace: Some("ns".to_owned()),
            name: Some("a".to_owned()),
            uid: Some(uid.to_owned()),
            ..ObjectMeta::default()
        }
    }

    fn waits(retries: &Retries, error: &ReconcileError) -> Vec<Duration> {
        let wait = |_| retries.next(&object("first"), error);
        (0..40).map(wait).collect()
    }

    #[test]
    fn a_failure_waits_longer_each_time_and_a_success_forgets() {
        let retries = Retries::default();
        let stale = ReconcileError::Stale("stale".to_owned());
        let waits = waits(&retries, &stale);
        assert!(waits[0] <= FIRST_RETRY);
        assert!(
            waits[4] >= FIRST_RETRY * 8 && waits[39] <= LAST_RETRY && waits[39] >= LAST_RETRY / 2
        );
        retries.forget("ns/a");
        assert!(retries.next(&object("first"), &stale) <= FIRST_RETRY);
    }

    #[test]
    fn another_object_of_a_failing_ones_name_begins_anew() {
        let retries = Retries::default();
        let stale = ReconcileError::Stale("stale".to_owned());
        waits(&retries, &stale);
        assert!(retries.next(&object("second"), &stale) <= FIRST_RETRY);
        assert!(retries.next(&object("second"), &stale) > FIRST_RETRY / 2);
        assert_eq!(retries.failing().len(), 1);
    }

    #[test]
    fn an_object_that_went_while_it_failed_is_forgotten() {
        let retries = Retries::default();
        let failed = ReconcileError::Node("away".to_owned());
        retries.next(&object("first"), &failed);
        let named = |name| ObjectRef::<Pod>::new(name).within("ns").erase().into();
        let ended = |error: Error<ReconcileError, Infallible>| {
            retries.forget_gone(&Err::<(), _>(error));
            retries.failing().len()
        };
        assert_eq!(ended(Error::ObjectNotFound(named("b"))), 1);
        assert_eq!(ended(Error::ReconcilerFailed(failed, named("a"))), 1);
        assert_eq!(ended(Error::ObjectNotFound(named("a"))), 0);
    }

    #[test]
    fn what_is_missing_is_looked_for_once_a_minute_at_least() {
        let missing = ReconcileError::Missing("no ConfigMap of this name".to_owned());
        let waits = waits(&Retries::default(), &missing);
        assert!(waits[0] <= FIRST_RETRY);
        assert!(waits[39] <= MISSING_RETRY && waits[39] >= MISSING_RETRY / 2);
    }

    #[test]
    fn a_failing_object_that_the_cache_is_behind_of_is_looked_at_again() {
        let retries = Retries::default();
        assert_eq!(retries.when_behind("ns/a"), Action::await_change());
        retries.next(&object("first"), &ReconcileError::Node("away".to_owned()));
        assert_eq!(retries.when_behind("ns/a"), Action::requeue(LAST_RETRY));
    }

    #[test]
    fn what_the_api_server_will_never_take_is_not_stormed_at() {
        let refused = WriteError::Rejected {
            code: 422,
            reason: "Invalid".to_owned(),
            message: String::new(),
        };
        assert!(Retries::default().next(&object("first"), &refused.into()) >= FINAL_RETRY);
    }

    #[test]
    fn nothing_is_queued_where_nobody_leads() {
        let (queue, mut waiting) = queue::<Pod>();
        queue.push("ns", "a");
        assert!(waiting.receiver.try_recv().is_err());
        queue.open.store(true, Ordering::Release);
        queue.push("ns", "b");
        assert_eq!(waiting.receiver.try_recv().unwrap().name, "b");
    }
}
