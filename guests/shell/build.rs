//! Gives the component the stack its interpreter needs.

/// Shadow stack of the component: what a script may nest (`limits.rs`) with
/// room to spare. Untouched pages of it cost nothing.
const SHADOW_STACK_BYTES: usize = 8 << 20;

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        println!("cargo::rustc-link-arg-bins=-zstack-size={SHADOW_STACK_BYTES}");
    }
}
