//! Nothing here waits for ever.

use std::future::Future;
use std::time::Duration;

/// How long anything may take before its test fails: far more than anything
/// does, for machines that do much else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `future` gives, which must not take longer than [`PATIENCE`].
///
/// # Panics
/// It takes longer.
#[track_caller]
pub fn within<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> + use<F> {
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        tokio::time::timeout(PATIENCE, future)
            .await
            .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}, at {caller}"))
    }
}

/// Runs a test to its end.
///
/// # Panics
/// It does, or takes much longer than [`PATIENCE`].
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(2 * PATIENCE, test).await })
        .expect("the test takes too long");
}
