use tar::{EntryType, Header};

use super::*;

async fn bytes(backend: &TestBackend, target: &str) -> Vec<u8> {
    let app = router::<TestBackend>().layer(Extension(backend.clone()));
    let response = app.oneshot(request("GET", target, &[], "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/x-tar");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
    body.unwrap().into()
}

async fn unpack(backend: &TestBackend, target: &str, archive: Vec<u8>) -> Answer {
    let request = Request::put(target).body(Body::from(archive)).unwrap();
    ask(backend, request).await
}

/// An archive of one entry, whose path is written as it is.
fn one(kind: EntryType, path: &str, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o640);
    header.set_mtime(7);
    header.set_size(content.len() as u64);
    let old = header.as_old_mut();
    old.name[..path.len()].copy_from_slice(path.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, content).unwrap();
    archive.into_inner().unwrap()
}

#[tokio::test]
async fn a_folder_comes_back_as_it_went() {
    let account = Account::new(1 << 20, 100);
    let backend = TestBackend::with_quota(account.clone());
    let long = format!("a/{}/{}", "n".repeat(120), "m".repeat(120));
    for (path, body) in [("a/f", "content"), ("a/b/empty", ""), (&*long, "long")] {
        put(&backend, &format!("/v1/files/{path}?mode=0750"), body).await;
    }
    let at = |path: &str| backend.path().join(path);
    let far = format!("{}/x", "far/".repeat(60));
    for (target, link) in [
        ("f", "in"),
        ("/workspace/a/b", "b/up"),
        ("/etc", "out"),
        (&far, "z"),
    ] {
        symlink(target, at("a").join(link)).unwrap();
    }
    let archive = bytes(&backend, "/v1/files/a?archive=tar").await;
    let answer = unpack(&backend, "/v1/files/new/place?archive=tar", archive).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::NO_CONTENT, ""));
    let text = |path: &str| std::fs::read_to_string(at("new/place").join(path)).unwrap();
    assert_eq!(
        (text("f"), text("b/empty")),
        ("content".into(), String::new())
    );
    assert_eq!(text(long.strip_prefix("a/").unwrap()), "long");
    let link = |path: &str| std::fs::read_link(at("new/place").join(path)).ok();
    assert_eq!(link("in"), Some("f".into()));
    assert_eq!(link("b/up"), Some("/workspace/a/b".into()));
    assert_eq!((link("out"), link("z")), (None, None));
    let [old, new] = ["a/f", "new/place/f"].map(|path| std::fs::metadata(at(path)).unwrap());
    assert_eq!(new.permissions().mode() & 0o7777, 0o750);
    let seconds = std::os::unix::fs::MetadataExt::mtime;
    assert_eq!(seconds(&old), seconds(&new));
}

#[tokio::test]
async fn what_leads_out_or_is_no_file_stays_out() {
    let backend = TestBackend::new();
    symlink("/etc", backend.path().join("etc")).unwrap();
    for (kind, path, link, status) in [
        (EntryType::Regular, "/abs", "", 400),
        (EntryType::Regular, "a/../../b", "", 400),
        (EntryType::Regular, "..", "", 400),
        (EntryType::Regular, "etc/passwd", "", 403),
        (EntryType::Link, "hard", "f", 400),
        (EntryType::Char, "device", "", 400),
        (EntryType::Block, "device", "", 400),
        (EntryType::Fifo, "pipe", "", 400),
        (EntryType::Symlink, "link", "../out", 400),
        (EntryType::Symlink, "link", "/etc", 400),
        (EntryType::Symlink, "link", "", 400),
        (EntryType::GNUSparse, "sparse", "", 400),
    ] {
        let archive = one(kind, path, link, b"");
        let answer = unpack(&backend, "/v1/files/?archive=tar", archive).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    assert_eq!(names(&backend), ["etc"]);
    let answer = unpack(&backend, "/v1/files/?archive=tar", vec![b'x'; 1024]).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let mut cut = one(EntryType::Regular, "cut", "", &[b'x'; 2000]);
    cut.truncate(1500);
    let answer = unpack(&backend, "/v1/files/?archive=tar", cut).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(names(&backend), ["etc"]);
}

#[tokio::test]
async fn an_extension_is_bounded() {
    let backend = TestBackend::new();
    for kind in [
        EntryType::XHeader,
        EntryType::GNULongName,
        EntryType::GNULongLink,
    ] {
        let archive = one(kind, "x", "", &vec![b'x'; 64 * 1024 + 1]);
        let answer = unpack(&backend, "/v1/files/?archive=tar", archive).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains("64 KiB"), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_archive_that_does_not_fit_leaves_the_account_right() {
    let account = Account::new(1000, 10);
    let backend = TestBackend::with_quota(account.clone());
    let archive = one(EntryType::Regular, "a/b", "", &[b'x'; 1001]);
    let answer = unpack(&backend, "/v1/files/?archive=tar", archive).await;
    assert_eq!(answer.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(account.used(), (0, 1));
    let archive = one(EntryType::Regular, "a/b", "", &[b'x'; 1000]);
    let answer = unpack(&backend, "/v1/files/?archive=tar", archive).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(account.used(), (1000, 2));
}

#[tokio::test]
async fn only_folders_and_only_tar() {
    let backend = TestBackend::new();
    put(&backend, "/v1/files/f", "x").await;
    for target in ["/v1/files/f?archive=tar", "/v1/files/?archive=zip"] {
        assert_eq!(send(&backend, "GET", target).await.status, 400);
    }
    let answer = send(&backend, "HEAD", "/v1/files/?archive=tar").await;
    assert_eq!(answer.header("content-type"), "application/x-tar");
}
