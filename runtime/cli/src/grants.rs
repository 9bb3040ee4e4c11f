//! What the grant options say: folders, environment, time, random bytes.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use mote_api::{Access, Clock, Grant, GuestPath, Preopen, Random};

use crate::args::RunArgs;
use crate::paths;

/// The environment of every guest. Nothing else of the caller's own goes in.
const ENV: [(&str, &str); 5] = [
    ("HOME", "/workspace"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/bin:/usr/bin"),
    ("TZ", "UTC"),
    ("USER", "user"),
];

/// All grants the options ask for; what is wrong goes to `mistakes`.
pub(crate) fn grants(args: &RunArgs, mistakes: &mut Vec<String>) -> Vec<Grant> {
    let ro = args.ro.iter().map(|text| ("--ro", text, Access::ReadOnly));
    let rw = args.rw.iter().map(|text| ("--rw", text, Access::ReadWrite));
    let mut found: Vec<_> = ro
        .chain(rw)
        .map(|(flag, text, access)| preopen(flag, text, access))
        .collect();
    if found.is_empty() && !args.empty {
        found.push(Ok(current_folder()));
    }
    found.extend(ENV.map(|(name, value)| Ok(variable(name, value))));
    let typed = args.env.iter().map(|text| env(text));
    found.extend(typed.map(|pair| pair.map(|(name, value)| variable(&name, &value))));
    found.extend(clock(&args.clock).transpose());
    found.extend(random(&args.random).transpose());
    found
        .into_iter()
        .filter_map(|grant| grant.map_err(|mistake| mistakes.push(mistake)).ok())
        .collect()
}

fn current_folder() -> Grant {
    Grant::Preopen(Preopen {
        guest: GuestPath::workspace(),
        host: PathBuf::from("."),
        access: Access::ReadOnly,
    })
}

/// `HOST:GUEST`, or `HOST` alone for the workspace; the folder is there.
fn preopen(flag: &str, text: &OsStr, access: Access) -> Result<Grant, String> {
    let wrong = |why: String| format!("{flag} {}: {why}", text.display());
    let (host, guest) = folder(flag, text)?;
    // Links that the person named are followed now, and none later.
    let host = host
        .canonicalize()
        .map_err(|error| wrong(paths::reason(&error)))?;
    match host.metadata() {
        Ok(meta) if meta.is_dir() => Ok(Grant::Preopen(Preopen {
            guest: guest.unwrap_or_else(GuestPath::workspace),
            host,
            access,
        })),
        Ok(_) => Err(wrong(
            "is not a directory; grant the one it is in".to_owned(),
        )),
        Err(error) => Err(wrong(paths::reason(&error))),
    }
}

/// `HOST:GUEST` or `HOST`. The last colon counts, so that a folder with colons
/// in its name can be granted.
pub(crate) fn folder(flag: &str, text: &OsStr) -> Result<(PathBuf, Option<GuestPath>), String> {
    let wrong = |why: String| format!("{flag} {}: {why}", text.display());
    let bytes = text.as_bytes();
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    let (host, guest) = match colon.and_then(|at| Some((bytes.get(..at)?, bytes.get(at + 1..)?))) {
        None => (text, None),
        Some((host, guest)) => {
            let guest = std::str::from_utf8(guest)
                .map_err(|_| wrong("the guest path is not UTF-8; choose another".to_owned()))?;
            let guest = guest.parse().map_err(|error| wrong(format!("{error}")))?;
            (OsStr::from_bytes(host), Some(guest))
        }
    };
    if host.is_empty() {
        return Err(wrong(
            "there is no host folder before the colon; write HOST:GUEST".to_owned(),
        ));
    }
    Ok((PathBuf::from(host), guest))
}

/// `NAME=VALUE`, or `NAME` for what it is here.
pub(crate) fn env(text: &OsStr) -> Result<(String, String), String> {
    let wrong = |why: &str| format!("-e {}: {why}", text.display());
    let not_text = "it is not UTF-8; a guest's environment is text";
    let typed = text.to_str().ok_or_else(|| wrong(not_text))?;
    if let Some((name, value)) = typed.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    let value = env::var_os(typed)
        .ok_or_else(|| wrong("it is not set here; write NAME=VALUE, or leave it out"))?;
    let value = value.to_str().ok_or_else(|| wrong(not_text))?;
    Ok((typed.to_owned(), value.to_owned()))
}

fn variable(name: &str, value: &str) -> Grant {
    Grant::Env {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

pub(crate) fn clock(text: &str) -> Result<Option<Grant>, String> {
    let fixed = || {
        let midnight = format!("{text}T00:00:00Z");
        let time = humantime::parse_rfc3339_weak(text);
        let time = time.or_else(|_| humantime::parse_rfc3339(&midnight)).ok()?;
        Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
    };
    match text {
        "none" => Ok(None),
        "real" => Ok(Some(Grant::Clock(Clock::Real))),
        _ => match text.parse().ok().or_else(fixed) {
            Some(seconds) => Ok(Some(Grant::Clock(Clock::Fixed(seconds)))),
            None => Err(format!(
                "--clock {text}: it is no time; write real, none, a time from 1970 on such as 2026-01-02T03:04:05Z, or seconds since then"
            )),
        },
    }
}

pub(crate) fn random(text: &str) -> Result<Option<Grant>, String> {
    match text {
        "none" => Ok(None),
        "real" => Ok(Some(Grant::Random(Random::Real))),
        _ => match text.parse() {
            Ok(seed) => Ok(Some(Grant::Random(Random::Fixed(seed)))),
            Err(_) => Err(format!(
                "--random {text}: it is no seed; write real, none, or a whole number from 0 to {}",
                u64::MAX
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(text: &str) -> Result<(String, PathBuf), String> {
        match preopen("--ro", OsStr::new(text), Access::ReadOnly)? {
            Grant::Preopen(preopen) => Ok((preopen.guest.to_string(), preopen.host)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_alone_is_granted_at_the_workspace() {
        assert_eq!(granted("/"), Ok(("/workspace".to_owned(), "/".into())));
        assert_eq!(granted("/:/data"), Ok(("/data".to_owned(), "/".into())));
    }

    #[test]
    fn the_last_colon_separates() {
        let with_colon = tempfile::Builder::new().prefix("a:b").tempdir().unwrap();
        let text = format!("{}:/data", with_colon.path().display());
        assert_eq!(granted(&text).unwrap().1, with_colon.path());
    }

    #[test]
    fn a_folder_that_cannot_be_granted_is_named() {
        for (text, why) in [
            ("/missing-folder:/data", "no such"),
            ("/etc/passwd:/data", "is not a directory"),
            ("/:data", "no guest path"),
            ("/:/a/../b", "no guest path"),
            (":/data", "no host folder"),
        ] {
            let mistake = granted(text).unwrap_err();
            assert!(mistake.contains(why) && mistake.contains(text), "{mistake}");
        }
    }

    #[test]
    fn a_time_is_written_as_people_or_programs_write_it() {
        let fixed = |seconds| Ok(Some(Grant::Clock(Clock::Fixed(seconds))));
        assert_eq!(clock("1970-01-01T00:01:00Z"), fixed(60));
        assert_eq!(clock("1970-01-02"), fixed(86_400));
        assert_eq!(clock("86400"), fixed(86_400));
        assert_eq!(clock("none"), Ok(None));
        assert!(clock("1969-01-01T00:00:00Z").is_err() && clock("noon").is_err());
    }

    #[test]
    fn a_variable_that_is_not_set_is_a_mistake() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(env(OsStr::new("A=b=c")), pair("A", "b=c"));
        assert_eq!(env(OsStr::new("A=")), pair("A", ""));
        assert!(env(OsStr::new("SURELY_NOT_SET_HERE")).is_err());
        assert!(env(OsStr::new("PATH")).is_ok());
    }
}
