//! The shell of a Mote sandbox: bash grammar and its commands in one component.

mod commands;
mod files;
mod invocation;
mod limits;
mod process;
mod programs;
mod reactor;
mod shell;
mod streams;
mod terminal;

/// The imports.
mod bindings {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../runtime/wit",
        inline: "
            package mote:shell;
            world shell {
                import mote:sandbox/process@0.1.0;
                import mote:sandbox/terminal@0.1.0;
                import wasi:cli/environment@0.2.12;
                import wasi:cli/exit@0.2.12;
                import wasi:cli/stdin@0.2.12;
                import wasi:cli/stdout@0.2.12;
                import wasi:cli/stderr@0.2.12;
                import wasi:cli/terminal-stdin@0.2.12;
                import wasi:cli/terminal-stdout@0.2.12;
                import wasi:cli/terminal-stderr@0.2.12;
                import wasi:clocks/monotonic-clock@0.2.12;
                import wasi:filesystem/preopens@0.2.12;
                import wasi:filesystem/types@0.2.12;
                import wasi:io/poll@0.2.12;
                import wasi:io/streams@0.2.12;
                import wasi:random/random@0.2.12;
            }
        ",
        world: "mote:shell/shell",
        features: ["cli-exit-with-code"],
        generate_all,
    });
}

fn main() {
    bindings::wasi::cli::exit::exit_with_code(shell::run());
}
