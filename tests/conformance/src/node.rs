//! `mote serve`: one for all tests of a file, a sandbox for each.

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::http::{Http, Reply};
use crate::server::binary;
use crate::target::{Endpoint, Target};

/// Runs the server given as arguments until this process closes our end of
/// its stdin, as it does at the latest when it ends: a static has no end of
/// its own. Then removes the state, if it is not to be kept.
const KEEPER: &str =
    r#""$@" & echo "$!"; read -r _; kill "$!"; wait "$!"; ${SCRATCH:+rm -rf "$SCRATCH"}"#;

/// A running `mote serve`.
#[derive(Debug)]
pub struct Node {
    authority: String,
    pid: String,
    keeper: Child,
    stdin: Option<ChildStdin>,
    /// Held open, so that the server may say more than the test hears.
    _stdout: Lines<BufReader<ChildStdout>>,
}

/// The node that all tests of this process share.
pub fn node() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(Node::start)
}

impl Node {
    /// Starts one with a state folder of its own.
    pub fn start() -> Self {
        let state = tempfile::tempdir().unwrap().keep();
        Self::spawn(Command::new("sh").env("SCRATCH", &state), &state, &[])
    }

    /// Starts one on a state folder, with more flags, and waits until it
    /// listens: on a port of 127.0.0.1, unless the flags say where.
    pub fn start_on(state: &Path, flags: &[&str]) -> Self {
        Self::spawn(&mut Command::new("sh"), state, flags)
    }

    fn spawn(command: &mut Command, state: &Path, flags: &[&str]) -> Self {
        let own = ["--listen", "127.0.0.1:0"];
        let listen: &[&str] = if flags.contains(&own[0]) { &[] } else { &own };
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(binary("mote"))
            .args(["serve", "--state"])
            .arg(state)
            .args(listen)
            .args(flags)
            .env("RUST_LOG", "warn");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap();
        let stdin = keeper.stdin.take();
        let mut stdout = BufReader::new(keeper.stdout.take().unwrap()).lines();
        let pid = stdout.next().unwrap().unwrap();
        let authority = stdout
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned()))
            .expect("mote serve ended before it listened; its error is above");
        Self {
            authority: authority.trim_end_matches('/').to_owned(),
            pid,
            keeper,
            stdin,
            _stdout: stdout,
        }
    }

    /// Ends it as nothing that it could prepare for.
    pub fn kill(self) {
        let mut kill = Command::new("sh");
        let killed = kill
            .args(["-c", "kill -9 \"$1\"", "kill", &self.pid])
            .status();
        assert!(killed.unwrap().success());
    }

    /// Ends it as whoever stops a service does, and waits for its end.
    pub fn stop(self) {
        drop(self);
    }

    /// Address and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Its own REST interface.
    pub fn api(&self) -> Http {
        Http(Endpoint::plain(&self.authority))
    }

    /// Creates a sandbox as `spec` says; its name.
    pub async fn create(&self, spec: &Value) -> String {
        let reply = self.api().post("/v1/sandboxes", spec).await.expect(201);
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// `POST /v1/sandboxes/ID/VERB`.
    pub async fn order(&self, id: &str, verb: &str) -> Reply {
        let target = format!("/v1/sandboxes/{id}/{verb}");
        self.api().post(&target, &json!({})).await
    }

    /// Deletes a sandbox.
    pub async fn delete(&self, id: &str) -> Reply {
        self.api().delete(&format!("/v1/sandboxes/{id}")).await
    }

    /// The sandbox of this name, as a target, whether it is there or not.
    pub fn target(&self, id: &str) -> Target {
        let endpoint = |port| Endpoint::shared(&self.authority, id, port);
        Target::new(
            [endpoint(9090), endpoint(8080), endpoint(8888)],
            "/workspace",
            (),
        )
    }

    /// A new sandbox as a target.
    pub async fn sandbox(&self) -> Target {
        let env = json!({
            "SANDBOX_NAME": "conformance",
            "SANDBOX_API_TOKEN": "hidden",
            "OTHER_NAME": "hidden",
        });
        self.target(&self.create(&json!({ "env": env })).await)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.keeper.wait();
    }
}
