//! The published Python SDK, unchanged.

use std::process::Command;

/// What the published SDK prints in one of the modes of `sdk.py`.
pub fn sdk(mode: &str, namespace: &str, pool: &str) -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new(format!("{root}/target/tools/clients/venv/bin/python"))
        .arg(format!("{root}/tests/clients/sdk.py"))
        .args([mode, namespace, pool])
        .output()
        .expect("Python with the SDK; scripts/test-clients brings it");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    out.lines().map(str::to_owned).collect()
}
