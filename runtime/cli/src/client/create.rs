//! `mote create` and `mote fork`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use anyhow::Context;
use mote_api::SandboxSpec;
use mote_api::{Access, Clock, Grant, Grants, GuestPath, Preopen, Random, Sandbox, SandboxId};

use crate::client::api::Api;
use crate::client::args::{CreateArgs, ForkArgs, MadeForm};
use crate::client::parse;
use crate::client::server::{self, Server};
use crate::failure::Failure;
use crate::{config, grants, report, stop};

/// Creates a sandbox.
pub(crate) fn create(args: CreateArgs) -> Result<u8, Failure> {
    let form = args.form;
    let (server, spec) = checked_create(&args).map_err(Failure::Usage)?;
    let made = stop::until_signal(async {
        let made = Api::new(server)?.create(&spec).await;
        made.map_err(|error| error.during(&format!("create {}", name(&spec))))
    })?;
    print(&made, form)
}

/// Creates a sandbox with the files of another.
pub(crate) fn fork(args: ForkArgs) -> Result<u8, Failure> {
    let form = args.form;
    let (server, from, spec) = checked_fork(&args).map_err(Failure::Usage)?;
    let made = stop::until_signal(async {
        let made = Api::new(server)?.fork(&from, &spec).await;
        made.map_err(|error| error.during(&format!("fork {from}")))
    })?;
    print(&made, form)
}

fn name(spec: &SandboxSpec) -> &str {
    spec.id.as_ref().map_or("a sandbox", SandboxId::as_str)
}

fn print(made: &Sandbox, form: MadeForm) -> Result<u8, Failure> {
    match form {
        MadeForm::Name => report::print(format!("{}\n", made.id).as_bytes())?,
        MadeForm::Json => {
            let value = serde_json::to_value(made).context("failed to write JSON")?;
            report::print_json(&value)?;
        }
    }
    Ok(0)
}

fn checked_create(args: &CreateArgs) -> Result<(Server, SandboxSpec), Vec<String>> {
    let mut mistakes = Vec::new();
    let life = parse::life(&args.life, &mut mistakes);
    let spec = SandboxSpec {
        id: args.id.as_ref().and_then(|id| parse::id(id, &mut mistakes)),
        image: args.image.clone(),
        grants: granted(args, &mut mistakes),
        limits: config::named_limits(&args.limits, &mut mistakes),
        env: env(&args.env, &mut mistakes),
        labels: life.labels,
        idle_timeout_seconds: life.idle_timeout_seconds,
        ttl_seconds: life.ttl_seconds,
    };
    let server = server::server(&args.server, &mut mistakes);
    parse::checked(server.map(|server| (server, spec)), mistakes)
}

fn checked_fork(args: &ForkArgs) -> Result<(Server, SandboxId, SandboxSpec), Vec<String>> {
    let mut mistakes = Vec::new();
    let from = parse::id(&args.id, &mut mistakes);
    let life = parse::life(&args.life, &mut mistakes);
    let new = args.new.as_ref();
    let spec = SandboxSpec {
        id: new.and_then(|new| parse::id(new, &mut mistakes)),
        labels: life.labels,
        idle_timeout_seconds: life.idle_timeout_seconds,
        ttl_seconds: life.ttl_seconds,
        ..SandboxSpec::default()
    };
    let server = server::server(&args.server, &mut mistakes);
    let all = server.zip(from).map(|(server, from)| (server, from, spec));
    parse::checked(all, mistakes)
}

/// Environment variables, a later one of a name instead of an earlier one.
pub(crate) fn env(typed: &[OsString], mistakes: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for text in typed {
        match grants::env(text) {
            Ok((name, value)) => drop(found.insert(name, value)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if let Err(error) = Grants::none().with_env(found.clone()) {
        mistakes.push(error.to_string());
    }
    found
}

fn granted(args: &CreateArgs, mistakes: &mut Vec<String>) -> Vec<Grant> {
    let ro = args.ro.iter().map(|text| ("--ro", text, Access::ReadOnly));
    let rw = args.rw.iter().map(|text| ("--rw", text, Access::ReadWrite));
    let mut found: Vec<_> = ro
        .chain(rw)
        .map(|(flag, text, access)| folder(flag, text, access))
        .collect();
    let clock = args.clock.as_deref().map(clock);
    let random = args.random.as_deref().map(random);
    found.extend(clock.into_iter().chain(random));
    let mut kept = Vec::new();
    for grant in found {
        match grant {
            Ok(grant) => kept.push(grant),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if let Err(error) = Grants::of(kept.clone()) {
        mistakes.push(error.to_string());
    }
    kept
}

/// A folder of the server's machine, which need not be this one: whether it is
/// there, the server finds out.
fn folder(flag: &str, text: &OsString, access: Access) -> Result<Grant, String> {
    let wrong = |why: &str| format!("{flag} {}: {why}", text.display());
    let (host, guest) = grants::folder(flag, text)?;
    let guest = guest.ok_or_else(|| {
        wrong(
            "there is no guest path; write HOST:GUEST, as the sandbox has a /workspace of its own",
        )
    })?;
    if [GuestPath::workspace(), GuestPath::tmp()].contains(&guest) {
        return Err(wrong(
            "the sandbox has a folder of its own there; choose another guest path",
        ));
    }
    // The server has another working directory.
    let host = std::path::absolute(&host).map_err(|error| wrong(&error.to_string()))?;
    if host.to_str().is_none() {
        return Err(wrong("it is not UTF-8, as what is sent has to be"));
    }
    Ok(Grant::Preopen(Preopen {
        guest,
        host,
        access,
    }))
}

fn clock(text: &str) -> Result<Grant, String> {
    match text {
        "real" => Ok(Grant::Clock(Clock::Real)),
        _ => grants::clock(text)?
            .ok_or_else(|| "--clock none: a sandbox of a server has a time; fix it".to_owned()),
    }
}

fn random(text: &str) -> Result<Grant, String> {
    match text {
        "real" => Ok(Grant::Random(Random::Real)),
        _ => grants::random(text)?.ok_or_else(|| {
            "--random none: a sandbox of a server has random bytes; give a seed".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use crate::client::Verb;
    use clap::Parser;

    fn spec(line: &[&str]) -> Result<SandboxSpec, Vec<String>> {
        let words = ["mote", "create"].iter().chain(line);
        match Args::try_parse_from(words).unwrap().command {
            Command::Client(Verb::Create(args)) => checked_create(&args).map(|(_, spec)| spec),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_said_is_nothing_asked() {
        assert_eq!(spec(&[]), Ok(SandboxSpec::default()));
    }

    #[test]
    fn what_is_typed_is_what_is_asked() {
        let asked = spec(&[
            "work",
            "--ro",
            "/srv:/data",
            "-e",
            "A=1",
            "-e",
            "A=2",
            "--clock",
            "60",
            "--memory",
            "64Mi",
            "-l",
            "a=b",
            "--ttl",
            "1h",
            "--image",
            "mote.dev/base",
        ])
        .unwrap();
        let json = serde_json::to_string(&asked).unwrap();
        assert_eq!(
            json,
            r#"{"id":"work","image":"mote.dev/base","grants":[{"preopen":{"guest":"/data","host":"/srv","access":"read-only"}},{"clock":{"fixed":60}}],"limits":{"memory":"64Mi"},"env":{"A":"2"},"labels":{"a":"b"},"ttl_seconds":3600}"#
        );
    }

    #[test]
    fn a_folder_of_here_is_named_in_full() {
        let asked = spec(&["--rw", "a:/a"]).unwrap();
        let Grant::Preopen(preopen) = &asked.grants[0] else {
            panic!("{asked:?}")
        };
        assert!(preopen.host.is_absolute() && preopen.host.ends_with("a"));
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let mistakes = spec(&[
            "Work", "--ro", "/srv", "--rw", "/a:/tmp", "--clock", "none", "--random", "none", "-e",
            "=", "--memory", "1", "-l", "x", "--ttl", "0", "--server", "x",
        ])
        .unwrap_err();
        let starts = [
            "-l x",
            "--ttl 0",
            "\"Work\"",
            "--ro /srv",
            "--rw /a:/tmp",
            "--clock none",
            "--random none",
            "--memory 1",
            "environment variable",
            "--server x",
        ];
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
        for (mistake, start) in mistakes.iter().zip(starts) {
            assert!(mistake.starts_with(start), "{mistake}");
        }
    }
}
