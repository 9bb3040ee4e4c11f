//! `GET` and `HEAD /v1/files/…` of a file, and the two endpoints beside it.

use mote_conformance::{Ask, Reply, Target};

fn plain(reply: &Reply, body: &str) {
    let kind = reply.header("content-type");
    assert_eq!(kind, Some("text/plain; charset=utf-8"));
    assert_eq!(reply.text(), body);
}

pub(crate) async fn a_file_comes_with_what_clients_need(target: &Target) {
    target.file("f.txt", "hello").await;
    let got = target.rest().get("/v1/files/f.txt").await.expect(200);
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    assert_eq!(got.header("content-length"), Some("5"));
    assert_eq!(got.header("accept-ranges"), Some("bytes"));
    let modified = got.header("last-modified").unwrap();
    assert!(
        modified.ends_with(" GMT") && modified.len() == 29,
        "{modified}"
    );
    assert_eq!(got.text(), "hello");
}

pub(crate) async fn head_is_get_without_the_body(target: &Target) {
    target.file("f.txt", "hello").await;
    let got = target.rest().get("/v1/files/f.txt").await.expect(200);
    let head = target.rest().head("/v1/files/f.txt").await.expect(200);
    for name in [
        "content-type",
        "content-length",
        "accept-ranges",
        "last-modified",
    ] {
        assert_eq!(head.header(name), got.header(name), "{name}");
    }
    assert_eq!(head.text(), "");
}

pub(crate) async fn what_is_not_there_is_not_found(target: &Target) {
    let rest = target.rest();
    for path in ["nothing", "no/where", "nothing/"] {
        let reply = rest.get(&format!("/v1/files/{path}")).await;
        reply.refused(404, "NOT_FOUND");
    }
    assert_eq!(rest.head("/v1/files/nothing").await.expect(404).text(), "");
}

pub(crate) async fn a_name_below_a_file_is_an_internal_error(target: &Target) {
    target.file("file", "x").await;
    let reply = target.rest().get("/v1/files/file/below").await;
    reply.refused(500, "INTERNAL");
}

pub(crate) async fn health_tells_how_long_it_is_up(target: &Target) {
    let reply = target.rest().get("/v1/health").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let seconds = reply.json()["uptime_seconds"].as_u64().unwrap();
    let expected = format!("{{\"status\":\"ok\",\"uptime_seconds\":{seconds}}}\n");
    assert_eq!(reply.text(), expected);
}

pub(crate) async fn metadata_tells_what_is_meant_to_be_told(target: &Target) {
    let reply = target.rest().get("/v1/metadata").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let env = &reply.json()["env"];
    assert!(env.get("SANDBOX_API_TOKEN").is_none(), "{env}");
    assert!(env.get("OTHER_NAME").is_none(), "{env}");
    if target.fresh() {
        assert_eq!(env["SANDBOX_NAME"], "conformance");
    }
    assert!(reply.text().starts_with("{\"env\":{") && reply.text().ends_with("}}\n"));
}

pub(crate) async fn an_unknown_path_is_plain_404(target: &Target) {
    for path in ["/", "/v1", "/v1/nothing", "/v2/files/x", "/v1/health/x"] {
        let reply = target.rest().get(path).await.expect(404);
        plain(&reply, "404 page not found\n");
    }
}

pub(crate) async fn an_unknown_method_is_plain_405(target: &Target) {
    let asks = [
        (Ask::new("POST", "/v1/files/x"), "DELETE, GET, HEAD, PUT"),
        (Ask::new("PATCH", "/v1/files/x"), "DELETE, GET, HEAD, PUT"),
        (Ask::new("POST", "/v1/health"), "GET, HEAD"),
        (Ask::new("DELETE", "/v1/metadata"), "GET, HEAD"),
    ];
    for (ask, allowed) in asks {
        let reply = target.rest().send(ask).await.expect(405);
        plain(&reply, "Method Not Allowed\n");
        assert_eq!(reply.header("allow"), Some(allowed));
    }
}

pub(crate) async fn a_large_file_passes_whole(target: &Target) {
    target.file("big", vec![b'x'; 50_000_000]).await;
    target.sh("printf end >> big").await.ok();
    let got = target.rest().get("/v1/files/big").await.expect(200);
    assert_eq!(got.body.len(), 50_000_003);
    assert!(got.body.ends_with(b"end"));
}
