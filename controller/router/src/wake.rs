//! Wakes a suspended sandbox when someone asks for it: once, however many ask.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::sandbox::{Entry, Sandbox, WAKE_ON_TRAFFIC};

/// How long a sandbox may take until it is ready. A pod takes seconds, with its
/// image to pull more; clients do not wait for longer.
pub const WAKE_TIME: Duration = Duration::from_secs(30);
/// Sandboxes that are woken at once. More wait: each is two writes or more for
/// the API server, and a crowd would be one for the nodes too.
const MAX_WAKING: usize = 64;
/// Writes that are tried for one wake. The controller writes the status of a
/// sandbox that is being suspended two or three times, and each of these is a
/// version that we had not seen.
const MAX_WRITES: usize = 4;
/// Under this name our write is recorded in `managedFields`.
const FIELD_MANAGER: &str = "mote-router";

/// Why a sandbox did not wake.
pub type Why = String;

/// Sets a sandbox running.
pub trait Resume: Send + Sync + 'static {
    /// Sets it running if it is still as it was seen, or as good as that.
    fn resume(&self, seen: Arc<Entry>) -> BoxFuture<'static, Result<(), Why>>;
}

type Waking = Shared<BoxFuture<'static, Result<(), Why>>>;

/// Wakes sandboxes. Copies share what they hold.
#[derive(Clone)]
pub struct Wakes {
    resume: Arc<dyn Resume>,
    directory: Directory,
    metrics: Metrics,
    /// By UID.
    waking: Arc<Mutex<HashMap<Arc<str>, Waking>>>,
    places: Arc<Semaphore>,
}

impl fmt::Debug for Wakes {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Wakes")
    }
}

impl Wakes {
    /// Nobody is woken yet.
    pub fn new(resume: Arc<dyn Resume>, directory: Directory, metrics: Metrics) -> Self {
        Self {
            resume,
            directory,
            metrics,
            waking: Arc::default(),
            places: Arc::new(Semaphore::new(MAX_WAKING)),
        }
    }

    /// Waits until the sandbox is ready, which somebody sees to.
    ///
    /// # Errors
    /// It is not ready, and why.
    pub async fn wake(&self, seen: &Arc<Entry>) -> Result<(), Why> {
        let waking = {
            let mut all = self.waking.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(&seen.uid) {
                Some(waking) => waking.clone(),
                None => {
                    let waking = self.begin(Arc::clone(seen));
                    all.insert(seen.uid.clone(), waking.clone());
                    waking
                }
            }
        };
        waking.await
    }

    /// In a task of its own: the first who asked may leave, and others wait.
    fn begin(&self, seen: Arc<Entry>) -> Waking {
        let (tell, told) = oneshot::channel();
        let this = self.clone();
        tokio::spawn(async move {
            let done = timeout(WAKE_TIME, this.run(&seen)).await;
            let done =
                done.unwrap_or_else(|_| Err(format!("it was not ready within {WAKE_TIME:?}")));
            let mut all = this.waking.lock().unwrap_or_else(PoisonError::into_inner);
            all.remove(&seen.uid);
            drop(all);
            this.report(&seen, &done);
            // Nobody may wait any more.
            let _ = tell.send(done);
        });
        let lost = |_| Err("the router ended meanwhile".to_owned());
        told.map(move |told| told.unwrap_or_else(lost))
            .boxed()
            .shared()
    }

    async fn run(&self, seen: &Arc<Entry>) -> Result<(), Why> {
        let place = self.places.acquire().await;
        if seen.suspended {
            self.resume.resume(Arc::clone(seen)).await?;
        }
        drop(place);
        let awake = |directory: &Directory| match directory.with_uid(&seen.uid) {
            None => Some(Err("it was deleted".to_owned())),
            Some(now) if now.ready && now.settled && !now.suspended => Some(Ok(())),
            Some(_) => None,
        };
        self.directory.until(awake).await
    }

    fn report(&self, seen: &Entry, done: &Result<(), Why>) {
        let (sandbox, namespace) = (&seen.name, &seen.namespace);
        match done {
            Ok(()) => tracing::info!(%sandbox, %namespace, "traffic woke a sandbox"),
            Err(why) => tracing::warn!(%sandbox, %namespace, why, "a sandbox did not wake"),
        }
        self.metrics
            .woke(if done.is_ok() { "woken" } else { "failed" });
    }
}

/// Sets sandboxes running through the API server.
pub struct Resumer(pub Client);

impl Resume for Resumer {
    fn resume(&self, seen: Arc<Entry>) -> BoxFuture<'static, Result<(), Why>> {
        let api = Api::namespaced(self.0.clone(), &seen.namespace);
        resume(api, seen).boxed()
    }
}

/// One write, on condition that nobody wrote meanwhile. If somebody did, what
/// they wrote decides whether there is another.
async fn resume(api: Api<Sandbox>, seen: Arc<Entry>) -> Result<(), Why> {
    let mut version = seen.version.to_string();
    for _ in 0..MAX_WRITES {
        let patch = json!({
            "metadata": { "uid": &*seen.uid, "resourceVersion": version },
            "spec": { "operatingMode": "Running" },
        });
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(&seen.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(unwritten(&seen, &error)),
        }
        let now = api.get(&seen.name).await;
        let now = now.map_err(|error| unwritten(&seen, &error))?;
        match still_to_wake(&now, &seen.uid)? {
            Some(newer) => version = newer,
            None => return Ok(()),
        }
    }
    Err("it changes too often".to_owned())
}

/// What the API server said is for us to read; whoever asked learns the outcome.
fn unwritten(seen: &Entry, error: &kube::Error) -> Why {
    let (sandbox, namespace) = (&seen.name, &seen.namespace);
    tracing::error!(%sandbox, %namespace, %error, "failed to set a sandbox running");
    "its operatingMode could not be set; the router's log says why".to_owned()
}

/// The version to write upon; `None` if it runs already.
fn still_to_wake(now: &Sandbox, uid: &str) -> Result<Option<String>, Why> {
    if now.uid().as_deref() != Some(uid) {
        return Err("another one has its name now".to_owned());
    }
    if !now.is_suspended() {
        return Ok(None);
    }
    if now
        .annotations()
        .get(WAKE_ON_TRAFFIC)
        .is_none_or(|value| value != "true")
    {
        return Err("it does not wake on traffic any more".to_owned());
    }
    Ok(Some(now.resource_version().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::directory::tests::entry;

    /// Counts, and sets the sandbox running in the directory.
    struct Counting {
        directory: Directory,
        calls: AtomicUsize,
        ready: bool,
    }

    impl Resume for Counting {
        fn resume(&self, seen: Arc<Entry>) -> BoxFuture<'static, Result<(), Why>> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let (directory, ready) = (self.directory.clone(), self.ready);
            async move {
                tokio::task::yield_now().await;
                let mut now = (*seen).clone();
                (now.suspended, now.ready) = (false, ready);
                directory.set(now);
                Ok(())
            }
            .boxed()
        }
    }

    fn suspended() -> Entry {
        let mut entry = entry("n", "s", "u", "10.0.0.1");
        (entry.suspended, entry.wakes, entry.ready) = (true, true, false);
        entry
    }

    fn wakes(ready: bool) -> (Wakes, Arc<Counting>, Arc<Entry>) {
        let directory = Directory::default();
        directory.set(suspended());
        let counting = Arc::new(Counting {
            directory: directory.clone(),
            calls: AtomicUsize::new(0),
            ready,
        });
        let metrics = Metrics::register(&mut Registry::default());
        let seen = directory.with_uid("u").unwrap();
        let wakes = Wakes::new(counting.clone(), directory, metrics);
        (wakes, counting, seen)
    }

    #[tokio::test]
    async fn a_thousand_who_ask_wake_it_once() {
        let (wakes, counting, seen) = wakes(true);
        let asked = (0..1_000).map(|_| wakes.wake(&seen));
        let told = futures_util::future::join_all(asked).await;
        assert!(told.iter().all(Result::is_ok));
        assert_eq!(counting.calls.load(Ordering::Relaxed), 1);
        assert!(wakes.waking.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_first_who_asked_may_leave() {
        let (wakes, counting, seen) = wakes(true);
        assert!(wakes.wake(&seen).now_or_never().is_none());
        wakes.wake(&seen).await.unwrap();
        assert_eq!(counting.calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_never_ready_is_not_waited_for_without_end() {
        let (wakes, _, seen) = wakes(false);
        let why = wakes.wake(&seen).await.unwrap_err();
        assert_eq!(why, "it was not ready within 30s");
    }

    #[tokio::test]
    async fn one_that_is_deleted_meanwhile_is_told_of() {
        let (wakes, counting, seen) = wakes(false);
        let (told, ()) = tokio::join!(wakes.wake(&seen), async {
            let running = |it: &Directory| it.with_uid("u").filter(|it| !it.suspended);
            counting.directory.until(running).await;
            counting.directory.remove("n", "s");
        });
        assert_eq!(told, Err("it was deleted".to_owned()));
    }

    #[tokio::test]
    async fn one_that_runs_already_is_waited_for_without_a_write() {
        let (wakes, counting, _) = wakes(true);
        let mut starting = suspended();
        starting.suspended = false;
        counting.directory.set(starting);
        let seen = counting.directory.with_uid("u").unwrap();
        let (told, ()) = tokio::join!(wakes.wake(&seen), async {
            counting.directory.set(entry("n", "s", "u", "10.0.0.1"));
        });
        assert_eq!(told, Ok(()));
        assert_eq!(counting.calls.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_conflict_is_decided_by_what_was_written() {
        let sandbox = |uid: &str, mode: &str, wakes: &str| -> Sandbox {
            serde_json::from_value(json!({
                "metadata": { "name": "s", "uid": uid, "resourceVersion": "8",
                    "annotations": { WAKE_ON_TRAFFIC: wakes } },
                "spec": { "operatingMode": mode },
            }))
            .unwrap()
        };
        let told = |uid, mode, wakes| still_to_wake(&sandbox(uid, mode, wakes), "u");
        assert_eq!(told("u", "Suspended", "true"), Ok(Some("8".to_owned())));
        assert_eq!(told("u", "Running", "true"), Ok(None));
        assert!(told("u", "Suspended", "false").is_err());
        assert!(told("v", "Suspended", "true").is_err());
    }
}
