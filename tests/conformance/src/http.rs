//! HTTP/1.1 by hand: what is sent is what was written, with no path cleaned
//! and no redirect followed.

use std::fmt::Write;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::deadline::within;
use crate::target::Endpoint;

/// A client of one HTTP surface.
#[derive(Clone, Debug)]
pub struct Http(pub Endpoint);

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, with any transfer encoding undone.
    pub body: Vec<u8>,
}

impl Ask {
    /// A request with no more than this; `target` goes out as it is.
    pub fn new(method: &'static str, target: &str) -> Self {
        Self {
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .body(body.to_string())
    }

    /// With a form of files: part name, file name, content.
    #[must_use]
    pub fn form(self, parts: &[(&str, &str, &[u8])]) -> Self {
        const BOUNDARY: &str = "--------a-line-that-no-file-has";
        let mut body = Vec::new();
        for (name, file, content) in parts {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.header("content-type", &kind).body(body)
    }

    /// The request's head as it goes out.
    pub fn head(&self, endpoint: &Endpoint) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let mut add = |name: &str, value: &str| {
            write!(head, "{name}: {value}\r\n").expect("a string takes what it is given");
        };
        add("host", &endpoint.authority);
        add("connection", "close");
        for (name, value) in endpoint.headers.iter().chain(&self.headers) {
            add(name, value);
        }
        let told = |name| self.headers.iter().any(|(told, _)| told == name);
        let sized = told("content-length") || told("transfer-encoding");
        if matches!(self.method, "PUT" | "POST") && !sized {
            add("content-length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        head
    }
}

impl Http {
    /// What the server answers to `ask`.
    #[track_caller]
    pub fn send(&self, ask: Ask) -> impl Future<Output = Reply> + use<> {
        let endpoint = self.0.clone();
        within(&format!("{} {}", ask.method, ask.target), async move {
            let mut stream = TcpStream::connect(&endpoint.authority).await.unwrap();
            let head = ask.head(&endpoint);
            let (mut reader, mut writer) = stream.split();
            // A server may answer, and stop reading, before it has it all.
            let write = async {
                let _ = writer.write_all(head.as_bytes()).await;
                let _ = writer.write_all(&ask.body).await;
            };
            let mut answer = Vec::new();
            let (_, read) = tokio::join!(write, reader.read_to_end(&mut answer));
            let _ = read;
            read_reply(&answer, ask.method == "HEAD")
                .unwrap_or_else(|| panic!("no answer to {ask:?}: {answer:?}"))
        })
    }

    /// `GET target`.
    #[track_caller]
    pub fn get(&self, target: &str) -> impl Future<Output = Reply> + use<> {
        self.send(Ask::new("GET", target))
    }

    /// `HEAD target`.
    #[track_caller]
    pub fn head(&self, target: &str) -> impl Future<Output = Reply> + use<> {
        self.send(Ask::new("HEAD", target))
    }

    /// `PUT target` with a body.
    #[track_caller]
    pub fn put<B: Into<Vec<u8>>>(
        &self,
        target: &str,
        body: B,
    ) -> impl Future<Output = Reply> + use<B> {
        self.send(Ask::new("PUT", target).body(body))
    }

    /// `POST target` with a body of JSON.
    #[track_caller]
    pub fn post(
        &self,
        target: &str,
        body: &serde_json::Value,
    ) -> impl Future<Output = Reply> + use<> {
        self.send(Ask::new("POST", target).json(body))
    }

    /// `DELETE target`.
    #[track_caller]
    pub fn delete(&self, target: &str) -> impl Future<Output = Reply> + use<> {
        self.send(Ask::new("DELETE", target))
    }
}

impl Reply {
    /// The header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(told, _)| told == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body, which is text.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The body, which is JSON.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// This reply, whose status is `status`.
    ///
    /// # Panics
    /// It is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(512)]);
        assert_eq!(self.status, status, "{:?}: {text}", self.headers);
        self
    }

    /// Holds it to be an error as sandboxd tells of them, to the byte but for
    /// the message, which it returns.
    ///
    /// # Panics
    /// It is anything else.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> String {
        let reply = self.expect(status);
        let kind = reply.header("content-type");
        assert_eq!(kind, Some("application/json"), "{reply:?}");
        let told = reply.json();
        let message = told["message"].as_str().expect("a message").to_owned();
        let quoted = serde_json::Value::from(message.as_str());
        assert_eq!(
            reply.text(),
            format!("{{\"code\":\"{code}\",\"message\":{quoted}}}\n")
        );
        message
    }
}

/// The reply in `bytes`; `None` if there is no whole one.
pub fn read_reply(bytes: &[u8], bodiless: bool) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": ").or_else(|| line.split_once(':')))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let told = |name: &str| headers.iter().find(|(told, _)| told == name);
    let rest = &bytes[end + 4..];
    let body = if told("transfer-encoding").is_some_and(|(_, value)| value == "chunked") {
        unchunk(rest)?
    } else if let (Some((_, length)), false) = (told("content-length"), bodiless) {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(Reply {
        status,
        headers,
        body,
    })
}

fn unchunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}
