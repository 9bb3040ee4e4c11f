mod archive;
mod openapi;

use std::os::unix::fs::{PermissionsExt, symlink};

use axum::Extension;
use axum::body::Body;
use http::{Request, StatusCode};
use tower::ServiceExt;

use super::*;
use crate::Unavailable;
use crate::testing::{Account, TestBackend};

/// An answer, read to its end.
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or("")
    }
}

/// What `request` is answered.
async fn ask(backend: &TestBackend, request: Request<Body>) -> Answer {
    let app = router::<TestBackend>().layer(Extension(backend.clone()));
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.into()).unwrap(),
    }
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let builder = Request::builder().method(method).uri(target);
    let builder = headers.iter().fold(builder, |builder, (name, value)| {
        builder.header(*name, *value)
    });
    builder.body(Body::from(body.to_owned())).unwrap()
}

async fn get_with(backend: &TestBackend, target: &str, headers: &[(&str, &str)]) -> Answer {
    ask(backend, request("GET", target, headers, "")).await
}

async fn send(backend: &TestBackend, method: &str, target: &str) -> Answer {
    ask(backend, request(method, target, &[], "")).await
}

async fn put(backend: &TestBackend, target: &str, body: &str) -> Answer {
    ask(backend, request("PUT", target, &[], body)).await
}

fn names(backend: &TestBackend) -> Vec<String> {
    let entries = std::fs::read_dir(backend.path()).unwrap();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(name)
        .map(|name| name.into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_put_is_got() {
    let backend = TestBackend::new();
    let answer = put(&backend, "/v1/files/a/b/c.txt", "payload").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::NO_CONTENT, ""));
    let answer = send(&backend, "GET", "/v1/files/a%2Fb%2Fc.txt").await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "payload"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("content-length"), "7");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert!(answer.header("last-modified").ends_with(" GMT"));
    assert_eq!(answer.header("etag"), "");
    let mode = |path: &str| {
        let meta = std::fs::metadata(backend.path().join(path)).unwrap();
        meta.permissions().mode() & 0o7777
    };
    assert_eq!((mode("a/b/c.txt"), mode("a/b")), (0o644, 0o755));

    let answer = put(
        &backend,
        "/v1/files/%2Fworkspace%2Fa/b/c.txt?mode=0600",
        "new",
    )
    .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(mode("a/b/c.txt"), 0o600);
    let answer = send(&backend, "HEAD", "/v1/files/a/b/c.txt").await;
    assert_eq!((answer.header("content-length"), &*answer.body), ("3", ""));
    assert_eq!(names(&backend), ["a"]);
}

#[tokio::test]
async fn errors_are_those_of_the_reference() {
    let backend = TestBackend::new();
    std::fs::create_dir(backend.path().join("d")).unwrap();
    std::fs::write(backend.path().join("d/f"), "x").unwrap();
    symlink("/etc", backend.path().join("out")).unwrap();
    for (method, target, status, code) in [
        ("GET", "/v1/files/none", 404, "NOT_FOUND"),
        ("HEAD", "/v1/files/none", 404, ""),
        ("GET", "/v1/files/%2Fetc%2Fpasswd", 404, "NOT_FOUND"),
        ("GET", "/v1/files/d/f/x", 500, "INTERNAL"),
        ("GET", "/v1/files/%2E%2E/etc", 403, "PERMISSION_DENIED"),
        ("PUT", "/v1/files/%2E%2E%2Fx", 403, "PERMISSION_DENIED"),
        ("DELETE", "/v1/files/%2E%2E", 403, "PERMISSION_DENIED"),
        ("GET", "/v1/files/out/passwd", 403, "PERMISSION_DENIED"),
        ("PUT", "/v1/files/out/new", 403, "PERMISSION_DENIED"),
        ("PUT", "/v1/files/d", 400, "INVALID_ARGUMENT"),
        ("PUT", "/v1/files/", 400, "INVALID_ARGUMENT"),
        ("PUT", "/v1/files/x?mode=777", 400, "INVALID_ARGUMENT"),
        ("PUT", "/v1/files/x?mode=01777", 400, "INVALID_ARGUMENT"),
        ("PUT", "/v1/files/x?mode=0999", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/files/%ff", 400, "INVALID_ARGUMENT"),
        ("GET", "/v1/files/%00", 400, "INVALID_ARGUMENT"),
        ("DELETE", "/v1/files/none", 404, "NOT_FOUND"),
        ("DELETE", "/v1/files/none?recursive=x", 404, "NOT_FOUND"),
        (
            "DELETE",
            "/v1/files/d?recursive=yes",
            400,
            "INVALID_ARGUMENT",
        ),
        ("DELETE", "/v1/files/d", 409, "CONFLICT"),
        ("DELETE", "/v1/files/d?recursive=F", 409, "CONFLICT"),
        ("DELETE", "/v1/files/", 409, "CONFLICT"),
    ] {
        let answer = send(&backend, method, target).await;
        assert_eq!(answer.status, status, "{method} {target}: {}", answer.body);
        assert_eq!(answer.header("content-type"), "application/json");
        if !code.is_empty() {
            let expected = format!("{{\"code\":\"{code}\",\"message\":\"");
            assert!(answer.body.starts_with(&expected), "{}", answer.body);
            assert!(answer.body.ends_with("\"}\n"));
        }
    }
    assert_eq!(names(&backend), ["d", "out"]);
}

#[tokio::test]
async fn deleting_takes_what_a_link_leads_to() {
    let backend = TestBackend::new();
    std::fs::write(backend.path().join("target"), "x").unwrap();
    symlink("target", backend.path().join("link")).unwrap();
    let answer = send(&backend, "DELETE", "/v1/files/link").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(names(&backend), ["link"]);
    let answer = send(&backend, "DELETE", "/v1/files/link").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    std::fs::create_dir_all(backend.path().join("a/b/c")).unwrap();
    let answer = send(&backend, "DELETE", "/v1/files/?recursive=T").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(names(&backend), [""; 0]);
}

#[tokio::test]
async fn a_folder_is_listed_as_the_reference_does() {
    let backend = TestBackend::new();
    let answer = send(&backend, "GET", "/v1/files/").await;
    assert_eq!(answer.body, "{\"path\":\"/\",\"entries\":[]}\n");
    let at = |name: &str| backend.path().join(name);
    std::fs::write(at("b&.txt"), "bb").unwrap();
    std::fs::set_permissions(at("b&.txt"), PermissionsExt::from_mode(0o4600)).unwrap();
    let file = std::fs::File::options()
        .write(true)
        .open(at("b&.txt"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(1999))
        .unwrap();
    symlink("/workspace/b&.txt", at("a")).unwrap();
    symlink("nowhere", at("broken")).unwrap();
    symlink("/etc/passwd", at("out")).unwrap();
    let answer = send(&backend, "GET", "/v1/files/").await;
    let row = |name: &str| {
        format!(
            "{{\"name\":\"{name}\",\"size\":2,\"type\":\"file\",\
             \"modified_at\":\"1970-01-01T00:00:01Z\",\"mode\":\"0600\"}}"
        )
    };
    let rows = [row("a"), row(r"b\u0026.txt")].join(",");
    assert_eq!(
        answer.body,
        format!("{{\"path\":\"/\",\"entries\":[{rows}]}}\n")
    );
    assert_eq!(answer.header("content-type"), "application/json");
    std::fs::create_dir(at("d")).unwrap();
    let answer = send(&backend, "GET", "/v1/files/%2Fworkspace/d/").await;
    assert_eq!(answer.body, "{\"path\":\"/workspace/d/\",\"entries\":[]}\n");
}

#[tokio::test]
async fn ranges_are_served_as_go_does() {
    let backend = TestBackend::new();
    put(&backend, "/v1/files/f", "0123456789").await;
    put(&backend, "/v1/files/empty", "").await;
    let ask = |range: &'static str| backend_range(&backend, range);
    let answer = ask("bytes=2-4").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (206, "234"));
    assert_eq!(answer.header("content-range"), "bytes 2-4/10");
    let answer = ask("bytes=0-1,-1").await;
    assert_eq!(answer.status, 206);
    let kind = answer.header("content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    assert_eq!(boundary.len(), 60);
    let part = |range: &str, body: &str| {
        let kind = "Content-Type: application/octet-stream";
        format!("--{boundary}\r\nContent-Range: bytes {range}/10\r\n{kind}\r\n\r\n{body}\r\n")
    };
    let expected = format!(
        "{}{}--{boundary}--\r\n",
        part("0-1", "01"),
        part("9-9", "9")
    );
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("content-length"), expected.len().to_string());
    let answer = ask("bytes=10-").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-range")),
        (416, "bytes */10")
    );
    assert_eq!(answer.body, "invalid range: failed to overlap\n");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("last-modified"), "");
    let answer = ask("bytes=x").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-range")),
        (416, "")
    );
    assert_eq!(answer.body, "invalid range\n");
    let answer = get_with(&backend, "/v1/files/empty", &[("range", "bytes=0-9")]).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, ""));
}

#[tokio::test]
async fn a_large_file_comes_in_order() {
    let backend = TestBackend::new();
    let text: String = (0..200_000).map(|at| format!("{at:06}")).collect();
    put(&backend, "/v1/files/f", &text).await;
    let answer = send(&backend, "GET", "/v1/files/f").await;
    assert!(answer.body == text);
    let answer = backend_range(&backend, "bytes=7-1000006").await;
    assert!(answer.body == text[7..1_000_007]);
}

async fn backend_range(backend: &TestBackend, range: &str) -> Answer {
    get_with(backend, "/v1/files/f", &[("range", range)]).await
}

#[tokio::test]
async fn conditions_are_answered_as_go_does() {
    let backend = TestBackend::new();
    put(&backend, "/v1/files/f", "x").await;
    let first = send(&backend, "GET", "/v1/files/f").await;
    let date = first.header("last-modified");
    let answer = get_with(&backend, "/v1/files/f", &[("if-modified-since", date)]).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (304, ""));
    assert_eq!(answer.header("content-type"), "");
    assert_eq!(answer.header("last-modified"), date);
    let answer = get_with(&backend, "/v1/files/f", &[("if-match", "\"tag\"")]).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (412, ""));
}

#[tokio::test]
async fn a_form_is_read_up_to_its_file() {
    let backend = TestBackend::new();
    let part = |name: &str, body: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{body}\r\n")
    };
    let big = "x".repeat(300_000);
    let form = [("content-type", "multipart/form-data; boundary=B")];
    let body = part("other", &big) + &part("file", "content") + "--B--\r\n";
    let answer = ask(&backend, request("PUT", "/v1/files/f", &form, &body)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    assert_eq!(
        std::fs::read_to_string(backend.path().join("f")).unwrap(),
        "content"
    );

    let head = format!("--B\r\nX: {}", "x".repeat(1 << 20));
    for (kind, body) in [
        (
            "multipart/form-data; boundary=B",
            part("other", "x") + "--B--\r\n",
        ),
        ("multipart/form-data; boundary=B", "nothing".to_owned()),
        ("multipart/form-data; boundary=B", head),
        ("multipart/form-data", String::new()),
    ] {
        let headers = [("content-type", kind)];
        let answer = ask(&backend, request("PUT", "/v1/files/new/g", &headers, &body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains("multipart"), "{}", answer.body);
    }
    assert_eq!(names(&backend), ["f"]);
}

#[tokio::test]
async fn what_is_not_there_is_answered_as_gos_mux_does() {
    let backend = TestBackend::new();
    for (method, target, status, location, allow) in [
        ("GET", "/v1/files", 301, "/v1/files/", ""),
        (
            "PUT",
            "/v1/files?mode=0644",
            301,
            "/v1/files/?mode=0644",
            "",
        ),
        ("POST", "/v1/files", 405, "", "DELETE, GET, HEAD, PUT"),
        ("PATCH", "/v1/files/x", 405, "", "DELETE, GET, HEAD, PUT"),
        ("GET", "/v1/files/a/../b", 301, "/v1/files/b", ""),
        ("GET", "/v1/files//b", 301, "/v1/files/b", ""),
        ("GET", "//v1/health", 301, "/v1/health", ""),
        ("PUT", "/v1/health", 405, "", "GET, HEAD"),
        ("DELETE", "/v1/metadata", 405, "", "GET, HEAD"),
        ("GET", "/v1/health/", 404, "", ""),
        ("GET", "/", 404, "", ""),
    ] {
        let answer = send(&backend, method, target).await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.header("location"), location, "{method} {target}");
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
    }
    let answer = send(&backend, "GET", "/nothing").await;
    assert_eq!(answer.body, "404 page not found\n");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let answer = send(&backend, "POST", "/v1/health").await;
    assert_eq!(answer.body, "Method Not Allowed\n");
    let answer = send(&backend, "GET", "/v1/files?a=1&b").await;
    assert_eq!(
        answer.body,
        "<a href=\"/v1/files/?a=1&amp;b\">Moved Permanently</a>.\n\n"
    );
}

#[tokio::test]
async fn health_and_metadata_are_told() {
    let backend = TestBackend::new();
    let answer = send(&backend, "GET", "/v1/health").await;
    assert_eq!(answer.body, "{\"status\":\"ok\",\"uptime_seconds\":0}\n");
    let answer = send(&backend, "GET", "/v1/metadata").await;
    assert_eq!(answer.body, "{\"env\":{\"SANDBOX_ID\":\"a\\u003cb\"}}\n");
    for (why, status, code) in [
        (
            Unavailable::NotNow("sandboxd is shutting down".to_owned()),
            503,
            "UNAVAILABLE",
        ),
        (Unavailable::Gone("x".to_owned()), 404, "NOT_FOUND"),
    ] {
        let backend = backend.clone().unavailable(why.clone());
        for target in ["/v1/health", "/v1/files/x"] {
            let answer = send(&backend, "GET", target).await;
            let body = format!("{{\"code\":\"{code}\",\"message\":\"{why}\"}}\n");
            assert_eq!((answer.status.as_u16(), answer.body), (status, body));
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_507_and_nothing_is_left() {
    let account = Account::new(10, 2);
    let backend = TestBackend::with_quota(account.clone());
    assert_eq!(
        put(&backend, "/v1/files/f", "0123456789").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(account.used(), (10, 1));
    for (target, body) in [
        ("/v1/files/g", "x"),
        ("/v1/files/f", "x"),
        ("/v1/files/a/b", ""),
    ] {
        let answer = put(&backend, target, body).await;
        assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE, "{target}");
        assert!(answer.body.contains("RESOURCE_EXHAUSTED"));
    }
    // The folder that was made on the way is gone again.
    assert_eq!(names(&backend), ["f"]);
    assert_eq!(account.used(), (10, 1));
    send(&backend, "DELETE", "/v1/files/?recursive=1").await;
    assert_eq!(account.used(), (0, 0));
}
