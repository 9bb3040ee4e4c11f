//! Requests over one connection, which clients of HTTP would open anew.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::within;

/// What a request with this head is answered over HTTP/1.1; `None` where the
/// connection ends instead.
pub(super) async fn answer(stream: &mut TcpStream, head: &str) -> Option<(u16, String)> {
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    let head = loop {
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = end {
            let body = answer.split_off(end + 4);
            let head = String::from_utf8(std::mem::replace(&mut answer, body)).unwrap();
            break head.to_ascii_lowercase();
        }
        more(stream, &mut answer).await?;
    };
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    while answer.len() < length {
        more(stream, &mut answer).await?;
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, String::from_utf8(answer).unwrap()))
}

/// Reads on, up to the end of the connection.
async fn more(stream: &mut TcpStream, to: &mut Vec<u8>) -> Option<()> {
    let read = within(stream.read_buf(to)).await;
    read.is_ok_and(|bytes| bytes > 0).then_some(())
}

/// Frames of RFC 9113, section 6.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
/// `END_STREAM` and `END_HEADERS`.
const WHOLE: u8 = 5;
/// `:status: 200`, as entry 8 of HPACK's table.
const OK: u8 = 0x88;

/// A connection of HTTP/2 whose client goes on after a `GOAWAY`.
pub(super) struct Http2 {
    stream: TcpStream,
    /// Of the next request.
    id: u32,
}

impl Http2 {
    pub(super) async fn over(mut stream: TcpStream) -> Self {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(preface).await.unwrap();
        let mut connection = Self { stream, id: 1 };
        connection.send(SETTINGS, 0, 0, &[]).await.unwrap();
        connection
    }

    /// Whether a request for the health of `host` is answered with 200; `None`
    /// where the connection ends instead.
    pub(super) async fn is_well(&mut self, host: &str) -> Option<bool> {
        let id = self.id;
        self.id += 2;
        // `:method: GET`, `:scheme: http`, then `:path` and `:authority`.
        let mut block = vec![0x82, 0x86];
        for (index, value) in [(0x04, "/v1/health"), (0x01, host)] {
            block.extend([index, u8::try_from(value.len()).unwrap()]);
            block.extend(value.as_bytes());
        }
        self.send(HEADERS, WHOLE, id, &block).await.ok()?;
        loop {
            let (kind, flags, of, payload) = self.next().await?;
            match kind {
                HEADERS if of == id => return Some(payload.first() == Some(&OK)),
                PING if flags != ACK => self.send(PING, ACK, 0, &payload).await.ok()?,
                _ => {}
            }
        }
    }

    /// Reads up to the end of the connection.
    pub(super) async fn ends(&mut self) {
        while let Some((kind, flags, _, payload)) = self.next().await {
            if kind == PING && flags != ACK {
                let _ = self.send(PING, ACK, 0, &payload).await;
            }
        }
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(id.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await
    }

    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        Some((kind, flags, u32::from_be_bytes(id), payload))
    }
}
