//! JavaScript for a Mote sandbox: the component `js`, also run as `node`.
//!
//! ```text
//!   main ── engine: QuickJS-NG, its stack and promise hooks
//!             ├─ library: src/lib/*.js as bytecode, loaded when first required
//!             │    internal/main parses the command line and runs the program
//!             ├─ modules: hands import to the library's resolver and loader
//!             └─ native: what JavaScript cannot do itself: files, clocks, bytes
//! ```
//!
//! What a program sees of Node.js is JavaScript, one file per module, in
//! `src/lib`; Rust holds only what needs the outside or must be fast.
//!
//! Why QuickJS-NG: a fresh instance of this component runs `node -e 0` in well
//! under a millisecond and a few hundred kilobytes. StarlingMonkey is ten times
//! the size and memory, boa starts slower and runs slower, and a prebuilt
//! QuickJS has no door for native functions; the figures are in the README.

mod engine;
mod library;
mod modules;
mod native;
mod script;

/// The imports beyond what the standard library uses.
mod bindings {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../runtime/wit",
        inline: "
            package mote:js;
            world js {
                import mote:sandbox/process@0.1.0;
                import wasi:cli/environment@0.2.12;
                import wasi:cli/exit@0.2.12;
                import wasi:cli/stdin@0.2.12;
                import wasi:cli/terminal-stdin@0.2.12;
                import wasi:cli/terminal-stdout@0.2.12;
                import wasi:cli/terminal-stderr@0.2.12;
                import wasi:clocks/monotonic-clock@0.2.12;
                import wasi:io/poll@0.2.12;
                import wasi:random/random@0.2.12;
            }
        ",
        world: "mote:js/js",
        generate_all,
    });
}

/// Status of a program that could not even be started: a fault of this
/// component, not of the program (`EX_SOFTWARE` of sysexits).
const FAULT_STATUS: u8 = 70;

fn main() {
    // The library ends the process itself, by `native.exit`.
    if let Err(fault) = engine::run() {
        eprintln!("js: {fault}");
    }
    bindings::wasi::cli::exit::exit_with_code(FAULT_STATUS);
}
