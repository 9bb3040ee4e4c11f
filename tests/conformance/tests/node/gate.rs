//! Calls side by side, and those that have to be alone.

use std::time::{Duration, Instant};

use mote_conformance::{Started, run, sh, within};
use serde_json::json;
use tonic::Code;

use crate::own::{Own, in_context, with_options};

/// Longest that a quick call may be held up by what waits to be alone.
const MOMENT: Duration = Duration::from_secs(10);
/// Calls that run at once in one sandbox.
const AT_ONCE: usize = 60;

#[test]
fn a_context_keeps_forks_and_transactions_out() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        in_context(&target, "work", "x = 1").await;
        let fork = || {
            own.api()
                .post("/v1/sandboxes/a/fork", &json!({ "id": "b" }))
        };
        fork().await.refused(409, "CONFLICT");
        let alone = with_options(&target, &json!({ "transaction": true }));
        let refused = alone.execute(sh("echo")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("context"), "{refused}");
        let deleted = target.rest().delete("/v1/contexts/work").await;
        deleted.expect(204);
        crate::own::until("the context's end", async || fork().await.status == 201).await;
        assert_eq!(alone.sh("echo alone").await.ok(), "alone\n");
    });
}

#[test]
fn what_waits_to_be_alone_holds_nobody_up() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut long = target.start_sh("echo ready; read x").await;
        long.until("ready\n").await;
        let alone = with_options(&target, &json!({ "transaction": true }));
        let transaction = tokio::spawn(async move { alone.execute(sh("echo")).await });
        let fork = own.api().post("/v1/sandboxes/a/fork", &json!({}));
        let fork = tokio::spawn(fork);
        let begun = Instant::now();
        while !(transaction.is_finished() && fork.is_finished()) {
            let quick = Instant::now();
            assert_eq!(target.sh("echo quick").await.ok(), "quick\n");
            assert!(quick.elapsed() < MOMENT, "{:?}", quick.elapsed());
        }
        assert!(begun.elapsed() < 2 * MOMENT, "{:?}", begun.elapsed());
        let refused = transaction.await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        fork.await.unwrap().refused(409, "CONFLICT");
        long.eof().await.unwrap();
        long.end().await;
    });
}

async fn waiting(target: &mote_conformance::Target) -> Started {
    let mut started = target.start_sh("echo ready; read x").await;
    started.until("ready\n").await;
    started
}

#[test]
fn a_call_too_many_waits_and_is_served() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut all = Vec::new();
        for _ in 0..AT_ONCE {
            all.push(waiting(&target).await);
        }
        let other = own.made("b", json!({})).await;
        let mut one_more = Box::pin(target.sh("echo served"));
        let early = tokio::time::timeout(Duration::from_millis(500), &mut one_more).await;
        assert!(
            early.is_err(),
            "{AT_ONCE} calls run, and one more: {early:?}"
        );
        // Another sandbox has room of its own.
        assert_eq!(other.sh("echo other").await.ok(), "other\n");
        all.pop().unwrap().eof().await.unwrap();
        let served = within("its turn", one_more).await;
        assert_eq!(served.ok(), "served\n");
    });
}

#[test]
fn callers_that_do_not_listen_hold_no_place() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        let mut deaf = Vec::new();
        for _ in 0..AT_ONCE {
            // More than a connection takes by itself, and less than it takes
            // to make the program wait.
            deaf.push(target.start_sh("seq 40000").await);
        }
        let begun = Instant::now();
        assert_eq!(target.sh("echo served").await.ok(), "served\n");
        assert!(begun.elapsed() < MOMENT, "{:?}", begun.elapsed());
        let heard = deaf.pop().unwrap().end().await.ok();
        assert_eq!(heard.lines().count(), 40_000);
    });
}
