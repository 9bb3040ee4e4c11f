//! Calls into sandboxes, as anyone on the cluster's network makes them.

use std::process::Command;

use serde_json::{Value, json};

/// What a call over python-runtime's HTTP prints.
///
/// # Errors
/// What went wrong, where there was no answer.
pub fn execute(address: &str, line: &str) -> Result<String, String> {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--fail-with-body",
        ])
        .args(["--json", &json!({ "command": line }).to_string()])
        .arg(format!("http://{address}:8888/execute"))
        .output()
        .expect("curl");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Ok(answer["stdout"].as_str().unwrap_or_default().to_owned())
}
