//! What `mote serve` costs, asked from outside: `cargo bench --bench serve`.
//! Client and server share the machine, and its cores.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to say"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::start_response::Event;
use mote_surface::proto::{ExecuteRequest, ProcessConfig, StartRequest};
use reqwest::Client;
use tempfile::TempDir;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

/// Calls per figure with one client.
const CALLS: usize = 3_000;
/// Clients at once, and calls of all of them together.
const CLIENTS: usize = 16;
const SHARED_CALLS: usize = 30_000;
/// Bytes of the file that goes up and down.
const FILE_BYTES: usize = 100 << 20;
/// How often it comes down.
const DOWNLOADS: usize = 5;
/// Sandboxes that nobody calls.
const IDLE: usize = 10_000;
/// Requests on the way while those are made.
const MAKERS: usize = 32;

fn main() {
    // `cargo test --benches` asks only whether it runs.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let node = Node::start();
        println!("| what | median | p99 | |");
        println!("| --- | --- | --- | --- |");
        let empty = node.resident();
        idle(&node, empty).await;
        calls(&node).await;
        download(&node).await;
    });
}

/// A server of its own, with a state folder that goes with it.
struct Node {
    process: Child,
    url: String,
    http: Client,
    _state: TempDir,
}

impl Node {
    fn start() -> Self {
        let state = TempDir::new().expect("a folder");
        let mut process = Command::new(env!("CARGO_BIN_EXE_mote"))
            .args(["serve", "--listen", "127.0.0.1:0", "--state"])
            .arg(state.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("mote serve");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().trim_start_matches("listening on ").to_owned();
        Self {
            process,
            url,
            http: Client::new(),
            _state: state,
        }
    }

    /// Resident bytes of the server.
    fn resident(&self) -> u64 {
        let statm = format!("/proc/{}/statm", self.process.id());
        let text = std::fs::read_to_string(statm).unwrap_or_default();
        let pages: Option<u64> = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or_default() * rustix::param::page_size() as u64
    }

    async fn create(&self, id: &str) {
        let url = format!("{}/v1/sandboxes", self.url);
        let body = format!(r#"{{"id": "{id}"}}"#);
        let made = self.http.post(url).body(body).send().await;
        made.unwrap().error_for_status().expect("a sandbox");
    }

    fn file(&self, id: &str, path: &str) -> String {
        format!("{}/v1/sandboxes/{id}/rest/v1/files/{path}", self.url)
    }

    async fn upload(&self, id: &str, path: &str, bytes: Vec<u8>) {
        let put = self.http.put(self.file(id, path)).body(bytes).send().await;
        put.unwrap().error_for_status().expect("an upload");
    }

    async fn client(&self) -> ProcessServiceClient<Channel> {
        let endpoint = Channel::from_shared(self.url.clone()).expect("its address");
        ProcessServiceClient::new(endpoint.connect().await.expect("a connection"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn in_sandbox<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-sandbox-id", MetadataValue::from_static("bench"));
    request
}

fn config(command: &[&str]) -> Option<ProcessConfig> {
    Some(ProcessConfig {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..ProcessConfig::default()
    })
}

fn print(what: &str, mut sample: Vec<Duration>) {
    sample.sort_unstable();
    let at = |percent: usize| sample.get(sample.len() * percent / 100).copied();
    let (median, p99) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
    println!("| {what} | {median:.1?} | {p99:.1?} | |");
}

async fn calls(node: &Node) {
    node.create("bench").await;
    let no_op = std::fs::read(mote_artifacts::probes::ENDS_AT_ONCE.file).expect("a probe");
    node.upload("bench", "noop.wasm", no_op).await;
    let mut client = node.client().await;
    for (what, command) in [
        ("Execute: a no-op component", &["./noop.wasm"][..]),
        (
            "Execute: `/bin/sh -c 'echo hi'`",
            &["/bin/sh", "-c", "echo hi"],
        ),
        ("Execute: `python3 -c pass`", &["python3", "-c", "pass"]),
    ] {
        let mut sample = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let request = in_sandbox(ExecuteRequest {
                config: config(command),
            });
            let begun = Instant::now();
            client.execute(request).await.expect("a call");
            sample.push(begun.elapsed());
        }
        print(what, sample);
    }
    first_byte(&mut client).await;
    shared(node).await;
}

async fn first_byte(client: &mut ProcessServiceClient<Channel>) {
    let mut sample = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let request = in_sandbox(StartRequest {
            config: config(&["/bin/sh", "-c", "echo hi"]),
            pty: None,
        });
        let begun = Instant::now();
        let mut events = client.start(request).await.expect("a call").into_inner();
        while let Some(event) = events.next().await {
            if matches!(event.expect("an event").event, Some(Event::Stdout(_))) {
                sample.push(begun.elapsed());
            }
        }
    }
    print("Start to the first byte: `echo hi` in sh", sample);
}

async fn shared(node: &Node) {
    let left = Arc::new(AtomicUsize::new(SHARED_CALLS));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(node.client().await);
    }
    let begun = Instant::now();
    let tasks = clients.into_iter().map(|mut client| {
        let left = Arc::clone(&left);
        tokio::spawn(async move {
            let take = |left: usize| left.checked_sub(1);
            while left.fetch_update(Relaxed, Relaxed, take).is_ok() {
                let request = in_sandbox(ExecuteRequest {
                    config: config(&["./noop.wasm"]),
                });
                client.execute(request).await.expect("a call");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no call is lost");
    }
    let each = SHARED_CALLS as f64 / begun.elapsed().as_secs_f64();
    println!("| Execute: a no-op, {CLIENTS} clients | {each:.0} a second | | |");
}

async fn download(node: &Node) {
    node.upload("bench", "large", vec![7; FILE_BYTES]).await;
    let mut rates = Vec::new();
    for _ in 0..DOWNLOADS {
        let begun = Instant::now();
        let response = node.http.get(node.file("bench", "large")).send().await;
        let mut body = response.unwrap().bytes_stream();
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            bytes += piece.as_ref().map_or(0, Bytes::len);
        }
        assert_eq!(bytes, FILE_BYTES, "the whole file");
        rates.push(FILE_BYTES as f64 / 1e6 / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let median = rates.get(DOWNLOADS / 2).copied().unwrap_or_default();
    println!("| download of 100 MiB over loopback | {median:.0} MB/s | | |");
}

async fn idle(node: &Node, empty: u64) {
    let begun = Instant::now();
    let ids = futures_util::stream::iter(0..IDLE);
    ids.for_each_concurrent(MAKERS, |number| async move {
        node.create(&format!("idle-{number}")).await;
    })
    .await;
    let took = begun.elapsed() / u32::try_from(IDLE).unwrap_or(1);
    let resident = node.resident();
    let each = resident.saturating_sub(empty) / IDLE as u64;
    println!(
        "| memory of `mote serve` with {IDLE} idle sandboxes | {} MB | | {each} bytes each; {took:.0?} to make one |",
        resident / 1_000_000
    );
}
