//! Many files at once: `/v1/files/DIR?archive=tar`, beyond sandboxd.

use std::collections::BTreeMap;
use std::io::Read;

use mote_conformance::Target;
use tar::{Archive, Builder, EntryType, Header};

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// An archive of one entry whose name is written as it is.
fn of_one(kind: EntryType, name: &str, link: Option<&str>) -> Vec<u8> {
    let mut header = header(kind, 0);
    let field = &mut header.as_gnu_mut().unwrap().name;
    field[..name.len()].copy_from_slice(name.as_bytes());
    if let Some(link) = link {
        let field = &mut header.as_gnu_mut().unwrap().linkname;
        field[..link.len()].copy_from_slice(link.as_bytes());
    }
    header.set_cksum();
    let mut builder = Builder::new(Vec::new());
    builder.append(&header, &b""[..]).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) async fn a_tree_goes_up_and_comes_back(target: &Target) {
    let mut builder = Builder::new(Vec::new());
    let mut sent = BTreeMap::new();
    for n in 0..500 {
        let (path, text) = (format!("d{}/f{n}", n % 7), format!("file {n}\n"));
        let mut header = header(EntryType::Regular, text.len() as u64);
        builder
            .append_data(&mut header, &path, text.as_bytes())
            .unwrap();
        sent.insert(path, text);
    }
    let bytes = builder.into_inner().unwrap();
    let rest = target.rest();
    let put = rest.put("/v1/files/tree?archive=tar", bytes).await;
    assert!([200, 204].contains(&put.status), "{put:?}");
    assert_eq!(target.sh("cat tree/d3/f10").await.ok(), "file 10\n");

    let got = rest.get("/v1/files/tree?archive=tar").await.expect(200);
    let mut back = BTreeMap::new();
    for entry in Archive::new(got.body.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type() == EntryType::Regular {
            let path = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            back.insert(path.trim_start_matches("./").to_owned(), text);
        }
    }
    assert_eq!(back, sent);
}

pub(crate) async fn an_archive_writes_nothing_outside(target: &Target) {
    target.sh("mkdir box; ln -s ../.. box/out").await.ok();
    let archives = [
        of_one(EntryType::Regular, "../escaped", None),
        of_one(EntryType::Regular, "a/../../escaped", None),
        of_one(EntryType::Regular, "/escaped-by-root", None),
        of_one(EntryType::Regular, "out/escaped", None),
        of_one(EntryType::Link, "hard", Some("/etc/passwd")),
        of_one(EntryType::Symlink, "soft", Some("/etc/passwd")),
        of_one(EntryType::Symlink, "soft", Some("../../etc/passwd")),
        of_one(EntryType::Char, "device", None),
        of_one(EntryType::Fifo, "fifo", None),
    ];
    for (n, archive) in archives.into_iter().enumerate() {
        let reply = target
            .rest()
            .put("/v1/files/box?archive=tar", archive)
            .await;
        assert!([400, 403].contains(&reply.status), "{n}: {reply:?}");
    }
    assert_eq!(
        target
            .sh("ls -A box; test -e escaped || echo none")
            .await
            .ok(),
        "out\nnone\n"
    );
}

pub(crate) async fn bytes_that_are_no_archive_are_invalid(target: &Target) {
    for body in [vec![7; 10_000], b"x".to_vec()] {
        let reply = target.rest().put("/v1/files/box?archive=tar", body).await;
        reply.refused(400, "INVALID_ARGUMENT");
    }
}

pub(crate) async fn an_archive_that_stops_half_way_is_invalid(target: &Target) {
    let mut header = header(EntryType::Regular, 100_000);
    header.set_path("half").unwrap();
    header.set_cksum();
    let mut body = header.as_bytes().to_vec();
    body.extend([b'x'; 2000]);
    let reply = target.rest().put("/v1/files/box?archive=tar", body).await;
    reply.refused(400, "INVALID_ARGUMENT");
    assert_eq!(target.sh("ls -A box 2>/dev/null; true").await.ok(), "");
}
