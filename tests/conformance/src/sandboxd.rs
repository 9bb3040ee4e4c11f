//! `mote-sandboxd`, one for each test.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::deadline::within;
use crate::server::{Server, binary};
use crate::target::{Endpoint, Target};

/// How often a port is tried until it answers.
const KNOCK: Duration = Duration::from_millis(5);

/// A running `mote-sandboxd`.
pub struct Sandboxd {
    address: Ipv4Addr,
    root: PathBuf,
    /// The root, if it is to go with the daemon.
    _scratch: Option<TempDir>,
    server: Server,
}

impl Sandboxd {
    /// Starts one on an empty root and waits until it listens.
    pub async fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let daemon = Self::start_on(scratch.path()).await;
        Self {
            _scratch: Some(scratch),
            ..daemon
        }
    }

    /// The same on a root that stays.
    pub async fn start_on(root: &Path) -> Self {
        let address = own_address();
        let root = root.canonicalize().unwrap();
        let mut command = Command::new(binary("mote-sandboxd"));
        command
            .arg(format!("--listen-host={address}"))
            .arg(format!("--root-dir={}", root.display()))
            .env("SANDBOX_BASE_DIR", &root)
            .env("SANDBOX_NAME", "conformance")
            .env("SANDBOX_API_TOKEN", "hidden")
            .env("OTHER_NAME", "hidden")
            .env("RUST_LOG", "warn");
        let server = Server::start(&mut command);
        for port in [GRPC, REST, RUNTIME] {
            within("mote-sandboxd", listening(address, port)).await;
        }
        Self {
            address,
            root,
            _scratch: None,
            server,
        }
    }

    /// Ends it as nothing that it could prepare for.
    pub fn kill(self) {
        drop(self.server);
    }

    /// Its REST surface.
    pub fn rest(&self) -> Endpoint {
        Endpoint::plain(&format!("{}:{REST}", self.address))
    }

    /// It, as a target.
    pub fn target(self) -> Target {
        let endpoint = |port| Endpoint::plain(&format!("{}:{port}", self.address));
        let root = self.root.to_str().unwrap().to_owned();
        let surfaces = [endpoint(GRPC), endpoint(REST), endpoint(RUNTIME)];
        Target::new(surfaces, &root, self)
    }
}

const GRPC: u16 = 9090;
const REST: u16 = 8080;
const RUNTIME: u16 = 8888;

/// A loopback address of its own, so that the daemon can have its usual ports:
/// by this process and by how many came before.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    // Neither 127.0.0.1 nor a broadcast address.
    Ipv4Addr::new(127, high | 1, low, 2 + NEXT.fetch_add(1, Relaxed) % 253)
}

async fn listening(address: Ipv4Addr, port: u16) {
    let mut knock = tokio::time::interval(KNOCK);
    while TcpStream::connect((address, port)).await.is_err() {
        knock.tick().await;
    }
}
