//! What is there after a restart, whatever the last node left.

use std::fs;
use std::path::PathBuf;

use mote_conformance::run;
use serde_json::{Value, json};

use crate::own::Own;

/// The folder of a sandbox.
fn home(own: &Own, id: &str) -> PathBuf {
    let homes = fs::read_dir(own.state().join("sandboxes")).unwrap();
    let mut homes = homes.map(|home| home.unwrap());
    let found = homes.find(|home| home.file_name().to_string_lossy().starts_with(id));
    found.unwrap().path()
}

async fn ids(own: &Own) -> Vec<Value> {
    let all = own.api().get("/v1/sandboxes").await.expect(200).json();
    let all = all["sandboxes"].as_array().unwrap();
    all.iter().map(|told| told["id"].clone()).collect()
}

#[test]
fn what_was_half_made_is_gone() {
    run(async {
        let own = Own::start(&[]);
        let left = own.state().join("limbo/half/workspace");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("f"), "x").unwrap();
        let own = own.restart(&[]);
        own.settled().await;
    });
}

#[test]
fn a_record_that_cannot_be_read_stops_no_other() {
    run(async {
        let own = Own::start(&[]);
        for id in ["bad", "good", "later"] {
            own.made(id, json!({})).await.file("f", id).await;
        }
        fs::write(home(&own, "bad").join("sandbox.json"), "{").unwrap();
        let record = home(&own, "later").join("sandbox.json");
        let text = fs::read_to_string(&record).unwrap();
        let mut later: Value = serde_json::from_str(&text).unwrap();
        later["form"] = json!(99);
        fs::write(&record, later.to_string()).unwrap();
        let own = own.restart(&[]);
        assert_eq!(ids(&own).await, [json!("good")]);
        assert_eq!(own.target("good").sh("cat f").await.ok(), "good");
        // Nothing is lost: a version that can read it finds it.
        fs::write(home(&own, "later").join("sandbox.json"), text).unwrap();
        let own = own.restart(&[]);
        assert_eq!(own.target("later").sh("cat f").await.ok(), "later");
    });
}

#[test]
fn a_sandbox_is_as_it_was_asked_for() {
    run(async {
        let own = Own::start(&[]);
        let spec = json!({
            "env": { "A": "b" }, "labels": { "team": "x" }, "limits": { "disk": "1Mi" },
            "idle_timeout_seconds": 3600, "ttl_seconds": 7200,
        });
        own.made("a", spec).await.file("f", "kept").await;
        let before = own.told("a").await;
        let own = own.restart(&[]);
        let after = own.told("a").await;
        for name in [
            "image",
            "env",
            "labels",
            "limits",
            "grants",
            "created_at",
            "expires_at",
        ] {
            assert!(!before[name].is_null(), "{name}: {before}");
            assert_eq!(after[name], before[name], "{name}");
        }
        assert_eq!(own.target("a").sh("echo $A; cat f").await.ok(), "b\nkept");
    });
}

#[test]
fn a_fork_is_as_its_source_where_it_is_not_asked_to_be_otherwise() {
    run(async {
        let own = Own::start(&[]);
        let spec = json!({
            "env": { "A": "a", "B": "b" }, "labels": { "team": "x" },
            "limits": { "disk": "1Mi" }, "ttl_seconds": 7200,
        });
        own.made("a", spec).await.file("f", "files").await;
        let spec = json!({ "id": "b", "env": { "B": "other" } });
        let fork = own.api().post("/v1/sandboxes/a/fork", &spec).await;
        let fork = fork.expect(201).json();
        assert_eq!(fork["env"], json!({ "A": "a", "B": "other" }));
        assert_eq!(fork["labels"], json!({ "team": "x" }));
        assert_eq!(fork["limits"], own.told("a").await["limits"]);
        assert!(fork["expires_at"].is_null(), "{fork}");
        let told = own.target("b").sh("echo $A $B; cat f").await.ok();
        assert_eq!(told, "a other\nfiles");
        let taken = own
            .api()
            .post("/v1/sandboxes/a/fork", &json!({ "id": "b" }));
        taken.await.refused(409, "CONFLICT");
        let nobody = own.api().post("/v1/sandboxes/none/fork", &json!({}));
        nobody.await.refused(404, "NOT_FOUND");
    });
}

#[test]
fn a_list_leaves_environments_out() {
    run(async {
        let own = Own::start(&[]);
        own.made("a", json!({ "env": { "A": "long-and-secret" } }))
            .await;
        let all = own.api().get("/v1/sandboxes").await.expect(200);
        assert!(!all.text().contains("secret"), "{}", all.text());
        assert_eq!(own.told("a").await["env"]["A"], "long-and-secret");
    });
}

#[test]
fn ceilings_are_those_of_today() {
    run(async {
        let own = Own::start(&["--disk", "64Gi"]);
        own.made("a", json!({})).await;
        assert_eq!(own.told("a").await["limits"]["disk"], "64Gi");
        let own = own.restart(&[]);
        assert_eq!(own.told("a").await["limits"]["disk"], "16Gi");
        let spec = json!({ "limits": { "disk": "64Gi" } });
        let refused = own.api().post("/v1/sandboxes", &spec).await;
        refused.refused(403, "PERMISSION_DENIED");
    });
}
