//! Folders of the host that sandboxes are granted.

use std::fs;

use mote_conformance::{run, sh};
use serde_json::{Value, json};
use tonic::Code;

use crate::own::Own;

fn granted(folder: &str, access: &str) -> Value {
    let preopen = json!({ "guest": "/data", "host": folder, "access": access });
    json!({ "grants": [{ "preopen": preopen }] })
}

#[test]
fn what_the_operator_takes_back_is_not_granted_any_more() {
    run(async {
        let shared = tempfile::tempdir().unwrap();
        fs::write(shared.path().join("f"), "theirs").unwrap();
        let folder = shared.path().to_str().unwrap();
        let own = Own::start(&["--allow-folder", folder]);
        let target = own.made("a", granted(folder, "read-write")).await;
        let read = "cat /data/f; echo mine > f; echo written > /data/g";
        assert_eq!(target.sh(read).await.ok(), "theirs");
        let own = own.restart(&[]);
        let target = own.target("a");
        let refused = target.execute(sh("cat /data/f")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        assert!(refused.message().contains("--allow-folder"), "{refused}");
        let refused = target.rest().get("/v1/files/f").await;
        let said = refused.refused(503, "UNAVAILABLE");
        assert!(said.contains(folder), "{said}");
        assert_eq!(own.told("a").await["id"], "a");
        let own = own.restart(&["--allow-folder", folder]);
        let both = own.target("a").sh("cat f /data/g").await;
        assert_eq!(both.ok(), "mine\nwritten\n");
    });
}

#[test]
fn a_folder_is_granted_only_below_one_that_may_be() {
    run(async {
        let shared = tempfile::tempdir().unwrap();
        let allowed = shared.path().join("allowed");
        fs::create_dir_all(allowed.join("sub")).unwrap();
        fs::create_dir(shared.path().join("allowed-not")).unwrap();
        std::os::unix::fs::symlink("..", allowed.join("up")).unwrap();
        let folder = allowed.to_str().unwrap();
        let own = Own::start(&["--allow-folder", folder]);
        let state = own.state();
        let outside = [
            format!("{folder}-not"),
            format!("{folder}/.."),
            format!("{folder}/up"),
            format!("{folder}/missing"),
            state.to_str().unwrap().to_owned(),
            "/".to_owned(),
        ];
        for host in outside {
            let spec = granted(&host, "read-only");
            let refused = own.api().post("/v1/sandboxes", &spec).await;
            refused.refused(403, "PERMISSION_DENIED");
        }
        let target = own
            .made("a", granted(&format!("{folder}/sub"), "read-only"))
            .await;
        assert_ne!(target.sh("echo x > /data/f").await.code, 0);
        assert!(!allowed.join("sub/f").exists());
    });
}

/// A sandbox that may write in a folder puts a link where another one's
/// folder was.
#[test]
fn a_link_in_the_place_of_a_granted_folder_leads_nobody_out() {
    run(async {
        let shared = tempfile::tempdir().unwrap();
        let allowed = shared.path().join("allowed");
        fs::create_dir_all(allowed.join("sub")).unwrap();
        fs::create_dir(shared.path().join("secret")).unwrap();
        fs::write(shared.path().join("secret/key"), "hush-hush").unwrap();
        let folder = allowed.to_str().unwrap();
        let own = Own::start(&["--allow-folder", folder]);
        let evil = own.made("evil", granted(folder, "read-write")).await;
        let sub = format!("{folder}/sub");
        own.made("victim", granted(&sub, "read-write")).await;
        let swap =
            "import os\nos.chdir('/data')\nos.rename('sub', 'old')\nos.symlink('../secret', 'sub')";
        evil.file("swap.py", swap).await;
        evil.sh("python3 swap.py").await.ok();
        assert!(allowed.join("sub").is_symlink());
        let held = async |own: &Own| {
            let line = sh("cat /data/key; echo pwned > /data/owned");
            let ran = own.target("victim").execute(line).await;
            let seen = ran.map(|ran| ran.stdout).unwrap_or_default();
            assert_eq!(&seen[..], b"");
            assert!(!shared.path().join("secret/owned").exists());
        };
        held(&own).await;
        let own = own.restart(&["--allow-folder", folder]);
        held(&own).await;
        // Nor into another folder that may be granted.
        let secret = shared.path().join("secret");
        let flags = [
            "--allow-folder",
            folder,
            "--allow-folder",
            secret.to_str().unwrap(),
        ];
        held(&own.restart(&flags)).await;
    });
}
