//! The controller's process; what it does is in the library.

use std::path::Path;
use std::process::ExitCode;

use mote_controller::crd;
use mote_controller::process::flags::{Command, help, read};
use mote_controller::process::run;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match read(std::env::args().skip(1)) {
        Ok(Command::Run(options)) => run(*options).await,
        Ok(Command::Crds(folder)) => write_crds(&folder),
        Ok(Command::Help) => say(&help()),
        Ok(Command::Version) => say(&format!("mote-controller {}\n", env!("CARGO_PKG_VERSION"))),
        Err(errors) => {
            errors
                .iter()
                .for_each(|error| eprintln!("mote-controller: {error}"));
            eprintln!("mote-controller --help lists the flags");
            return ExitCode::from(2);
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
