//! What the probes share: the raw imports, and one way to report.
//!
//! A probe tries one thing that a sandbox has to bound or refuse. It prints
//! one line and exits with 0 if it succeeded ("did: …") and with 1 if it was
//! refused ("denied: …"). It checks nothing: its test does.

// Built as a WASI 0.1 module too, which has none of these imports.
#[cfg(target_env = "p2")]
pub mod child;
#[cfg(target_env = "p2")]
pub mod files;

use std::fmt::Display;
use std::process::ExitCode;
use std::str::FromStr;

/// The imports, as the host sees them called: no C library in between.
#[cfg(target_env = "p2")]
pub mod bindings {
    #![allow(missing_docs, clippy::all, reason = "generated")]
    wit_bindgen::generate!({
        path: "../../runtime/wit",
        inline: "
            package mote:probes;
            world probes {
                import mote:sandbox/process@0.1.0;
                include wasi:cli/imports@0.2.12;
            }
        ",
        world: "mote:probes/probes",
        features: ["cli-exit-with-code"],
        generate_all,
    });
}

/// Prints what became of an attempt, as the exit status says it too.
pub fn report<T: Display, E: Display>(attempt: Result<T, E>) -> ExitCode {
    match attempt {
        Ok(what) => {
            println!("did: {what}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("denied: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The argument at `index`, counted from 1.
///
/// # Panics
/// There is no such argument, or it does not parse: the test is wrong.
pub fn argument<T: FromStr>(index: usize) -> T {
    let text = std::env::args().nth(index);
    let parsed = text.as_deref().and_then(|text| text.parse().ok());
    parsed.unwrap_or_else(|| panic!("argument {index} cannot be {text:?}"))
}
