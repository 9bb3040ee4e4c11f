//! `PUT /v1/files/…`.

use mote_conformance::{Ask, Target};

use crate::listing::{entries, names};

pub(crate) async fn what_was_put_is_what_one_gets(target: &Target) {
    let rest = target.rest();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let put = rest.put("/v1/files/a.bin", bytes.clone()).await.expect(204);
    assert_eq!(put.text(), "");
    assert_eq!(rest.get("/v1/files/a.bin").await.expect(200).body, bytes);
}

pub(crate) async fn a_program_sees_what_was_put(target: &Target) {
    target.file("note.txt", "hello").await;
    assert_eq!(target.sh("cat note.txt").await.ok(), "hello");
}

pub(crate) async fn a_file_that_is_there_is_replaced(target: &Target) {
    target.file("f", "a longer text than the next").await;
    target.file("f", "new").await;
    let got = target.rest().get("/v1/files/f").await.expect(200);
    assert_eq!(got.text(), "new");
}

pub(crate) async fn an_empty_body_is_an_empty_file(target: &Target) {
    target.file("empty", "").await;
    let got = target.rest().get("/v1/files/empty").await.expect(200);
    assert_eq!(got.header("content-length"), Some("0"));
}

pub(crate) async fn folders_on_the_way_are_made(target: &Target) {
    target.file("a/b/c/f", "deep").await;
    let listed = entries(target, "a/b").await;
    assert_eq!(listed[0]["name"], "c");
    assert_eq!(listed[0]["mode"], "0755");
}

pub(crate) async fn mode_is_0644_unless_asked_for(target: &Target) {
    target.file("d/plain", "").await;
    target.file("d/tool?mode=0755", "").await;
    target.file("d/secret?mode=0600", "").await;
    let modes: Vec<_> = entries(target, "d").await;
    let modes: Vec<_> = modes.iter().map(|entry| entry["mode"].as_str()).collect();
    assert_eq!(modes, [Some("0644"), Some("0600"), Some("0755")]);
}

pub(crate) async fn a_mode_that_is_none_is_invalid(target: &Target) {
    for mode in [
        "644", "0999", "07777", "1644", "u%2Bx", "0o644", "-644", "0644%20",
    ] {
        let path = format!("/v1/files/f?mode={mode}");
        let reply = target.rest().put(&path, "x").await;
        reply.refused(400, "INVALID_ARGUMENT");
    }
    target.rest().get("/v1/files/f").await.expect(404);
}

pub(crate) async fn a_folder_is_not_replaced_by_a_file(target: &Target) {
    target.file("folder/f", "kept").await;
    for path in ["/v1/files/folder", "/v1/files/"] {
        let message = target.rest().put(path, "x").await;
        let message = message.refused(400, "INVALID_ARGUMENT");
        assert_eq!(message, "target path is a directory", "{path}");
    }
    target.rest().get("/v1/files/folder/f").await.expect(200);
}

pub(crate) async fn a_form_writes_its_part_named_file(target: &Target) {
    let parts: [(&str, &str, &[u8]); 3] = [
        ("other", "o", b"skipped"),
        ("file", "name-that-does-not-count", b"content\r\n--\r\n"),
        ("more", "m", b"skipped"),
    ];
    let ask = Ask::new("PUT", "/v1/files/by-form").form(&parts);
    target.rest().send(ask).await.expect(204);
    let got = target.rest().get("/v1/files/by-form").await.expect(200);
    assert_eq!(got.text(), "content\r\n--\r\n");
}

pub(crate) async fn a_form_without_a_file_is_invalid(target: &Target) {
    let ask = Ask::new("PUT", "/v1/files/f").form(&[("other", "o", b"x")]);
    let reply = target.rest().send(ask).await;
    reply.refused(400, "INVALID_ARGUMENT");
    target.rest().get("/v1/files/f").await.expect(404);
}

pub(crate) async fn a_form_that_is_none_is_invalid(target: &Target) {
    let cases = [
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=b", "no boundary in here"),
    ];
    for (kind, body) in cases {
        let ask = Ask::new("PUT", "/v1/files/f").header("content-type", kind);
        let reply = target.rest().send(ask.body(body)).await;
        reply.refused(400, "INVALID_ARGUMENT");
    }
    assert_eq!(names(target, "").await, [""; 0]);
}

pub(crate) async fn a_form_cut_off_within_its_file_writes_none(target: &Target) {
    let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\ncut";
    let ask = Ask::new("PUT", "/v1/files/f");
    let ask = ask.header("content-type", "multipart/form-data; boundary=b");
    let reply = target.rest().send(ask.body(body)).await;
    // Upstream finds out while it writes the file.
    assert!([400, 500].contains(&reply.status), "{reply:?}");
    assert_eq!(names(target, "").await, [""; 0]);
}

pub(crate) async fn nothing_is_left_beside_the_file(target: &Target) {
    target.file("d/f", "one").await;
    target.file("d/f", "two").await;
    let listed = target.sh("ls -A d").await.ok();
    assert_eq!(listed, "f\n");
}

pub(crate) async fn through_a_link_its_target_is_written(target: &Target) {
    target.sh("mkdir real; ln -s real/file link").await.ok();
    target.file("real/file", "old").await;
    target.file("link", "new").await;
    let told = target.sh("cat real/file; test -L link && echo link").await;
    assert_eq!(told.ok(), "newlink\n");
}

/// For processes running as another user than root, who may write anywhere:
/// nobody starts the daemon so here, so a name that cannot be made stands in.
pub(crate) async fn a_folder_that_cannot_be_written_is_an_internal_error(target: &Target) {
    target.file("file", "x").await;
    let reply = target.rest().put("/v1/files/file/below", "x").await;
    reply.refused(500, "INTERNAL");
}
