//! Many who call one session, or the host itself, and what is left for the
//! others.

use std::net::IpAddr;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};

use super::harness::{Host, sh, spec, within};
use super::wire::{Http2, answer};

/// Connections that may be open to one session.
const MOST: usize = 512;
/// Connections that may be open to the page of metrics.
const PAGE_PLACES: usize = 32;
/// An address that sessions share.
const ADDRESS: &str = "127.79.0.1";

async fn connect(address: &str) -> TcpStream {
    let address: IpAddr = address.parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    within(socket.connect((address, 8080).into()))
        .await
        .unwrap()
}

/// What is answered on a connection that stays; `None`: it is hung up.
async fn health(stream: &mut TcpStream, host: &str) -> Option<(u16, String)> {
    answer(
        stream,
        &format!("GET /v1/health HTTP/1.1\r\nhost: {host}\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn whoever_calls_one_session_leaves_room_to_call_others() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let crowded = controller.ensure(spec(1)).await.addresses.remove(0);
    let other = controller.ensure(spec(2)).await.addresses.remove(0);
    let mut crowd = Vec::new();
    for _ in 0..MOST {
        crowd.push(connect(&crowded).await);
    }
    let mut late = connect(&crowded).await;
    assert_eq!(within(late.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(sh(&other, "true").await.is_ok());
    // Those that came in time are answered.
    let mut last = crowd.pop().unwrap();
    assert_eq!(health(&mut last, "work").await.unwrap().0, 200);
    let metrics = host.get("/metrics").await.1;
    let counted = "mote_refused_total{reason=\"crowded\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    // Whose turn ends makes room.
    drop(last);
    let room = async { while health(&mut connect(&crowded).await, "work").await.is_none() {} };
    within(room).await;
}

#[tokio::test]
async fn so_do_those_who_name_it_at_an_address_that_it_shares() {
    let host = Host::at(&format!("shared,{ADDRESS}"), &[]).await;
    let controller = host.controller().await;
    controller.ensure(spec(1)).await;
    controller.ensure(spec(2)).await;
    let mut crowd = Vec::new();
    for _ in 0..MOST {
        let mut stream = connect(ADDRESS).await;
        assert_eq!(health(&mut stream, "work-1.default").await.unwrap().0, 200);
        crowd.push(stream);
    }
    let mut late = connect(ADDRESS).await;
    let (status, told) = health(&mut late, "work-1.default").await.unwrap();
    assert_eq!(status, 503);
    assert!(told.contains("as many connections are open"), "{told}");
    assert_eq!(within(late.read(&mut [0])).await.unwrap(), 0, "it is over");
    let mut other = connect(ADDRESS).await;
    assert_eq!(health(&mut other, "work-2.default").await.unwrap().0, 200);
    let again = health(&mut crowd[0], "work-1.default").await;
    assert_eq!(again.unwrap().0, 200);
}

#[tokio::test]
async fn no_stranger_keeps_the_kubelet_or_a_scraper_from_a_host() {
    let host = Host::start().await;
    let page = async || within(TcpStream::connect(host.page())).await.unwrap();
    let mut first = Http2::over(page().await).await;
    let mut crowd = Vec::new();
    for _ in 0..PAGE_PLACES {
        crowd.push(page().await);
    }
    assert_eq!(host.probe("/healthz").await.0, 200);
    within(async { while host.probe("/readyz").await.0 != 200 {} }).await;
    assert_eq!(host.probe("/metrics").await.0, 404);
    // One at another address is not kept waiting by those of this one.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 9], 0).into()).unwrap();
    let mut scraper = within(socket.connect(host.page())).await.unwrap();
    let asked = "GET /metrics HTTP/1.1\r\nhost: node\r\n\r\n";
    assert_eq!(answer(&mut scraper, asked).await.unwrap().0, 200);
    // And those that came in time do not stay, though they answer pings.
    first.ends().await;
}
