//! A node of a test's own, and what tests look for.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mote_conformance::{Ask, Endpoint, Http, Node, Target, within};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// A node on a state folder of its own.
pub(crate) struct Own {
    node: Node,
    folder: TempDir,
}

impl Deref for Own {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Own {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = Node::start_on(&folder.path().join("state"), flags);
        Self { node, folder }
    }

    /// The same sandboxes, with another process.
    pub(crate) fn restart(self, flags: &[&str]) -> Self {
        let Self { node, folder } = self;
        node.stop();
        let node = Node::start_on(&folder.path().join("state"), flags);
        Self { node, folder }
    }

    /// Ends it; its state is still there.
    pub(crate) fn stop(self) -> TempDir {
        self.node.stop();
        self.folder
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A new sandbox of this name and specification.
    pub(crate) async fn made(&self, id: &str, mut spec: Value) -> Target {
        spec["id"] = json!(id);
        self.target(&self.create(&spec).await)
    }

    /// What the node tells of a sandbox.
    pub(crate) async fn told(&self, id: &str) -> Value {
        let told = self.api().get(&format!("/v1/sandboxes/{id}")).await;
        told.expect(200).json()
    }

    /// Waits until nothing is half made or half deleted.
    pub(crate) async fn settled(&self) {
        let limbo = self.state().join("limbo");
        let empty = async || fs::read_dir(&limbo).unwrap().next().is_none();
        until("limbo is empty", empty).await;
    }

    /// Bytes on disk of all sandboxes and of what is half made.
    pub(crate) fn disk(&self) -> u64 {
        let mut seen = HashSet::new();
        let folders = ["sandboxes", "limbo"].map(|name| self.state().join(name));
        folders.iter().map(|folder| size(folder, &mut seen)).sum()
    }

    /// The names of files of a sandbox whose uploads have begun and not ended.
    pub(crate) fn unfinished(&self, id: &str) -> HashSet<OsString> {
        let homes = fs::read_dir(self.state().join("sandboxes")).unwrap();
        let homes = homes.map(|home| home.unwrap());
        homes
            .filter(|home| home.file_name().to_string_lossy().starts_with(id))
            .filter_map(|home| fs::read_dir(home.path().join("workspace")).ok())
            .flatten()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with(".sandboxd-tmp-"))
            .collect()
    }

    /// The lines of the audit log so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.state().join("audit.jsonl")).unwrap();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Bytes of all files below `folder`, each once, however many names it has.
fn size(folder: &Path, seen: &mut HashSet<u64>) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else {
        // Gone since it was listed.
        return 0;
    };
    let mut bytes = 0;
    for entry in entries.map_while(Result::ok) {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            bytes += size(&entry.path(), seen);
        } else if seen.insert(meta.ino()) {
            bytes += meta.len();
        }
    }
    bytes
}

/// Waits until `there` says so.
pub(crate) async fn until(what: &str, mut there: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK);
    within(what, async {
        while !there().await {
            looks.tick().await;
        }
    })
    .await;
}

/// `target`, with calls of these options.
pub(crate) fn with_options(target: &Target, options: &Value) -> Target {
    let mut with = [&target.grpc, &target.rest, &target.runtime].map(Clone::clone);
    for endpoint in &mut with {
        let header = ("mote-call".to_owned(), options.to_string());
        endpoint.headers.push(header);
    }
    let [grpc, rest, runtime] = with;
    Target::new([grpc, rest, runtime], &target.root, ())
}

/// What a `/execute` of `command` answers.
pub(crate) async fn execute(target: &Target, command: &str) -> Value {
    let body = json!({ "command": command });
    let reply = target.runtime().post("/execute", &body).await;
    reply.expect(200).json()
}

/// Runs `code` in a context of the sandbox.
pub(crate) async fn in_context(target: &Target, name: &str, code: &str) -> Value {
    let path = format!("/v1/contexts/{name}/execute");
    let reply = target.rest().post(&path, &json!({ "code": code })).await;
    reply.expect(200).json()
}

/// Connects and sends all of `ask`.
pub(crate) async fn sent(endpoint: &Endpoint, ask: &Ask, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(&endpoint.authority).await.unwrap();
    let head = ask.head(endpoint);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

/// Whoever follows the events of a node.
pub(crate) struct Follower(Lines<BufReader<TcpStream>>);

impl Follower {
    /// Follows from now on.
    pub(crate) async fn new(api: Http, path: &str) -> Self {
        let stream = sent(&api.0, &Ask::new("GET", path), b"").await;
        let mut lines = BufReader::new(stream).lines();
        let first = within("an answer", lines.next_line()).await;
        assert!(first.unwrap().unwrap().contains(" 200 "), "{path}");
        Self(lines)
    }

    /// The next event; `None` once there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        within("an event", async {
            loop {
                let line = self.0.next_line().await.ok()??;
                if let Some(data) = line.strip_prefix("data:") {
                    return Some(serde_json::from_str(data.trim()).unwrap());
                }
            }
        })
        .await
    }

    /// Sandbox and kind of the next event.
    pub(crate) async fn kind(&mut self) -> Option<(String, String)> {
        let event = self.next().await?;
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        Some((text("id"), text("kind")))
    }
}
