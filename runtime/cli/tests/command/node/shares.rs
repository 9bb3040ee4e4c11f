//! Processor time by what objects ask for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use mote_rpc::v1::{Resources, SessionSpec};

use super::harness::{Host, said, spec};

/// How long they count.
const LASTS: Duration = Duration::from_secs(3);

#[tokio::test]
async fn sessions_that_want_all_processors_have_them_by_their_shares() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let asking = |n, cpu_millis| SessionSpec {
        resources: Some(Resources {
            cpu_millis,
            ..Resources::default()
        }),
        ..spec(n)
    };
    let large = controller.ensure(asking(1, 900)).await;
    let small = controller.ensure(asking(2, 100)).await;
    // Either could take them all.
    let processors = std::thread::available_parallelism().unwrap().get();
    let ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + LASTS;
    let counting = format!(
        "python3 -c \"import time\nn = 0\nwhile time.time() < {}: n += 1\nprint(n)\"",
        ends.as_secs()
    );
    let counted = async |address: &str| -> u64 {
        let calls = (0..processors).map(|_| said(address, &counting));
        let counts = join_all(calls).await;
        counts
            .iter()
            .map(|it| it.trim().parse::<u64>().unwrap())
            .sum()
    };
    let (large, small) = tokio::join!(counted(&large.addresses[0]), counted(&small.addresses[0]));
    // Nine to one, but for how they begin.
    assert!(large > 4 * small, "{large} and {small}");
}
