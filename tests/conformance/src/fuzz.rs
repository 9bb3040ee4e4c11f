//! What reads bytes from outside, as functions of bytes: `tests/fuzz` looks
//! for bytes that break them, and `tests/corpus` replays those it kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, str};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use http::{HeaderValue, StatusCode};
use mote_surface::{
    Backend, Command, Files, Running, StartError, State, TraceParent, Unavailable, Unlimited, rest,
    runtime,
};
use tempfile::TempDir;
use tower::ServiceExt;

/// A parser's name and how to feed it. It panics where a claim is broken.
pub type Parser = (&'static str, fn(&[u8]));

/// All of them but the terminal's line discipline, which needs the node.
pub const PARSERS: [Parser; 8] = [
    ("path", path),
    ("range", range),
    ("uri", uri),
    ("traceparent", traceparent),
    ("call", call),
    ("archive", archive),
    ("form", form),
    ("frames", mote_surface::fuzzing::frames),
];

/// More than any answer here has.
const ANSWER_BYTES: usize = 1 << 24;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// For parsers that change nothing.
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// A sandbox of files alone, and a folder around it that must not change.
struct World {
    around: TempDir,
    sandbox: Sandbox,
}

#[derive(Clone)]
struct Sandbox {
    files: Files,
    state: Arc<State>,
}

impl Backend for Sandbox {
    fn start(&self, command: Command) -> impl Future<Output = Result<Running, StartError>> + Send {
        let name = command.argv.into_iter().next().unwrap_or_default();
        std::future::ready(Err(StartError::NotFound(name)))
    }

    fn files(&self) -> impl Future<Output = Result<Files, Unavailable>> + Send {
        std::future::ready(Ok(self.files.clone()))
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn health(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(1)
    }
}

impl World {
    /// Folders, files, and links that stay, leave, dangle and go in circles.
    fn new() -> Self {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/f"), "0123456789").unwrap();
        fs::write(root.join("f"), "0123456789").unwrap();
        for (name, target) in [
            ("in", "a/b"),
            ("absolute", "/workspace/a"),
            ("out", "/etc"),
            ("up", "../.."),
            ("dangling", "nothing"),
            ("circle", "circle"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        let dir = Dir::open_ambient_dir(&root, ambient_authority()).unwrap();
        let files = Files::new(Arc::new(dir), "/workspace", Arc::new(Unlimited));
        let state = Arc::default();
        let sandbox = Sandbox { files, state };
        Self { around, sandbox }
    }

    /// The answer to a request; its body is read to the end.
    fn ask(&self, router: Router, mut request: Request) -> (StatusCode, usize) {
        request.extensions_mut().insert(self.sandbox.clone());
        let answer = async {
            let answer = router.oneshot(request).await.unwrap();
            let status = answer.status();
            let body = to_bytes(answer.into_body(), ANSWER_BYTES).await;
            (status, body.map_or(0, |body| body.len()))
        };
        RUNTIME.with(|runtime| runtime.block_on(answer))
    }

    /// Holds it to have changed nothing around the sandbox.
    fn nothing_escaped(&self) {
        let names = fs::read_dir(self.around.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["root"]);
    }
}

fn of(method: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri)
}

/// A user's path leads below the root or nowhere.
pub fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    WORLD.with_borrow(|world| {
        let Ok(path) = world.sandbox.files.resolve(&text) else {
            return;
        };
        let normal = |part| matches!(part, Component::Normal(_));
        assert!(path.components().all(normal), "{text:?}: {path:?}");
    });
}

/// The `Range` header of a download.
pub fn range(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let request = of("GET", "/v1/files/f").header("range", value);
    let request = request.body(Body::empty()).unwrap();
    let (status, _) = WORLD.with_borrow(|world| world.ask(rest::router::<Sandbox>(), request));
    assert!([200, 206, 416].contains(&status.as_u16()), "{status}");
}

/// The path and query of a download.
pub fn uri(bytes: &[u8]) {
    let target = [b"/v1/files/", bytes].concat();
    let Ok(target) = http::Uri::try_from(target) else {
        return;
    };
    let request = Request::get(target).body(Body::empty()).unwrap();
    WORLD.with_borrow(|world| world.ask(rest::router::<Sandbox>(), request));
}

/// The `traceparent` header: what is read is what was written.
pub fn traceparent(bytes: &[u8]) {
    let Some(parent) = str::from_utf8(bytes)
        .ok()
        .and_then(|text| text.parse::<TraceParent>().ok())
    else {
        return;
    };
    assert_eq!(parent.to_string().parse(), Ok(parent));
}

/// The `mote-call` header of a command.
pub fn call(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else {
        return;
    };
    let request = of("POST", "/execute").header("mote-call", value);
    let request = request.header("content-type", "application/json");
    let request = request.body(Body::from(r#"{"command": "x"}"#)).unwrap();
    let (status, _) = WORLD.with_borrow(|world| world.ask(runtime::router::<Sandbox>(), request));
    assert!(!status.is_server_error(), "{status}");
}

/// An archive that is unpacked into a folder.
pub fn archive(bytes: &[u8]) {
    let world = World::new();
    let _ = world.sandbox.files.unpack("a", bytes);
    world.nothing_escaped();
    untouched(&world.around.path().join("root"));
}

/// What lies beside the folder that was unpacked into.
fn untouched(root: &Path) {
    assert_eq!(fs::read(root.join("f")).unwrap(), b"0123456789");
    let names = fs::read_dir(root).unwrap().count();
    assert_eq!(names, 8, "more or less than was there");
}

/// A form with a file, for both surfaces that take one.
pub fn form(bytes: &[u8]) {
    let world = World::new();
    let asks = [
        (rest::router::<Sandbox>(), "PUT", "/v1/files/new"),
        (runtime::router::<Sandbox>(), "POST", "/upload"),
    ];
    for (router, method, uri) in asks {
        let request = of(method, uri).header("content-type", "multipart/form-data; boundary=b");
        let request = request.body(Body::from(bytes.to_vec())).unwrap();
        world.ask(router, request);
    }
    world.nothing_escaped();
}
