//! What `mote serve` costs, asked from outside: `cargo bench --bench serve`;
//! with `-- calls`, or another of its parts, only that. Client and server
//! share the machine, and its cores; so does the bare server beside them, which
//! tells what of a figure is the machine's and gRPC's.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to say"
)]

mod bare;

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
use tempfile::TempDir;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

type Client = ProcessServiceClient<Channel>;

/// Calls per figure with one client.
const CALLS: usize = 3_000;
/// Rounds over which those are spread: what else the machine does meanwhile
/// is then shared by all figures.
const ROUNDS: usize = 10;
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

/// Makes this program the bare server.
const BARE: &str = "--bare";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` asks only whether it runs.
    if args.iter().any(|arg| arg == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if args.iter().any(|arg| arg == BARE) {
        return runtime.block_on(bare::serve());
    }
    let exe = std::env::current_exe().expect("this program");
    let named: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| *name == part);
    runtime.block_on(async {
        let node = Node::start();
        println!("| what | median | p99 | |");
        println!("| --- | --- | --- | --- |");
        if wanted("idle") {
            let empty = node.server.resident();
            idle(&node, empty).await;
        }
        node.create("bench").await;
        let no_op = std::fs::read(mote_artifacts::probes::ENDS_AT_ONCE.file);
        node.upload("bench", "noop.wasm", no_op.expect("a probe"))
            .await;
        let bare = Server::start(Command::new(exe).arg(BARE));
        if wanted("calls") {
            alone(calls(&node.server, &bare));
        }
        if wanted("clients") {
            clients("Execute of tonic alone", &bare).await;
            clients("Execute: a no-op", &node.server).await;
        }
        if wanted("files") {
            download(&node).await;
        }
    });
}

/// A server in a process of its own.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).spawn();
        let mut process = spawned.expect("a server");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim().trim_start_matches("listening on ").to_owned();
        Self { process, url }
    }

    /// Resident bytes of the server.
    fn resident(&self) -> u64 {
        let statm = format!("/proc/{}/statm", self.process.id());
        let text = std::fs::read_to_string(statm).unwrap_or_default();
        let pages: Option<u64> = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or_default() * rustix::param::page_size() as u64
    }

    async fn client(&self) -> Client {
        let endpoint = Channel::from_shared(self.url.clone()).expect("its address");
        ProcessServiceClient::new(endpoint.connect().await.expect("a connection"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `mote serve`, with a state folder that goes with it.
struct Node {
    server: Server,
    http: reqwest::Client,
    _state: TempDir,
}

impl Node {
    fn start() -> Self {
        let state = TempDir::new().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mote"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--state"]);
        Self {
            server: Server::start(command.arg(state.path())),
            http: reqwest::Client::new(),
            _state: state,
        }
    }

    async fn create(&self, id: &str) {
        let url = format!("{}/v1/sandboxes", self.server.url);
        let body = format!(r#"{{"id": "{id}"}}"#);
        let made = self.http.post(url).body(body).send().await;
        made.unwrap().error_for_status().expect("a sandbox");
    }

    fn file(&self, id: &str, path: &str) -> String {
        format!("{}/v1/sandboxes/{id}/rest/v1/files/{path}", self.server.url)
    }

    async fn upload(&self, id: &str, path: &str, bytes: Vec<u8>) {
        let put = self.http.put(self.file(id, path)).body(bytes).send().await;
        put.unwrap().error_for_status().expect("an upload");
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

fn print(what: &str, sample: &mut [Duration]) {
    sample.sort_unstable();
    let at = |percent: usize| sample.get(sample.len() * percent / 100).copied();
    let (median, p99) = (at(50).unwrap_or_default(), at(99).unwrap_or_default());
    println!("| {what} | {median:.1?} | {p99:.1?} | |");
}

/// Does it in one thread, as a client does that has one call to make: the
/// threads of another runtime would have to wake each other for each.
fn alone(work: impl Future<Output = ()>) {
    tokio::task::block_in_place(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime");
        runtime.block_on(work);
    });
}

async fn calls(server: &Server, bare: &Server) {
    let (mut served, mut nothing) = (server.client().await, bare.client().await);
    let mut figures = [(); 5].map(|()| Vec::with_capacity(CALLS));
    let [base, no_op, shell, python, first] = &mut figures;
    for _ in 0..ROUNDS {
        execute(&mut nothing, &["./noop.wasm"], base).await;
        execute(&mut served, &["./noop.wasm"], no_op).await;
        execute(&mut served, &["/bin/sh", "-c", "echo hi"], shell).await;
        execute(&mut served, &["python3", "-c", "pass"], python).await;
        first_byte(&mut served, first).await;
    }
    print("Execute of tonic alone, nothing behind it", base);
    print("Execute: a no-op component", no_op);
    print("Execute: `/bin/sh -c 'echo hi'`", shell);
    print("Execute: `python3 -c pass`", python);
    print("Start to the first byte: `echo hi` in sh", first);
}

/// A round of calls, one after the other.
async fn execute(client: &mut Client, command: &[&str], sample: &mut Vec<Duration>) {
    for _ in 0..CALLS / ROUNDS {
        let config = config(command);
        let request = in_sandbox(ExecuteRequest { config });
        let begun = Instant::now();
        client.execute(request).await.expect("a call");
        sample.push(begun.elapsed());
    }
}

async fn first_byte(client: &mut Client, sample: &mut Vec<Duration>) {
    for _ in 0..CALLS / ROUNDS {
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
}

async fn clients(what: &str, server: &Server) {
    let left = Arc::new(AtomicUsize::new(SHARED_CALLS));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.client().await);
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
    println!("| {what}, {CLIENTS} clients | {each:.0} a second | | |");
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
    let resident = node.server.resident();
    let each = resident.saturating_sub(empty) / IDLE as u64;
    println!(
        "| memory of `mote serve` with {IDLE} idle sandboxes | {} MB | | {each} bytes each; {took:.0?} to make one |",
        resident / 1_000_000
    );
}
