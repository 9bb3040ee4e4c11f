//! What is judged, and where it listens.

use std::env;

use crate::grpc::{self, Client, Ended};
use crate::http::Http;
use crate::started::Started;
use mote_surface::proto::{ExecuteResponse, ProcessConfig, StartRequest};
use tonic::Status;

/// Where one surface listens.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address and port.
    pub authority: String,
    /// Headers that choose the sandbox, in lower case.
    pub headers: Vec<(String, String)>,
}

/// A sandbox under test: its three surfaces, and what keeps it running.
pub struct Target {
    /// `process.v1`.
    pub grpc: Endpoint,
    /// sandboxd's REST.
    pub rest: Endpoint,
    /// python-runtime's HTTP.
    pub runtime: Endpoint,
    /// Where its programs see the root of its files.
    pub root: String,
    keep: Option<Box<dyn Send + Sync>>,
}

impl Endpoint {
    /// An address that is all one sandbox's.
    pub fn plain(authority: &str) -> Self {
        let authority = authority
            .trim_start_matches("http://")
            .trim_end_matches('/');
        Self {
            authority: authority.to_owned(),
            headers: Vec::new(),
        }
    }

    /// Sandbox `id`'s `port` behind an address that many share.
    pub fn shared(authority: &str, id: &str, port: u16) -> Self {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            authority: authority.to_owned(),
            headers: vec![
                header("x-sandbox-id", id),
                header("x-sandbox-port", &port.to_string()),
            ],
        }
    }
}

impl Target {
    /// A target that runs at least as long as `keep` lives.
    pub fn new(surfaces: [Endpoint; 3], root: &str, keep: impl Send + Sync + 'static) -> Self {
        let [grpc, rest, runtime] = surfaces;
        Self {
            grpc,
            rest,
            runtime,
            root: root.to_owned(),
            keep: Some(Box::new(keep)),
        }
    }

    /// What the environment names, if it names anything.
    ///
    /// # Panics
    /// It names some and not all.
    pub fn named() -> Option<Self> {
        let var = |name: &str| env::var(format!("MOTE_CONFORMANCE_{name}")).ok();
        let grpc = var("GRPC")?;
        let of = |name| var(name).unwrap_or_else(|| panic!("set MOTE_CONFORMANCE_{name} as well"));
        Some(Self {
            grpc: Endpoint::plain(&grpc),
            rest: Endpoint::plain(&of("REST")),
            runtime: Endpoint::plain(&of("RUNTIME")),
            root: of("ROOT"),
            keep: None,
        })
    }

    /// Whether it was started for this test alone.
    pub fn fresh(&self) -> bool {
        self.keep.is_some()
    }

    /// A client of its REST surface.
    pub fn rest(&self) -> Http {
        Http(self.rest.clone())
    }

    /// A client of its python-runtime surface.
    pub fn runtime(&self) -> Http {
        Http(self.runtime.clone())
    }

    /// A client of its process service.
    pub async fn grpc(&self) -> Client {
        grpc::connect(&self.grpc).await
    }

    /// Runs a program to its end.
    pub async fn execute(&self, config: ProcessConfig) -> Result<ExecuteResponse, Status> {
        grpc::execute(&mut self.grpc().await, config).await
    }

    /// Runs a line of shell to its end.
    pub async fn sh(&self, line: &str) -> Ended {
        self.execute(grpc::sh(line)).await.unwrap().into()
    }

    /// Starts a program.
    pub async fn start(&self, request: StartRequest) -> Result<Started, Status> {
        Started::new(self.grpc().await, request).await
    }

    /// Starts a line of shell.
    pub async fn start_sh(&self, line: &str) -> Started {
        let request = StartRequest {
            config: Some(grpc::sh(line)),
            pty: None,
        };
        self.start(request).await.unwrap()
    }

    /// Writes a file.
    pub async fn file(&self, path: &str, content: impl Into<Vec<u8>>) {
        let target = format!("/v1/files/{path}");
        self.rest().put(&target, content).await.expect(204);
    }
}
