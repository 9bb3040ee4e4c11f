//! A daemon on ports of its own, spoken to over its sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at what it did not expect"
)]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mote_sandboxd::{Args, Listeners, serve};
use mote_surface::proto::process_service_client::ProcessServiceClient;
use mote_surface::proto::start_response::Event;
use mote_surface::proto::{
    ExecuteRequest, ExecuteResponse, ProcessConfig, Pty, StartRequest, StartResponse,
    WriteStdinRequest, write_stdin_request::Payload,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

mod end;
mod execute;
mod start;
mod terminal;

/// How long anything here may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon with an empty directory; gone when dropped.
struct Daemon {
    root: TempDir,
    grpc: SocketAddr,
    rest: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Daemon {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut line: Vec<OsString> = vec!["mote-sandboxd".into(), "--root-dir".into()];
        line.push(root.path().into());
        line.extend(flags.iter().map(OsString::from));
        let args = Args::read(line.into_iter()).unwrap();
        let [grpc, rest] = [bind().await, bind().await];
        let addresses = [&grpc, &rest].map(|listener| listener.local_addr().unwrap());
        let listeners = Listeners {
            grpc: Some(grpc),
            rest: Some(rest),
            runtime: None,
        };
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            serve(&args, listeners, async {
                let _ = stopped.await;
            })
            .await
        });
        let [grpc, rest] = addresses;
        let stop = Some(stop);
        Self {
            root,
            grpc,
            rest,
            stop,
            served,
        }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    /// The answer to a GET, head and body.
    async fn get(&self, path: &str) -> String {
        let mut connection = TcpStream::connect(self.rest).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(connection.read_to_string(&mut answer))
            .await
            .unwrap();
        answer
    }

    async fn client(&self) -> Client {
        let channel = Channel::from_shared(format!("http://{}", self.grpc));
        Client(ProcessServiceClient::new(
            channel.unwrap().connect().await.unwrap(),
        ))
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A caller of the process service.
#[derive(Clone)]
struct Client(ProcessServiceClient<Channel>);

type Answer<T> = Result<Response<T>, Status>;

impl Client {
    async fn execute(&mut self, request: Request<ExecuteRequest>) -> Answer<ExecuteResponse> {
        within(self.0.execute(request)).await
    }

    async fn sh(&mut self, script: &str) -> ExecuteResponse {
        let request = Request::new(execute(&["sh", "-c", script]));
        self.execute(request).await.unwrap().into_inner()
    }

    async fn start(&mut self, argv: &[&str], pty: Option<Pty>) -> Started {
        let config = Some(config(argv));
        let request = Request::new(StartRequest { config, pty });
        self.started(request).await
    }

    async fn started(&mut self, request: Request<StartRequest>) -> Started {
        let stream = within(self.0.start(request)).await.unwrap().into_inner();
        let mut started = Started { number: 0, stream };
        match started.next().await {
            Ok(Some(Event::Init(init))) => started.number = init.process_id,
            other => panic!("{other:?} came before init"),
        }
        started
    }

    async fn input(&mut self, process_id: i32, payload: Payload) -> Result<(), Status> {
        let payload = Some(payload);
        let request = WriteStdinRequest {
            process_id,
            payload,
        };
        within(self.0.write_stdin(request)).await.map(drop)
    }
}

/// A started program.
struct Started {
    number: i32,
    stream: Streaming<StartResponse>,
}

/// All that came of a program.
#[derive(Debug, Default, PartialEq)]
struct Told {
    stdout: String,
    stderr: String,
    exit: Option<i32>,
}

impl Started {
    async fn next(&mut self) -> Result<Option<Event>, Status> {
        let response = within(self.stream.message()).await?;
        Ok(response.map(|response| response.event.unwrap()))
    }

    /// The rest, to the end; nothing may come after the exit.
    async fn rest(&mut self) -> Told {
        let mut told = Told::default();
        while let Some(event) = self.next().await.unwrap() {
            assert_eq!(told.exit, None, "{event:?} came after the exit");
            told.add(event);
        }
        told
    }

    /// What comes until `text` was written to stdout.
    async fn until(&mut self, text: &str) -> Told {
        let mut told = Told::default();
        while !told.stdout.contains(text) {
            told.add(self.next().await.unwrap().expect("the program ended"));
        }
        told
    }
}

impl Told {
    fn add(&mut self, event: Event) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match event {
            Event::Init(_) => panic!("init came twice"),
            Event::Stdout(bytes) => self.stdout += &text(&bytes),
            Event::Stderr(bytes) => self.stderr += &text(&bytes),
            Event::Exit(exit) => self.exit = Some(exit.exit_code),
        }
    }
}

fn config(argv: &[&str]) -> ProcessConfig {
    ProcessConfig {
        command: argv.iter().map(|text| (*text).to_owned()).collect(),
        ..ProcessConfig::default()
    }
}

fn execute(argv: &[&str]) -> ExecuteRequest {
    let config = Some(config(argv));
    ExecuteRequest { config }
}

fn code<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it takes too long")
}

/// Waits until nothing holds the named pipe at `path` open for writing: the
/// program that did is gone.
async fn abandoned(path: &Path) {
    let mut pipe = tokio::net::unix::pipe::OpenOptions::new()
        .open_receiver(path)
        .unwrap();
    let mut read = Vec::new();
    within(pipe.read_to_end(&mut read)).await.unwrap();
}
