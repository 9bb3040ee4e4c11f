//! From the words of the command line to the exit status.

use std::path::Path;
use std::process::ExitCode;

use super::flags::{Command, help, read};
use super::{node_address, run};
use crate::crd;

/// The exit status of a command line that cannot be understood.
const USAGE: u8 = 2;

/// Does what the words of this process ask for. Everything asynchronous is
/// polled in here: whatever crate does that compiles all of it.
pub fn main() -> ExitCode {
    let done = match read(std::env::args().skip(1)) {
        Ok(Command::Run(options)) => block_on(run(*options)),
        Ok(Command::NodeAddress(told)) => block_on(node_address::run(told)),
        Ok(Command::Crds(folder)) => write_crds(&folder),
        Ok(Command::Help) => say(&help()),
        Ok(Command::Version) => say(&format!("mote-controller {}\n", env!("CARGO_PKG_VERSION"))),
        Err(errors) => {
            errors
                .iter()
                .for_each(|error| eprintln!("mote-controller: {error}"));
            eprintln!("mote-controller --help lists the flags");
            return ExitCode::from(USAGE);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mote-controller: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().build()?.block_on(work)
}

fn say(text: &str) -> anyhow::Result<()> {
    print!("{text}");
    Ok(())
}

fn write_crds(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in crd::generate()? {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
