//! A `mote node` of its own for a test, and clients of it.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use mote_rpc::v1::ensure_result::Result as Answer;
use mote_rpc::v1::node_service_client::NodeServiceClient;
use mote_rpc::v1::refusal::Reason;
pub(super) use mote_rpc::v1::watch_event::Event;
use mote_rpc::v1::{
    DeleteRequest, EnsureRequest, EnsureResult, PoliceRequest, Policy, Refusal, Session,
    SessionSpec, WatchEvent, WatchRequest,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, Streaming};

use super::authority::{Authority, Signed};
use crate::harness::{mote, shared_cache, warm_cache};

/// The name in the node's certificate.
pub(super) const NODE_NAME: &str = "mote-node";
/// The name in the controller's certificate.
pub(super) const CONTROLLER: &str = "mote-controller";
/// Longest wait for what is to happen soon: a slow machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Each node listens at the same ports of sandboxes' addresses.
static DOORS: Mutex<()> = Mutex::const_new(());

/// A node host, which ends with the test.
pub(super) struct Host {
    child: Child,
    rpc: SocketAddr,
    page: SocketAddr,
    probes: SocketAddr,
    state: TempDir,
    pub(super) tls: TempDir,
    flags: Vec<String>,
    /// From where sessions have their addresses, from the next start on.
    pub(super) addresses: String,
    pub(super) authority: Authority,
    _doors: MutexGuard<'static, ()>,
}

impl Host {
    pub(super) async fn start() -> Self {
        Self::with(&[]).await
    }

    pub(super) async fn with(flags: &[&str]) -> Self {
        Self::at("127.78.0.0/22", flags).await
    }

    /// One whose sessions have addresses of these prefixes.
    pub(super) async fn at(addresses: &str, flags: &[&str]) -> Self {
        warm_cache();
        let doors = DOORS.lock().await;
        let (state, tls) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let authority = Authority::new();
        authority.equip(tls.path());
        let flags: Vec<_> = flags.iter().map(ToString::to_string).collect();
        let addresses = addresses.to_owned();
        let (child, [rpc, page, probes]) = start(&state, &tls, &addresses, &flags);
        Self {
            child,
            rpc,
            page,
            probes,
            state,
            tls,
            flags,
            addresses,
            authority,
            _doors: doors,
        }
    }

    /// Ends it without a word, and starts it again.
    pub(super) fn crash(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::KILL).unwrap();
        self.child.wait().unwrap();
        let Self { state, tls, .. } = self;
        let (child, told) = start(state, tls, &self.addresses, &self.flags);
        self.child = child;
        [self.rpc, self.page, self.probes] = told;
    }

    /// Asks it to end.
    pub(super) fn stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// How it ended.
    pub(super) async fn ended(mut self) -> ExitStatus {
        let wait = tokio::task::spawn_blocking(move || self.child.wait().unwrap());
        within(wait).await.unwrap()
    }

    /// The controller of this node.
    pub(super) async fn controller(&self) -> Controller {
        let signed = self.authority.sign(CONTROLLER);
        self.client(&self.authority, Some(signed)).await.unwrap()
    }

    /// A client that trusts `authority` and shows `signed`.
    pub(super) async fn client(
        &self,
        authority: &Authority,
        signed: Option<Signed>,
    ) -> Result<Controller, tonic::transport::Error> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&authority.pem))
            .domain_name(NODE_NAME);
        if let Some(Signed { cert, key }) = signed {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", self.rpc)).unwrap();
        let channel = within(endpoint.tls_config(tls).unwrap().connect()).await?;
        Ok(Controller(NodeServiceClient::new(channel)))
    }

    /// The lines of its audit log, once it has ended.
    pub(super) async fn audited(mut self) -> Vec<Value> {
        self.stop();
        let end = move || {
            self.child.wait().unwrap();
            std::fs::read_to_string(self.state.path().join("audit.jsonl")).unwrap()
        };
        let log = within(tokio::task::spawn_blocking(end)).await.unwrap();
        let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// A page of the node's own.
    pub(super) async fn get(&self, path: &str) -> (u16, String) {
        get(self.page, path).await
    }

    /// What the kubelet is told.
    pub(super) async fn probe(&self, path: &str) -> (u16, String) {
        get(self.probes, path).await
    }

    /// Where the node's own pages are.
    pub(super) fn page(&self) -> SocketAddr {
        self.page
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let response = within(reqwest::get(format!("http://{at}{path}"))).await;
    let response = response.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

fn start(
    state: &TempDir,
    tls: &TempDir,
    addresses: &str,
    flags: &[String],
) -> (Child, [SocketAddr; 3]) {
    let mut command = mote(&shared_cache());
    command
        .args(["node", "--node-name", "worker-1"])
        .args(["--addresses", addresses])
        .args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
        .args(["--probes", "127.0.0.1:0"])
        .arg("--state")
        .arg(state.path())
        .args(flags)
        .stdout(Stdio::piped());
    for (flag, name) in [
        ("--tls-cert", "tls.crt"),
        ("--tls-key", "tls.key"),
        ("--tls-ca", "ca.crt"),
    ] {
        command.arg(flag).arg(tls.path().join(name));
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let told: Vec<_> = line.split(", ").collect();
    let told = ["listening", "metrics", "probes"].map(|what| {
        let at = |told: &&str| told.strip_prefix(what)?.strip_prefix(" on ")?.parse().ok();
        told.iter().find_map(at).unwrap()
    });
    (child, told)
}

/// A client, as the controller is one.
#[derive(Clone)]
pub(super) struct Controller(pub(super) NodeServiceClient<Channel>);

impl Controller {
    pub(super) async fn ensure_all(
        &self,
        sessions: Vec<SessionSpec>,
    ) -> Result<Vec<EnsureResult>, Status> {
        let mut client = self.0.clone();
        let answer = within(client.ensure(EnsureRequest { sessions })).await?;
        Ok(answer.into_inner().results)
    }

    /// The session of this specification.
    pub(super) async fn ensure(&self, spec: SessionSpec) -> Session {
        match self.one(spec).await {
            Answer::Session(session) => session,
            Answer::Refusal(refusal) => panic!("{refusal:?}"),
        }
    }

    /// Why there is none.
    pub(super) async fn refusal(&self, spec: SessionSpec) -> (Reason, String) {
        match self.one(spec).await {
            Answer::Session(session) => panic!("{session:?}"),
            Answer::Refusal(refusal) => (refusal.reason(), refusal.message),
        }
    }

    async fn one(&self, spec: SessionSpec) -> Answer {
        let mut results = self.ensure_all(vec![spec]).await.unwrap();
        assert_eq!(results.len(), 1);
        results.remove(0).result.unwrap()
    }

    pub(super) async fn delete(&self, uids: &[&str]) -> Vec<Refusal> {
        let uids = uids.iter().map(ToString::to_string).collect();
        let mut client = self.0.clone();
        let answer = within(client.delete(DeleteRequest { uids })).await;
        answer.unwrap().into_inner().refusals
    }

    pub(super) async fn police(&self, policies: Vec<Policy>) -> Result<(), Status> {
        let mut client = self.0.clone();
        within(client.police(PoliceRequest { policies })).await?;
        Ok(())
    }

    pub(super) async fn watch(&self) -> Watch {
        let mut client = self.0.clone();
        let answer = within(client.watch(WatchRequest {})).await;
        Watch(answer.unwrap().into_inner())
    }
}

/// What a watch tells.
pub(super) struct Watch(Streaming<WatchEvent>);

impl Watch {
    pub(super) async fn next(&mut self) -> Result<Event, Status> {
        let event = within(self.0.message()).await?;
        Ok(event.expect("a watch ends with a status").event.unwrap())
    }

    /// The next that is of this kind; others are passed by.
    pub(super) async fn until<T>(&mut self, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.next().await.unwrap()) {
                return picked;
            }
        }
    }

    /// What it ends with.
    pub(super) async fn end(mut self) -> Code {
        loop {
            if let Err(status) = self.next().await {
                return status.code();
            }
        }
    }
}

/// Number `n` of a test's objects.
pub(super) fn uid(n: u32) -> String {
    format!("0b6e1bd5-8f2e-4dd5-a3c4-{n:012x}")
}

/// Its session as it is asked for first.
pub(super) fn spec(n: u32) -> SessionSpec {
    SessionSpec {
        uid: uid(n),
        generation: 1,
        namespace: "default".to_owned(),
        name: format!("work-{n}"),
        image: "mote.dev/base".to_owned(),
        ..SessionSpec::default()
    }
}

/// Runs a shell line in the session at this address, as the SDK does; else
/// what it was answered, or why it was not.
pub(super) async fn sh(address: &str, line: &str) -> Result<Value, String> {
    let url = format!("http://{address}:8888/execute");
    let command = json!({ "command": format!("sh -c '{line}'") });
    let asked = reqwest::Client::new().post(url).json(&command).send();
    let response = within(asked).await.map_err(|error| error.to_string())?;
    let status = response.status();
    if status.is_success() {
        Ok(response.json().await.unwrap())
    } else {
        Err(status.to_string())
    }
}

/// Its stdout, once it is certain that it ended with 0.
pub(super) async fn said(address: &str, line: &str) -> String {
    let outcome = sh(address, line).await.unwrap();
    assert_eq!(outcome["exit_code"], 0, "{outcome}");
    outcome["stdout"].as_str().unwrap().to_owned()
}

pub(super) async fn within<T>(wait: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(PATIENCE, wait).await;
    ended.expect("it takes too long")
}
