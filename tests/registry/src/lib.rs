//! A real registry for the tests: that of the distribution project, which
//! `tests/registry/build` builds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a harness stops the test at what it did not expect"
)]

mod program;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::header::{CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub use program::asks_for_more;

/// The user of a registry that asks for one.
pub const USER: &str = "testuser";
/// Its password.
pub const PASSWORD: &str = "testpassword";
/// The media type of a layer that is a program.
pub const WASM: &str = "application/wasm";

/// The two, as the registry keeps them.
const HTPASSWD: &str = "testuser:$2y$05$8/q2bfRcX74EuxGf0qOcSuhWDQJXrgWiy6Fi73/JM2tKC66qSrLve";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/registry/registry"
);
/// Where each request is written down, in the registry's folder.
const REQUESTS: &str = "requests";

/// A registry, which ends with the test.
pub struct Registry {
    child: Child,
    authority: String,
    locked: bool,
    folder: TempDir,
}

impl Registry {
    /// Starts one at `HOST:PORT` that gives everything to everybody.
    pub fn open(authority: &str) -> Self {
        Self::start(authority, "", false)
    }

    /// Starts one that answers [`USER`] alone.
    pub fn locked(authority: &str) -> Self {
        let auth = "auth: {htpasswd: {realm: test, path: htpasswd}}\n";
        Self::start(authority, auth, true)
    }

    fn start(authority: &str, auth: &str, locked: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: data}}}}\nhttp: {{addr: \"{authority}\"}}\n{auth}"
        );
        std::fs::write(folder.path().join("config.yml"), config).unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let program = Path::new(PROGRAM);
        assert!(program.is_file(), "run tests/registry/build");
        let mut child = Command::new(program.canonicalize().unwrap())
            .args(["serve", "config.yml"])
            .env("OTEL_TRACES_EXPORTER", "none")
            .current_dir(folder.path())
            .stdout(File::create(folder.path().join(REQUESTS)).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = |line: String| line.contains("listening on");
        assert!(
            log.any(|line| line.is_ok_and(listens)),
            "no registry listens at {authority}"
        );
        // It goes on to write there.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            child,
            authority: authority.to_owned(),
            locked,
            folder,
        }
    }

    /// Its `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The reference of an image of it.
    pub fn image(&self, rest: &str) -> String {
        format!("{}/{rest}", self.authority)
    }

    /// How often its log of requests holds this, such as `GET /v2/a/b/`.
    pub fn requests(&self, part: &str) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join(REQUESTS)).unwrap();
        log.lines().filter(|line| line.contains(part)).count()
    }

    /// Pushes an image of one layer of this media type; gives its digest.
    pub async fn push(&self, repository: &str, tag: &str, kind: &str, bytes: &[u8]) -> String {
        let mut layer = self.push_blob(repository, bytes).await;
        layer["mediaType"] = kind.into();
        self.push_manifest(repository, tag, layer).await
    }

    /// Pushes bytes; gives what a manifest says of them.
    pub async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Value {
        let client = reqwest::Client::new();
        let digest = sha(bytes);
        let url = format!("http://{}/v2/{repository}/blobs/uploads/", self.authority);
        let begun = self.request(client.post(url)).send().await.unwrap();
        let place = begun.headers()[LOCATION].to_str().unwrap().to_owned();
        let put = client.put(format!("{place}&digest={digest}"));
        let pushed = self.request(put.body(bytes.to_vec())).send().await.unwrap();
        assert_eq!(pushed.status(), 201);
        json!({ "digest": digest, "size": bytes.len() })
    }

    /// Pushes an image of one layer that is there; gives its digest.
    pub async fn push_manifest(&self, repository: &str, tag: &str, layer: Value) -> String {
        let mut config = self.push_blob(repository, b"{}").await;
        config["mediaType"] = "application/vnd.wasm.config.v0+json".into();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config,
            "layers": [layer],
        });
        let manifest = manifest.to_string().into_bytes();
        let digest = sha(&manifest);
        let url = format!("http://{}/v2/{repository}/manifests/{tag}", self.authority);
        let put = reqwest::Client::new()
            .put(url)
            .header(CONTENT_TYPE, MANIFEST_TYPE);
        let pushed = self.request(put.body(manifest)).send().await.unwrap();
        assert_eq!(pushed.status(), 201);
        digest
    }

    fn request(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        if self.locked {
            request.basic_auth(USER, Some(PASSWORD))
        } else {
            request
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sha(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    let digits = digits.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.collect::<String>())
}
