//! Bodies that are long, or never end: they pass as they come.

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::world::{Body, Sandbox, World, channel, empty, full, soon, text, to, to_http2};

/// A hundred mebibytes, as the largest uploads have.
const LARGE_BYTES: u64 = 100 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// A body of so many bytes, of which no more than a chunk or two are there.
fn large() -> Body {
    let (frames, body) = channel();
    tokio::spawn(async move {
        let chunk = Bytes::from(vec![b'x'; CHUNK_BYTES]);
        for _ in 0..LARGE_BYTES / CHUNK_BYTES as u64 {
            if frames.send(Frame::data(chunk.clone())).await.is_err() {
                return;
            }
        }
    });
    body
}

async fn count(mut body: hyper::body::Incoming) -> u64 {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().into_data().unwrap().len() as u64;
    }
    count
}

#[tokio::test]
async fn a_hundred_mebibytes_pass_both_ways() {
    let sandbox = Sandbox::start(|request| async {
        match request.method().as_str() {
            "PUT" => Response::new(full(count(request.into_body()).await.to_string())),
            _ => Response::new(large()),
        }
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let request = to(&sandbox, "s").method("PUT").body(large()).unwrap();
    let up = world.ask(request).await;
    assert_eq!(text(up.into_body()).await, LARGE_BYTES.to_string());
    let down = world.ask(to(&sandbox, "s").body(empty()).unwrap()).await;
    assert_eq!(soon(count(down.into_body())).await, LARGE_BYTES);
}

#[tokio::test]
async fn each_chunk_is_passed_on_before_the_next_is_there() {
    // What comes in is sent back at once, as it comes.
    let sandbox = Sandbox::start(|request| async {
        let (frames, body) = channel();
        let mut request = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = request.frame().await {
                let _ = frames.send(frame).await;
            }
        });
        Response::new(body)
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let (frames, body) = channel();
    let request = to(&sandbox, "s").method("POST").body(body).unwrap();
    let mut answer = world.ask(request).await.into_body();
    for chunk in ["one", "two", "three"] {
        frames.send(Frame::data(chunk.into())).await.unwrap();
        let back = soon(answer.frame()).await.unwrap().unwrap();
        assert_eq!(back.into_data().unwrap(), chunk);
    }
    drop(frames);
    assert!(soon(answer.frame()).await.is_none());
}

#[tokio::test]
async fn a_sandbox_is_told_when_its_client_has_left() {
    let (left, mut gone) = mpsc::channel(1);
    let sandbox = Sandbox::start(move |_| {
        let left = left.clone();
        async move {
            let (frames, body) = channel();
            tokio::spawn(async move {
                frames.send(Frame::data("begun".into())).await.unwrap();
                // Nobody wants the rest any more.
                frames.closed().await;
                left.send(()).await.unwrap();
            });
            Response::new(body)
        }
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http1().await;
    let request = to(&sandbox, "s").body(empty()).unwrap();
    let mut answer = soon(client.send_request(request))
        .await
        .unwrap()
        .into_body();
    soon(answer.frame()).await.unwrap().unwrap();
    drop((client, answer));
    soon(gone.recv()).await.unwrap();
}

#[tokio::test]
async fn trailers_of_http1_pass() {
    let sandbox = Sandbox::start(|_| async {
        let (frames, body) = channel();
        tokio::spawn(async move {
            frames.send(Frame::data("data".into())).await.unwrap();
            let sum = [("x-sum".parse().unwrap(), "1".parse().unwrap())];
            let trailers = sum.into_iter().collect();
            frames.send(Frame::trailers(trailers)).await.unwrap();
        });
        let response = Response::builder().header("trailer", "x-sum");
        response.body(body).unwrap()
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let request = to(&sandbox, "s").header("te", "trailers");
    let response = world.ask(request.body(empty()).unwrap()).await;
    let all = soon(response.into_body().collect()).await.unwrap();
    assert_eq!(all.trailers().unwrap()["x-sum"], "1");
}

#[tokio::test]
async fn uploads_that_stand_still_do_not_hold_up_their_neighbours() {
    let sandbox = Sandbox::start(|request| async move {
        if request.headers().contains_key("stall") {
            // It reads nothing.
            std::future::pending::<()>().await;
        }
        Response::new(full(count(request.into_body()).await.to_string()))
    })
    .await;
    let world = World::of([sandbox.entry("s")]).await;
    let mut client = world.http2().await;
    let mut stalled = Vec::new();
    for _ in 0..32 {
        let request = to_http2(&sandbox, "s").header("stall", "1");
        let sent = client.send_request(request.body(large()).unwrap());
        stalled.push(tokio::spawn(sent));
    }
    while sandbox.connections() < 32 {
        tokio::task::yield_now().await;
    }
    let request = to_http2(&sandbox, "s").body(large()).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(text(response.into_body()).await, LARGE_BYTES.to_string());
    assert!(stalled.iter().all(|it| !it.is_finished()));
}
