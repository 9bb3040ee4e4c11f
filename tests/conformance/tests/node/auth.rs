//! Who may ask, and who may look into the state folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mote_conformance::{Ask, Endpoint, Http, Target, node, run, sh};
use serde_json::json;
use tonic::Code;

use crate::own::Own;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The same endpoint for whoever shows `token`.
fn showing(mut endpoint: Endpoint, token: &str) -> Endpoint {
    let shown = ("authorization".to_owned(), format!("Bearer {token}"));
    endpoint.headers.push(shown);
    endpoint
}

fn target_showing(target: Target, token: &str) -> Target {
    let surfaces = [target.grpc, target.rest, target.runtime];
    let surfaces = surfaces.map(|endpoint| showing(endpoint, token));
    Target::new(surfaces, &target.root, ())
}

/// Holds every surface to refusing whoever shows `token`.
async fn refused_everywhere(own: &Own, token: &str) {
    let api = Http(showing(own.api().0, token));
    for path in [
        "/v1/sandboxes",
        "/v1/events",
        "/metrics",
        "/openapi.json",
        "/no",
    ] {
        api.get(path).await.refused(401, "UNAUTHENTICATED");
    }
    let created = api.post("/v1/sandboxes", &json!({})).await;
    created.refused(401, "UNAUTHENTICATED");
    // That of a sandbox which is there, and of one which is not.
    for id in ["a", "b"] {
        let target = target_showing(own.target(id), token);
        let got = target.rest().get("/v1/health").await;
        got.refused(401, "UNAUTHENTICATED");
        let put = target.rest().put("/v1/files/f", "x").await;
        put.refused(401, "UNAUTHENTICATED");
        let body = json!({ "command": "echo" });
        target.runtime().post("/execute", &body).await.expect(401);
        let refused = target.execute(sh("echo")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
}

#[test]
fn whoever_listens_to_all_asks_for_a_token() {
    run(async {
        let own = Own::start(&["--listen", "0.0.0.0:0"]);
        let path = own.state().join("token");
        assert_eq!(mode(&path), 0o600);
        let token = fs::read_to_string(path).unwrap().trim().to_owned();
        assert!(token.len() >= 32, "{} bytes", token.len());
        let api = Http(showing(own.api().0, &token));
        let created = api.post("/v1/sandboxes", &json!({ "id": "a" })).await;
        created.expect(201);
        refused_everywhere(&own, "").await;
        refused_everywhere(&own, &token[1..]).await;
        let target = target_showing(own.target("a"), &token);
        target.file("f", "x").await;
        assert_eq!(target.sh("cat f").await.ok(), "x");
        assert_eq!(crate::own::execute(&target, "cat f").await["stdout"], "x");
        let log = fs::read_to_string(own.state().join("audit.jsonl")).unwrap();
        assert!(!log.contains(&token), "the token is in the audit log");
    });
}

#[test]
fn without_a_token_web_pages_are_kept_out_of_every_surface() {
    run(async {
        let target = node().sandbox().await;
        for (surface, path) in [
            (node().api(), "/v1/sandboxes"),
            (target.rest(), "/v1/health"),
            (target.runtime(), "/"),
        ] {
            surface.get(path).await.expect(200);
            let page = Ask::new("GET", path).header("origin", "http://localhost");
            surface.send(page).await.refused(403, "PERMISSION_DENIED");
        }
        let mut page = target.grpc.clone();
        let origin = ("origin".to_owned(), "http://evil.example".to_owned());
        page.headers.push(origin);
        let page = Target::new([page.clone(), page.clone(), page], "/workspace", ());
        let refused = page.execute(sh("echo")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    });
}

#[test]
fn only_the_nodes_own_user_looks_into_its_state() {
    run(async {
        let own = Own::start(&[]);
        let target = own.made("a", json!({})).await;
        target.sh("echo x > f").await.ok();
        let state = own.state();
        for folder in ["", "sandboxes", "limbo"] {
            assert_eq!(mode(&state.join(folder)), 0o700, "{folder}");
        }
        assert_eq!(mode(&state.join("audit.jsonl")), 0o600);
        let home = fs::read_dir(state.join("sandboxes")).unwrap().next();
        let home = home.unwrap().unwrap().path();
        assert_eq!(mode(&home), 0o700);
        for name in ["sandbox.json", "calls.jsonl"] {
            assert_eq!(mode(&home.join(name)), 0o600, "{name}");
        }
    });
}
