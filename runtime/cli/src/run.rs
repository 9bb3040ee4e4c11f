//! `mote run`: one session, one invocation.

use std::ffi::OsString;
use std::future::Future;

use mote_api::{End, Outcome};
use mote_host::{Compiler, Host, HostConfig, RunError, Session, Streams};

use crate::args::{PlacesArgs, RunArgs};
use crate::config::Config;
use crate::failure::{Failure, say};
use crate::stop::{self, Stop};
use crate::{json, log, paths, report, streams};

/// Runs the command; gives the exit status.
pub(crate) fn run(args: RunArgs, places: &PlacesArgs) -> Result<u8, Failure> {
    let config = Config::try_from(args).map_err(Failure::Usage)?;
    log::start();
    let runtime = stop::runtime()?;
    let stop = Stop::default();
    let result = runtime.block_on(stop.bound(invoke(&config, places, &stop)));
    // A thread may still wait for our stdin; nothing has to wait for it.
    runtime.shutdown_background();
    result
}

async fn invoke(config: &Config, places: &PlacesArgs, stop: &Stop) -> Result<u8, Failure> {
    let host = Host::open(HostConfig {
        programs: paths::programs(places)?,
        slots: config.limits.processes,
        ..host_config(places)?
    })?;
    let session = host.session(config.grants.clone(), config.limits.clone())?;
    if config.json {
        captured(config, &session, stop).await
    } else {
        passed_through(config, &session, stop).await
    }
}

async fn passed_through(config: &Config, session: &Session, stop: &Stop) -> Result<u8, Failure> {
    let (streams, pumps) = streams::pass_through(config.interactive, stop)?;
    let result = until_stopped(config, session, streams, stop).await;
    let cut_short = matches!(&result, Ok(outcome) if outcome.end == End::Deadline);
    stop.last_output(cut_short, pumps.drained()).await;
    let outcome = result?;
    if let Some(failure @ (Failure::BrokenPipe | Failure::Host(_))) = stop.failure() {
        return Err(failure);
    }
    let hint = report::hint(&outcome, &config.limits);
    let usage = config.usage.then(|| report::usage(&outcome));
    let words = hint.into_iter().chain(usage).collect();
    stop.last_output(cut_short, say_all(words)).await;
    exit_code(&outcome, stop)
}

/// Says lines on stderr, which may block for ever: on a thread of their own.
pub(crate) async fn say_all(lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    let said = tokio::task::spawn_blocking(move || lines.iter().for_each(|line| say(line)));
    // `say` does not panic; if it did, there is nobody to tell.
    let _ = said.await;
}

async fn captured(config: &Config, session: &Session, stop: &Stop) -> Result<u8, Failure> {
    let (streams, kept) = streams::captured(config.interactive)?;
    let outcome = match until_stopped(config, session, streams, stop).await {
        Ok(outcome) => outcome,
        Err(RunError::Rejected(rejection)) => {
            report::print_json(&json::rejection(&rejection))?;
            return Ok(rejection.exit_code());
        }
        Err(error) => return Err(error.into()),
    };
    let kept = kept.map(|kept| kept.take());
    report::print_json(&json::outcome(&outcome, kept)?)?;
    if config.usage {
        say(&report::usage(&outcome));
    }
    exit_code(&outcome, stop)
}

fn until_stopped<'a>(
    config: &'a Config,
    session: &'a Session,
    streams: Streams,
    stop: &Stop,
) -> impl Future<Output = Result<Outcome, RunError>> + 'a {
    let stop = stop.clone();
    let cancel = async move { stop.asked().await };
    session.run_until(&config.invocation, streams, cancel)
}

/// The guest's exit status, or that of the signal that ended the call.
pub(crate) fn exit_code(outcome: &Outcome, stop: &Stop) -> Result<u8, Failure> {
    match stop.failure() {
        Some(failure) => Err(failure),
        None => Ok(outcome.exit_code),
    }
}

/// A host with no programs, which serves to compile.
pub(crate) fn host_config(places: &PlacesArgs) -> Result<HostConfig, Failure> {
    let cache = paths::cache(places)?;
    let mut compiler = Compiler::new(paths::executable()?, Vec::<OsString>::new());
    compiler.args = vec![
        "compile-stdin".into(),
        cache.clone().into_os_string(),
        compiler.memory.as_u64().to_string().into(),
    ];
    Ok(HostConfig {
        cache,
        // Names there are random and folders private, so others of this
        // machine may share it.
        scratch: std::env::temp_dir(),
        compiler,
        programs: Default::default(),
        slots: 1,
    })
}
