//! `kubectl`, as a person uses it.

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

fn run(arguments: &[&str]) -> Output {
    Command::new("kubectl")
        .args(arguments)
        .output()
        .expect("kubectl in PATH")
}
