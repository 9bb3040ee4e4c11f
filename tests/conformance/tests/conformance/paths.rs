//! What a path in a URL stands for.

use mote_conformance::{Ask, Reply, Target};

async fn get(target: &Target, path: &str) -> Reply {
    target.rest().get(path).await
}

pub(crate) async fn a_percent_encoded_slash_separates(target: &Target) {
    target.file("a%2Fb%2Fc", "deep").await;
    for path in ["a/b/c", "a%2Fb/c", "a%2fb%2fc", "%61/b/c"] {
        let got = get(target, &format!("/v1/files/{path}")).await.expect(200);
        assert_eq!(got.text(), "deep", "{path}");
    }
}

pub(crate) async fn names_may_hold_what_a_url_may_not(target: &Target) {
    for (encoded, name) in [
        ("a%20b", "a b"),
        ("%3F%23", "?#"),
        ("%C3%BC.txt", "ü.txt"),
        ("100%25", "100%"),
        ("a+b", "a+b"),
        ("%5C", "\\"),
        ("%2E%2E%2E", "..."),
    ] {
        target.file(encoded, name).await;
        let listed = crate::listing::names(target, "").await;
        assert!(listed.iter().any(|listed| listed == name), "{listed:?}");
        let got = get(target, &format!("/v1/files/{encoded}")).await;
        assert_eq!(got.expect(200).text(), name);
    }
}

pub(crate) async fn percent_encoded_dotdot_is_403(target: &Target) {
    for path in [
        "%2E%2E",
        "%2e%2e",
        "%2E%2E%2Fetc%2Fpasswd",
        "a%2F%2E%2E%2F%2E%2E",
        "a%2F..%2F..%2Fetc",
        "%2E./x",
    ] {
        let reply = get(target, &format!("/v1/files/{path}")).await;
        let message = reply.refused(403, "PERMISSION_DENIED");
        assert!(!message.contains(&target.root), "{message}");
        let reply = target.rest().put(&format!("/v1/files/{path}"), "x").await;
        reply.refused(403, "PERMISSION_DENIED");
        let reply = target.rest().delete(&format!("/v1/files/{path}")).await;
        reply.refused(403, "PERMISSION_DENIED");
    }
}

pub(crate) async fn percent_encoded_dots_within_are_cleaned(target: &Target) {
    target.file("a/f", "here").await;
    for path in [
        "a%2F%2E%2Ff",
        "a%2F%2E%2E%2Fa%2Ff",
        "%2E%2Fa%2Ff",
        "a%2F%2Ff",
    ] {
        let got = get(target, &format!("/v1/files/{path}")).await.expect(200);
        assert_eq!(got.text(), "here", "{path}");
    }
}

pub(crate) async fn a_literal_dotdot_or_double_slash_is_301(target: &Target) {
    let cases = [
        ("/v1/files/a/../b", "/v1/files/b"),
        ("/v1/files/a//b", "/v1/files/a/b"),
        ("/v1//files/a", "/v1/files/a"),
        ("/v1/files/./a", "/v1/files/a"),
        ("/v1/files/../../../etc/passwd", "/etc/passwd"),
        ("/v1/files/..", "/v1"),
        ("/v1/files/a/..", "/v1/files/"),
        ("/v1/files/a/../", "/v1/files/"),
        ("/v1/files/a//b?mode=0600", "/v1/files/a/b?mode=0600"),
    ];
    for (path, cleaned) in cases {
        let reply = get(target, path).await.expect(301);
        assert_eq!(reply.header("location"), Some(cleaned), "{path}");
        let link = format!("<a href=\"{cleaned}\">Moved Permanently</a>.\n\n");
        assert_eq!(reply.text(), link, "{path}");
    }
    for method in ["PUT", "DELETE", "HEAD"] {
        let ask = Ask::new(method, "/v1/files/a/../b");
        let reply = target.rest().send(ask).await.expect(301);
        assert_eq!(reply.header("location"), Some("/v1/files/b"), "{method}");
    }
}

pub(crate) async fn the_folder_of_files_needs_its_slash(target: &Target) {
    let reply = get(target, "/v1/files").await.expect(301);
    assert_eq!(reply.header("location"), Some("/v1/files/"));
    get(target, "/v1/files/").await.expect(200);
}

pub(crate) async fn an_absolute_path_is_one_below_the_root(target: &Target) {
    let reply = get(target, "/v1/files/%2Fetc%2Fpasswd").await;
    reply.refused(404, "NOT_FOUND");
    target.file("%2Fetc%2Fmine", "mine").await;
    let got = get(target, "/v1/files/etc/mine").await.expect(200);
    assert_eq!(got.text(), "mine");
}

pub(crate) async fn the_name_of_the_root_is_trimmed(target: &Target) {
    target.file("sub/f", "here").await;
    let root = target.root.replace('/', "%2F");
    let got = get(target, &format!("/v1/files/{root}%2Fsub%2Ff")).await;
    assert_eq!(got.expect(200).text(), "here");
    let listed = get(target, &format!("/v1/files/{root}")).await.expect(200);
    assert_eq!(listed.json()["entries"][0]["name"], "sub");
    // A name that only begins as the root's does is another.
    let other = get(target, &format!("/v1/files/{root}x%2Fsub")).await;
    other.refused(404, "NOT_FOUND");
}

pub(crate) async fn a_link_within_is_followed(target: &Target) {
    let line = "mkdir -p a/b; echo here > a/b/f; ln -s a/b link; ln -s ../a/b/f a/up";
    target.sh(line).await.ok();
    for path in ["link/f", "a/up"] {
        let got = get(target, &format!("/v1/files/{path}")).await.expect(200);
        assert_eq!(got.text(), "here\n", "{path}");
    }
    target.file("link/new", "written").await;
    assert_eq!(target.sh("cat a/b/new").await.ok(), "written");
}

async fn all_lead_out(target: &Target, paths: &[&str]) {
    for path in paths {
        let path = format!("/v1/files/{path}");
        get(target, &path).await.refused(403, "PERMISSION_DENIED");
        let put = target.rest().put(&path, "x").await;
        put.refused(403, "PERMISSION_DENIED");
    }
}

pub(crate) async fn a_link_that_leads_out_is_403(target: &Target) {
    let line = "ln -s ../.. up; mkdir d; ln -s ../../x d/out";
    target.sh(line).await.ok();
    all_lead_out(target, &["up", "up/etc", "d/out"]).await;
}

/// For processes: a guest in wasm cannot make an absolute link.
pub(crate) async fn an_absolute_link_is_taken_as_it_is(target: &Target) {
    let line = "mkdir a; echo here > a/f; ln -s \"$PWD/a\" absolute; ln -s /etc etc; ln -s /etc/passwd passwd";
    target.sh(line).await.ok();
    let got = get(target, "/v1/files/absolute/f").await.expect(200);
    assert_eq!(got.text(), "here\n");
    all_lead_out(target, &["etc/passwd", "passwd", "etc"]).await;
}

pub(crate) async fn a_path_that_no_file_can_have_is_refused(target: &Target) {
    let long = "x".repeat(5000);
    for path in ["a%00b", "%FF%FE", "%zz", "%", long.as_str()] {
        let path = format!("/v1/files/{path}");
        for reply in [
            get(target, &path).await,
            target.rest().put(&path, "x").await,
        ] {
            assert!((400..=500).contains(&reply.status), "{reply:?}");
        }
    }
    get(target, "/v1/health").await.expect(200);
}

pub(crate) async fn a_circle_of_links_is_refused(target: &Target) {
    target.sh("ln -s b a; ln -s a b").await.ok();
    let reply = get(target, "/v1/files/a").await;
    assert!((400..=500).contains(&reply.status), "{reply:?}");
}

/// For processes: a guest in wasm cannot make a FIFO.
pub(crate) async fn a_fifo_makes_nobody_wait(target: &Target) {
    target.sh("mkfifo pipe").await.ok();
    let reply = get(target, "/v1/files/pipe").await;
    assert!((400..=500).contains(&reply.status), "{reply:?}");
    let reply = get(target, "/v1/files/").await.expect(200);
    assert!(reply.text().contains("\"entries\":"), "{reply:?}");
}
