//! A sandbox of processes in a folder of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::{Extension, Router};
use http::{HeaderMap, Request, StatusCode};
use mote_sandboxd::ProcessBackend;
use mote_surface::{rest, runtime};
use serde_json::Value;
use tower::util::ServiceExt;

/// No test takes longer, unless something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Sandbox {
    /// Nobody else's: what is found beside the workspace came out of it.
    around: tempfile::TempDir,
    root: PathBuf,
    pub(crate) backend: ProcessBackend,
    rest: Router,
    runtime: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// Null where there is nothing.
    pub(crate) fn json(&self) -> Value {
        match self.body.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&self.body).unwrap(),
        }
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("workspace");
        std::fs::create_dir(&root).unwrap();
        let backend = ProcessBackend::open(&root, 4096, "SANDBOX_").unwrap();
        let here = Extension(backend.clone());
        Self {
            around,
            root,
            backend,
            rest: rest::router::<ProcessBackend>().layer(here.clone()),
            runtime: runtime::router::<ProcessBackend>().layer(here),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    /// A path outside, in the folder that the workspace is in.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.around.path().join(name)
    }

    /// Asks sandboxd's REST.
    pub(crate) async fn rest(&self, request: Request<Body>) -> Answer {
        answer(&self.rest, request).await
    }

    /// Asks the python-runtime API.
    pub(crate) async fn runtime(&self, request: Request<Body>) -> Answer {
        answer(&self.runtime, request).await
    }
}

async fn answer(router: &Router, request: Request<Body>) -> Answer {
    let answered = router.clone().oneshot(request);
    let response = tokio::time::timeout(PATIENCE, answered);
    let response = response.await.expect("an answer in time").unwrap();
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.into()).unwrap(),
    }
}
