//! gRPC: HTTP/2 on both sides, with trailers.

use futures_util::future::join_all;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};

use crate::world::{Body, Sandbox, World, channel, full, soon, to_http2};

fn call(sandbox: &Sandbox, body: Body) -> Request<Body> {
    let request = to_http2(sandbox, "s");
    let request = request.header("content-type", "application/grpc");
    request.header("te", "trailers").body(body).unwrap()
}

fn ok() -> HeaderMap {
    let status = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
    status.into_iter().collect()
}

/// A service that sends back what comes, and then its status.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    assert_eq!(request.version(), Version::HTTP_2);
    assert_eq!(request.headers()["te"], "trailers");
    let (frames, body) = channel();
    let mut request = request.into_body();
    tokio::spawn(async move {
        while let Some(Ok(frame)) = request.frame().await {
            let _ = frames.send(frame).await;
        }
        let _ = frames.send(Frame::trailers(ok())).await;
    });
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(body).unwrap()
}

#[tokio::test]
async fn a_call_has_its_trailers() {
    let sandbox = Sandbox::start(echo).await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let sent = client.send_request(call(&sandbox, full("message")));
    let response = soon(sent).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let all = soon(response.into_body().collect()).await.unwrap();
    assert_eq!(all.trailers(), Some(&ok()));
    assert_eq!(all.to_bytes(), "message");
}

#[tokio::test]
async fn a_call_of_two_streams_answers_each_message_as_it_comes() {
    let sandbox = Sandbox::start(echo).await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let (frames, body) = channel();
    let sent = client.send_request(call(&sandbox, body));
    let mut answer = soon(sent).await.unwrap().into_body();
    for message in ["one", "two", "three"] {
        frames.send(Frame::data(message.into())).await.unwrap();
        let back = soon(answer.frame()).await.unwrap().unwrap();
        assert_eq!(back.into_data().unwrap(), message);
    }
    drop(frames);
    let last = soon(answer.frame()).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), ok());
}

#[tokio::test]
async fn a_status_without_a_message_stays_one_head() {
    let sandbox = Sandbox::start(|_| async {
        let response = Response::builder().header("content-type", "application/grpc");
        response.header("grpc-status", "5").body(full("")).unwrap()
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let sent = client.send_request(call(&sandbox, full("message")));
    let response = soon(sent).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "5");
    assert!(hyper::body::Body::is_end_stream(response.body()));
}

#[tokio::test]
async fn a_thousand_calls_at_once_share_a_few_connections() {
    let sandbox = Sandbox::start(echo).await;
    let world = World::of([sandbox.entry("s")]).await;
    let client = world.http2().await;
    let calls = (0..1_000).map(|_| {
        let (mut client, call) = (client.clone(), call(&sandbox, full("message")));
        async move {
            let response = client.send_request(call).await.unwrap();
            let all = response.into_body().collect().await.unwrap();
            assert_eq!(all.trailers(), Some(&ok()));
        }
    });
    soon(join_all(calls)).await;
    assert!(sandbox.connections() <= 8, "{}", sandbox.connections());
}

#[tokio::test]
async fn a_call_that_its_client_gives_up_is_given_up_in_the_sandbox() {
    let (left, mut gone) = tokio::sync::mpsc::channel::<()>(1);
    let sandbox = Sandbox::start(move |mut request: Request<Incoming>| {
        let left = left.clone();
        async move {
            let (frames, body) = channel();
            tokio::spawn(async move {
                // An end that is none: the stream was reset.
                while let Some(Ok(_)) = request.body_mut().frame().await {}
                left.send(()).await.unwrap();
                drop(frames);
            });
            Response::new(body)
        }
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let (frames, body) = channel();
    let response = soon(client.send_request(call(&sandbox, body)))
        .await
        .unwrap();
    drop((response, frames));
    soon(gone.recv()).await.unwrap();
}

#[tokio::test]
async fn the_time_that_a_caller_gives_is_kept() {
    let sandbox = Sandbox::start(|_| std::future::pending()).await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let mut call = call(&sandbox, full("message"));
    call.headers_mut()
        .insert("grpc-timeout", "50m".parse().unwrap());
    let response = soon(client.send_request(call)).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn a_session_is_called_by_its_name() {
    let sandbox = Sandbox::start(|request| async move {
        let named = request.uri().authority().unwrap().to_string();
        Response::new(full(named))
    })
    .await;
    let mut entry = sandbox.entry("s");
    entry.session = true;
    let world = World::of([entry]).await;
    let mut client = world.http2().await;
    let sent = client.send_request(call(&sandbox, full("message")));
    let answer = soon(sent).await.unwrap().into_body();
    let named = soon(answer.collect()).await.unwrap().to_bytes();
    assert_eq!(named, format!("s.n:{}", sandbox.address.port()));
}
