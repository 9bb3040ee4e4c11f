//! Compiles the protocol's `.proto` without a `protoc` on the machine, and
//! keeps its descriptors for server reflection.

use std::path::PathBuf;

use prost::Message;

const PROTO: &str = "process/v1/process.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile([PROTO], ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("process.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
