//! Programs of other people speak to both kinds of sandbox: Python's gRPC, the
//! published SDK, curl and grpcurl. `scripts/test-clients` gets the first two
//! and the last; curl comes with the machine.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use mote_conformance::{Endpoint, Sandboxd, Target, node, run, within};
use tokio::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where `scripts/test-clients` puts what it gets.
fn clients() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).unwrap();
    [target, target.parent().unwrap()]
        .map(|target| target.join("tools/clients"))
        .into_iter()
        .find(|clients| clients.join("stamp").exists())
        .expect("the clients are missing; to get them: scripts/test-clients")
}

fn python(script: &str) -> Command {
    let clients = clients();
    let mut command = Command::new(clients.join("venv/bin/python"));
    command
        .arg(project().join("tests/clients").join(script))
        .env("PYTHONPATH", clients.join("stubs"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // What is on the machine does not concern loopback.
        .env("no_proxy", "127.0.0.0/8");
    command
}

/// The stdout of a client that ends well.
async fn said(command: &mut Command) -> String {
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("a client", command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

async fn python_grpc(target: &Target) {
    let mut command = python("grpc_client.py");
    command.arg(&target.grpc.authority);
    for (name, value) in &target.grpc.headers {
        command.arg(format!("{name}={value}"));
    }
    said(&mut command).await;
}

async fn curl(endpoint: &Endpoint, path: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--noproxy",
        "*",
    ]);
    for (name, value) in &endpoint.headers {
        command.args(["--header", &format!("{name}: {value}")]);
    }
    command.args(arguments);
    said(command.arg(format!("http://{}{path}", endpoint.authority))).await
}

async fn curl_files(target: &Target) {
    let files = tempfile::tempdir().unwrap();
    let local = files.path().join("local.txt");
    std::fs::write(&local, "from a file\n").unwrap();
    let local = local.to_str().unwrap();
    let rest = &target.rest;
    curl(rest, "/v1/files/put.txt", &["--upload-file", local]).await;
    let form = format!("file=@{local}");
    curl(
        rest,
        "/v1/files/form.txt",
        &["--request", "PUT", "--form", &form],
    )
    .await;
    for name in ["put.txt", "form.txt"] {
        let got = curl(rest, &format!("/v1/files/{name}"), &[]).await;
        assert_eq!(got, "from a file\n");
    }
    let part = curl(rest, "/v1/files/put.txt", &["--range", "5-5"]).await;
    assert_eq!(part, "a");
    let listing = curl(rest, "/v1/files/", &[]).await;
    assert!(listing.contains(r#""name":"form.txt""#), "{listing}");
    curl(rest, "/v1/files/put.txt", &["--request", "DELETE"]).await;

    let body = r#"{"command": "cat form.txt"}"#;
    let arguments = ["--json", body];
    let told = curl(&target.runtime, "/execute", &arguments).await;
    assert!(told.contains(r#""stdout":"from a file\n""#), "{told}");
}

async fn grpcurl(target: &Target) {
    let program = clients().join("bin/grpcurl");
    if !program.exists() {
        println!("left out, as there is no grpcurl: reflection and Execute by grpcurl");
        return;
    }
    let call = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.arg("-plaintext");
        for (name, value) in &target.grpc.headers {
            command.args(["-H", &format!("{name}: {value}")]);
        }
        let (options, what) = arguments.split_at(arguments.len() - 1);
        command.args(options).arg(&target.grpc.authority).args(what);
        command
    };
    let listed = said(&mut call(&["list"])).await;
    assert!(listed.contains("process.v1.ProcessService"), "{listed}");
    let body = r#"{"config": {"command": ["/bin/sh", "-c", "echo hello"]}}"#;
    let method = "process.v1.ProcessService/Execute";
    let told = said(&mut call(&["-d", body, method])).await;
    // Base64 of "hello\n".
    assert!(told.contains("aGVsbG8K"), "{told}");
}

async fn sdk_by_python_runtime(target: &Target) {
    let id = target.runtime.headers.first();
    let id = id.map_or("any", |(_, value)| value);
    let url = format!("http://{}", target.runtime.authority);
    said(python("sdk.py").args(["python-runtime", &url, id])).await;
}

async fn sdk_by_sandboxd(target: &Target) {
    let (address, rest) = target.rest.authority.split_once(':').unwrap();
    let (_, grpc) = target.grpc.authority.split_once(':').unwrap();
    said(python("sdk.py").args(["sandboxd", address, rest, grpc])).await;
}

macro_rules! tests {
    ($($case:ident)*) => {
        mod process {
            $( #[test] fn $case() {
                crate::run(async { crate::$case(&crate::Sandboxd::start().await.target()).await });
            } )*
        }
        mod wasm {
            $( #[test] fn $case() {
                crate::run(async { crate::$case(&crate::node().sandbox().await).await });
            } )*
        }
    };
}

tests! { python_grpc curl_files grpcurl sdk_by_python_runtime }

/// This connection wants two ports of one address: a pod's.
#[test]
fn sdk_by_sandboxd_of_a_process() {
    run(async { sdk_by_sandboxd(&Sandboxd::start().await.target()).await });
}
