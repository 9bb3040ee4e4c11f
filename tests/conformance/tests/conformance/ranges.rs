//! Ranges and conditions, as Go's `http.ServeContent` has them.

use mote_conformance::{Ask, Reply, Target};

const TEXT: &str = "0123456789";
const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:01 GMT";
const FAR_AHEAD: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

async fn asked(target: &Target, name: &str, value: &str) -> Reply {
    let ask = Ask::new("GET", "/v1/files/digits").header(name, value);
    target.rest().send(ask).await
}

async fn digits(target: &Target) {
    target.file("digits", TEXT).await;
}

pub(crate) async fn a_range_is_a_part_of_the_file(target: &Target) {
    digits(target).await;
    let cases = [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
        ("bytes=-100", TEXT, "bytes 0-9/10"),
        ("bytes= 1-1", "1", "bytes 1-1/10"),
        ("bytes=20-30, 2-2", "2", "bytes 2-2/10"),
    ];
    for (range, part, told) in cases {
        let reply = asked(target, "range", range).await.expect(206);
        assert_eq!(reply.text(), part, "{range}");
        assert_eq!(reply.header("content-range"), Some(told), "{range}");
        let length = part.len().to_string();
        assert_eq!(reply.header("content-length"), Some(length.as_str()));
    }
}

pub(crate) async fn head_of_a_range_tells_its_length(target: &Target) {
    digits(target).await;
    let ask = Ask::new("HEAD", "/v1/files/digits").header("range", "bytes=2-4");
    let reply = target.rest().send(ask).await.expect(206);
    assert_eq!(reply.header("content-length"), Some("3"));
    assert_eq!(reply.header("content-range"), Some("bytes 2-4/10"));
}

pub(crate) async fn a_range_past_the_end_cannot_be_satisfied(target: &Target) {
    digits(target).await;
    for range in ["bytes=10-", "bytes=20-30", "bytes=99-100,50-60"] {
        let reply = asked(target, "range", range).await.expect(416);
        assert_eq!(reply.header("content-range"), Some("bytes */10"), "{range}");
        assert_eq!(reply.text(), "invalid range: failed to overlap\n");
    }
}

pub(crate) async fn a_range_that_is_none_is_416(target: &Target) {
    digits(target).await;
    let ranges = [
        "bytes=a-b",
        "bytes=5-1",
        "bytes=--1",
        "lines=1-2",
        "bytes=1",
        "bytes=99999999999999999999-",
    ];
    for range in ranges {
        let reply = asked(target, "range", range).await.expect(416);
        assert_eq!(reply.text(), "invalid range\n", "{range}");
        assert_eq!(reply.header("content-range"), None, "{range}");
    }
}

pub(crate) async fn no_range_at_all_is_the_whole_file(target: &Target) {
    digits(target).await;
    for range in ["bytes=", "bytes=,"] {
        let reply = asked(target, "range", range).await.expect(200);
        assert_eq!(reply.text(), TEXT, "{range}");
    }
}

pub(crate) async fn many_ranges_are_many_parts(target: &Target) {
    digits(target).await;
    let reply = asked(target, "range", "bytes=0-1,4-5").await.expect(206);
    let kind = reply.header("content-type").unwrap().to_owned();
    let boundary = kind
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let part = |range: &str, text: &str| {
        format!(
            "--{boundary}\r\nContent-Range: bytes {range}/10\r\n\
             Content-Type: application/octet-stream\r\n\r\n{text}\r\n"
        )
    };
    let whole = format!(
        "{}{}--{boundary}--\r\n",
        part("0-1", "01"),
        part("4-5", "45")
    );
    assert_eq!(reply.text(), whole);
}

pub(crate) async fn ranges_that_ask_for_more_than_the_file_get_the_file(target: &Target) {
    digits(target).await;
    let range = "bytes=0-9,0-9,0-9";
    let reply = asked(target, "range", range).await.expect(200);
    assert_eq!(reply.text(), TEXT);
}

pub(crate) async fn what_has_not_changed_is_304(target: &Target) {
    digits(target).await;
    let got = target.rest().get("/v1/files/digits").await;
    let modified = got.header("last-modified").unwrap().to_owned();
    for since in [modified.as_str(), FAR_AHEAD] {
        let reply = asked(target, "if-modified-since", since).await.expect(304);
        assert_eq!(reply.text(), "");
        assert_eq!(reply.header("content-type"), None);
    }
    for since in [LONG_AGO, "not a date"] {
        asked(target, "if-modified-since", since).await.expect(200);
    }
}

pub(crate) async fn what_has_changed_is_412(target: &Target) {
    digits(target).await;
    let refused = asked(target, "if-unmodified-since", LONG_AGO).await;
    assert_eq!(refused.expect(412).text(), "");
    asked(target, "if-unmodified-since", FAR_AHEAD)
        .await
        .expect(200);
}

pub(crate) async fn a_tag_is_never_that_of_a_file(target: &Target) {
    digits(target).await;
    asked(target, "if-match", "\"tag\"").await.expect(412);
    asked(target, "if-match", "*").await.expect(200);
    asked(target, "if-none-match", "\"tag\"").await.expect(200);
    asked(target, "if-none-match", "*").await.expect(304);
}

pub(crate) async fn a_range_of_another_version_is_the_whole_file(target: &Target) {
    digits(target).await;
    let got = target.rest().get("/v1/files/digits").await;
    let modified = got.header("last-modified").unwrap().to_owned();
    let ask = |version: &str| {
        let ask = Ask::new("GET", "/v1/files/digits");
        ask.header("range", "bytes=0-1").header("if-range", version)
    };
    let rest = target.rest();
    assert_eq!(rest.send(ask(&modified)).await.expect(206).text(), "01");
    for other in [LONG_AGO, "\"tag\"", "not a date"] {
        assert_eq!(rest.send(ask(other)).await.expect(200).text(), TEXT);
    }
}
