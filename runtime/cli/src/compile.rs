//! `mote compile`, and the compiler process.

use std::path::Path;
use std::time::Instant;

use mote_api::ByteSize;
use mote_client::text;
use mote_host::Host;

use crate::args::{CompileArgs, PlacesArgs};
use crate::failure::{self, Failure};
use crate::{log, paths, report, run, stop};

/// Compiles files into the cache, a line for each; all are tried.
pub(crate) fn compile(args: &CompileArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    log::start();
    stop::until_signal(async {
        let host = Host::open(run::host_config(places)?)?;
        let mut problems = Vec::new();
        for file in &args.files {
            problems.extend(compile_file(&host, file).await?);
        }
        match problems.as_slice() {
            [] => Ok(0),
            _ => Err(Failure::Files(problems)),
        }
    })
}

/// What is wrong with the file, if anything is.
async fn compile_file(host: &Host, file: &Path) -> Result<Option<String>, Failure> {
    if let Err(problem) = paths::check_file(file) {
        return Ok(Some(problem));
    }
    let start = Instant::now();
    match host.prepare_file(file).await {
        Ok(component) => {
            let digest = component.manifest().digest;
            let took = text::time(start.elapsed());
            report::print(format!("{digest}  {took:>7}  {}\n", file.display()).as_bytes())?;
            Ok(None)
        }
        Err(error) => failure::of_file(file, error).map(Some),
    }
}

/// The compiler process itself.
pub(crate) fn compile_stdin(cache: &Path, memory: u64) -> Result<u8, Failure> {
    mote_host::compile_stdin(cache, ByteSize::bytes(memory))?;
    Ok(0)
}
