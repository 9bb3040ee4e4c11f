//! Completion, as `kubectl` asks its plugins for it: it runs the program
//! `kubectl_complete-mote` with the words so far, of which the last is being
//! typed, and reads a candidate a line and then a directive. A link of that
//! name to this program is all it takes.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use kube::api::ListParams;
use tokio::time::timeout;

use crate::args::{Args, ClusterArgs};
use crate::cluster::{Cluster, runtime};

/// The name by which kubectl asks.
const PROGRAM: &str = "kubectl_complete-mote";
/// "Do not complete names of files" (cobra, ShellCompDirectiveNoFileComp).
const NO_FILES: u8 = 4;
/// Nothing special.
const DEFAULT: u8 = 0;
/// How long names may take: whoever pressed a key waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most names that are offered: more than anybody reads.
const MAX_NAMES: u32 = 500;

/// Whether it is completion that we were started for.
pub(crate) fn is_asked() -> bool {
    let program = std::env::args_os().next().unwrap_or_default();
    Path::new(&program)
        .file_name()
        .is_some_and(|name| name == PROGRAM)
}

/// Prints candidates for the last word.
pub(crate) fn answer() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let (last, before) = words
        .split_last()
        .map_or(("", &[][..]), |(last, before)| (last, before));
    let (candidates, directive) = match want(before, last) {
        Want::These(candidates) => (candidates, NO_FILES),
        Want::Sandboxes => (names(before), NO_FILES),
        Want::SandboxesAndFiles => {
            let names = names(before).into_iter();
            (names.map(|name| format!("{name}:")).collect(), DEFAULT)
        }
        Want::Nothing => (Vec::new(), NO_FILES),
    };
    let fits = candidates.into_iter().filter(|it| it.starts_with(last));
    let mut text: String = fits.map(|candidate| candidate + "\n").collect();
    text.push_str(&format!(":{directive}\n"));
    // That nobody may read it is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// What the last word may be.
#[derive(Debug, PartialEq)]
enum Want {
    These(Vec<String>),
    Sandboxes,
    SandboxesAndFiles,
    Nothing,
}

fn want(before: &[String], last: &str) -> Want {
    let command = Args::command();
    let verbs = || {
        command
            .get_subcommands()
            .map(|verb| verb.get_name().to_owned())
    };
    let verb = before.iter().find_map(|word| command.find_subcommand(word));
    if last.starts_with('-') {
        let flags = verb.unwrap_or(&command).get_arguments();
        let flags = flags.chain(command.get_arguments());
        let long = flags.filter_map(|flag| flag.get_long());
        return Want::These(long.map(|name| format!("--{name}")).collect());
    }
    let Some(verb) = verb else {
        return Want::These(verbs().collect());
    };
    let named = before
        .iter()
        .skip_while(|word| *word != verb.get_name())
        .skip(1);
    let named = named.filter(|word| !word.starts_with('-')).count();
    match (verb.get_name(), named) {
        ("exec" | "logs" | "ls", 0) | ("top", _) => Want::Sandboxes,
        ("cp", _) => Want::SandboxesAndFiles,
        _ => Want::Nothing,
    }
}

/// Names of sandboxes, as far as somebody tells them.
fn names(before: &[String]) -> Vec<String> {
    let cluster = cluster(before);
    let listed = async {
        let cluster = Cluster::connect(&cluster).await.ok()?;
        let params = ListParams::default().limit(MAX_NAMES);
        let list = cluster.sandboxes().list_metadata(&params).await.ok()?;
        let names = list.items.into_iter().filter_map(|it| it.metadata.name);
        Some(names.collect())
    };
    let Ok(runtime) = runtime() else {
        return Vec::new();
    };
    let listed = runtime.block_on(async { timeout(PATIENCE, listed).await });
    listed.ok().flatten().unwrap_or_default()
}

/// The flags that say which cluster; the rest is not typed to its end.
fn cluster(before: &[String]) -> ClusterArgs {
    let words = ["kubectl mote", "ps"].map(str::to_owned).into_iter();
    let parsed = Args::try_parse_from(words.chain(flags(before)));
    parsed.map(|args| args.cluster).unwrap_or_default()
}

/// The flags of the cluster alone, with their values.
fn flags(before: &[String]) -> Vec<String> {
    let command = Args::command();
    let takes = |word: &str| {
        command.get_arguments().any(|flag| {
            let long = flag.get_long().is_some_and(|it| word == format!("--{it}"));
            let short = flag.get_short().is_some_and(|it| word == format!("-{it}"));
            flag.is_global_set() && (long || short)
        })
    };
    let mut kept = Vec::new();
    let mut words = before.iter();
    while let Some(word) = words.next() {
        if takes(word) {
            kept.push(word.clone());
            kept.extend(words.next().cloned());
        } else if word.split_once('=').is_some_and(|(name, _)| takes(name)) {
            kept.push(word.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn first_comes_a_verb_then_a_sandbox_then_nothing() {
        let Want::These(verbs) = want(&[], "") else {
            panic!("verbs are known")
        };
        assert!(verbs.contains(&"exec".to_owned()), "{verbs:?}");
        assert_eq!(want(&words(&["exec"]), ""), Want::Sandboxes);
        assert_eq!(want(&words(&["exec", "-i"]), "w"), Want::Sandboxes);
        assert_eq!(want(&words(&["exec", "work"]), ""), Want::Nothing);
        assert_eq!(want(&words(&["cp", "a"]), ""), Want::SandboxesAndFiles);
        assert_eq!(want(&words(&["ps"]), ""), Want::Nothing);
    }

    #[test]
    fn flags_are_those_of_the_verb_and_of_the_cluster() {
        let Want::These(flags) = want(&words(&["logs"]), "--") else {
            panic!("flags are known")
        };
        for flag in ["--follow", "--tail", "--namespace", "--context"] {
            assert!(flags.contains(&flag.to_owned()), "{flags:?}");
        }
        assert!(!flags.contains(&"--once".to_owned()));
    }

    #[test]
    fn names_are_of_the_cluster_that_was_typed() {
        let cluster = cluster(&words(&["exec", "-n", "a", "-i", "--context=c"]));
        assert_eq!(cluster.namespace.as_deref(), Some("a"));
        assert_eq!(cluster.context.as_deref(), Some("c"));
    }
}
