use http::Response;

use super::*;

fn request(lines: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get("/path?query");
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn sent(request: Request<()>) -> request::Parts {
    let kind = Kind::of(&request);
    let mut parts = request.into_parts().0;
    let authority = HeaderValue::from_static("10.0.0.1:8888");
    outbound(&mut parts, &kind, "192.0.2.7".parse().unwrap());
    address(&mut parts, kind.protocol(), &authority);
    parts
}

fn text(parts: &request::Parts) -> Vec<String> {
    let lines = parts.headers.iter();
    let mut lines: Vec<_> = lines
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_sandbox_is_told_its_own_address_and_who_asks() {
    let parts = sent(request(&[("host", "router.example"), ("accept", "*/*")]));
    assert_eq!(parts.uri, "/path?query");
    assert_eq!(
        text(&parts),
        [
            "accept: */*",
            "host: 10.0.0.1:8888",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-host: router.example",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn a_request_with_a_whole_uri_goes_out_with_its_path() {
    let mut absolute = request(&[]);
    *absolute.uri_mut() = "http://router.example/a?b".parse().unwrap();
    let parts = sent(absolute);
    assert_eq!(parts.uri, "/a?b");
    assert_eq!(parts.headers["x-forwarded-host"], "router.example");
}

#[test]
fn credentials_stay_with_the_router() {
    let parts = sent(request(&[
        ("authorization", "Bearer x"),
        ("proxy-authorization", "Basic x"),
        ("cookie", "own=1"),
    ]));
    assert!(!parts.headers.contains_key("authorization"));
    assert!(!parts.headers.contains_key("proxy-authorization"));
    assert_eq!(parts.headers["cookie"], "own=1");
}

#[test]
fn what_a_client_says_of_its_way_is_not_passed_on() {
    let parts = sent(request(&[
        ("x-forwarded-for", "10.9.9.9"),
        ("x-forwarded-for", "10.9.9.8"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=10.9.9.9"),
    ]));
    assert_eq!(
        text(&parts),
        [
            "host: 10.0.0.1:8888",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn headers_of_the_connection_end_with_it() {
    let parts = sent(request(&[
        ("connection", "close, X-Own"),
        ("x-own", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip, trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("x-sandbox-id", "s"),
    ]));
    assert_eq!(
        text(&parts),
        [
            "host: 10.0.0.1:8888",
            "te: trailers",
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-proto: http",
            "x-sandbox-id: s",
        ]
    );
}

#[test]
fn connection_cannot_name_away_what_the_router_says() {
    let parts = sent(request(&[
        ("connection", "host, x-forwarded-for, x-forwarded-host"),
        ("host", "router.example"),
    ]));
    assert_eq!(parts.headers["host"], "10.0.0.1:8888");
    assert_eq!(parts.headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(parts.headers["x-forwarded-host"], "router.example");
}

#[test]
fn an_upgrade_keeps_its_headers_and_loses_its_origin() {
    let parts = sent(request(&[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("origin", "http://router.example"),
        ("sec-websocket-key", "k"),
    ]));
    assert_eq!(parts.headers["connection"], "upgrade");
    assert_eq!(parts.headers["upgrade"], "websocket");
    assert_eq!(parts.headers["sec-websocket-key"], "k");
    assert!(!parts.headers.contains_key("origin"));
    let plain = sent(request(&[("origin", "http://router.example")]));
    assert_eq!(plain.headers["origin"], "http://router.example");
}

#[test]
fn no_connection_becomes_one_of_http2() {
    for protocol in ["h2c", "websocket, H2C"] {
        let lines = [
            ("connection", "upgrade, http2-settings"),
            ("upgrade", protocol),
        ];
        let asked = request(&lines);
        assert_eq!(Kind::of(&asked), Kind::Plain, "{protocol}");
        assert!(!sent(asked).headers.contains_key("upgrade"));
    }
}

fn http2(content: &str) -> Request<()> {
    let request = Request::post("http://router.example/process.v1.ProcessService/Execute");
    let request = request.version(Version::HTTP_2);
    request.header("content-type", content).body(()).unwrap()
}

#[test]
fn grpc_goes_out_as_http2_and_the_rest_as_http1() {
    for content in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;x=y",
    ] {
        assert_eq!(Kind::of(&http2(content)), Kind::Grpc, "{content}");
    }
    for content in [
        "application/grpc-web",
        "application/json",
        "application/grpcx",
    ] {
        assert_eq!(Kind::of(&http2(content)), Kind::Plain, "{content}");
    }
    let parts = sent(http2("application/grpc"));
    assert_eq!(parts.version, Version::HTTP_2);
    assert_eq!(
        parts.uri,
        "http://10.0.0.1:8888/process.v1.ProcessService/Execute"
    );
    assert!(!parts.headers.contains_key("host"));
    let parts = sent(http2("application/json"));
    assert_eq!(parts.version, Version::HTTP_11);
    assert_eq!(parts.uri, "/process.v1.ProcessService/Execute");
    assert_eq!(parts.headers["host"], "10.0.0.1:8888");
}

#[test]
fn cookies_of_http2_become_one_line() {
    let mut request = http2("application/json");
    for cookie in ["a=1", "b=2"] {
        let cookie = HeaderValue::from_static(cookie);
        request.headers_mut().append("cookie", cookie);
    }
    assert_eq!(text(&sent(request))[1], "cookie: a=1; b=2");
}

fn answered(status: u16, lines: &[(&str, &str)]) -> response::Parts {
    let mut response = Response::builder().status(status);
    for (name, value) in lines {
        response = response.header(*name, *value);
    }
    let mut parts = response.body(()).unwrap().into_parts().0;
    inbound(&mut parts);
    parts
}

#[test]
fn a_response_leaves_the_sandboxs_connection_behind() {
    let parts = answered(
        200,
        &[
            ("connection", "close, x-own"),
            ("x-own", "1"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-sum"),
            ("content-type", "text/plain"),
        ],
    );
    let names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["trailer", "content-type"]);
}

#[test]
fn a_switch_of_protocols_is_passed_on() {
    let lines = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let parts = answered(101, &lines);
    assert_eq!(parts.headers["connection"], "upgrade");
    assert_eq!(parts.headers["upgrade"], "websocket");
    assert!(answered(426, &lines).headers.is_empty());
}
