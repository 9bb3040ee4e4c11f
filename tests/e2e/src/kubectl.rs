//! `kubectl`, as a person uses it, and what only our own cluster can do.

use std::process::{Command, Output};

/// Runs it and gives back what it printed.
pub fn kubectl(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "kubectl {}: {err}{out}",
        arguments.join(" ")
    );
    out.into_owned()
}

/// Runs what must fail and gives back what it complained of.
pub fn kubectl_fails(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(
        !output.status.success(),
        "kubectl {} went through",
        arguments.join(" ")
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Kills a component of our own cluster with SIGKILL; what minds it starts it
/// again. `false` where the cluster is someone else's.
pub fn crash(component: &str) -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../cluster/crash");
    let status = Command::new(script)
        .arg(component)
        .status()
        .expect("the cluster's scripts");
    status.success()
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new("kubectl")
        .args(arguments)
        .output()
        .expect("kubectl in PATH")
}
