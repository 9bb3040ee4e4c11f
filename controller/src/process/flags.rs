//! The command line, in Go's syntax: tools that start this controller write
//! `-flag`, `--flag`, `--flag=value` or `--flag value`, and a switch takes no
//! value but by `=`.

use std::fmt::Write;
use std::path::PathBuf;

use super::node_address::NodeAddress;
use super::options::Options;
use super::table::{FLAGS, IGNORED, IGNORED_PREFIXES};

/// Where the definitions of the API's kinds are written to by default.
const CRDS: &str = "deploy/crds";

/// How the help begins.
const HEAD: &str = "\
mote-controller reconciles the objects of the Agent Sandbox API.

usage:
  mote-controller [FLAG]…
      runs until it is told to end
  mote-controller crds [FOLDER]
      writes the definitions of its kinds into FOLDER (deploy/crds)
  mote-controller node-address --node=NAME --out=FILE [--addresses=WHICH]
      takes the addresses of a node's sandboxes for the node's own, and writes
      them to FILE. WHICH is PREFIX, PREFIX,PREFIX, pods-upper-half or shared, in
      place of the node's annotation mote.dev/addresses

-flag and --flag mean the same. A value follows after = or as the next word; a
switch needs none.

";

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the controller.
    Run(Box<Options>),
    /// Write the definitions of the API's kinds into a folder.
    Crds(PathBuf),
    /// Route the addresses of a node's sandboxes to it.
    NodeAddress(NodeAddress),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// What is wrong with one word of a command line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FlagError {
    /// There is no flag of that name.
    #[error("there is no flag --{0}")]
    Unknown(String),
    /// The flag is the last word and needs one more.
    #[error("--{name} needs a value: {wanted}")]
    NoValue {
        /// The flag.
        name: String,
        /// What values there are.
        wanted: String,
    },
    /// The value is none for this flag.
    #[error("--{name} cannot be {value:?}: it takes {wanted}")]
    Invalid {
        /// The flag.
        name: String,
        /// What was given.
        value: String,
        /// What values there are.
        wanted: String,
    },
    /// A word that is neither a flag nor the value of one.
    #[error("{0:?} is no flag; a switch takes its value as --switch=false")]
    NoFlag(String),
}

/// Reads the words after the program's name.
///
/// # Errors
/// All that is wrong with them.
pub fn read(words: impl IntoIterator<Item = String>) -> Result<Command, Vec<FlagError>> {
    let mut words = words.into_iter().peekable();
    if words.next_if(|word| word == "crds").is_some() {
        let folder = words.next().unwrap_or_else(|| CRDS.to_owned());
        return Ok(Command::Crds(PathBuf::from(folder)));
    }
    if words.next_if(|word| word == "node-address").is_some() {
        return node_address(words).map(Command::NodeAddress);
    }
    let mut options = Options::default();
    let mut errors = Vec::new();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            errors.push(FlagError::NoFlag(word));
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        match name {
            "help" | "h" => return Ok(Command::Help),
            "version" if value.as_deref() != Some("false") => return Ok(Command::Version),
            "version" => {}
            _ => errors.extend(apply(&mut options, name, value, || words.next()).err()),
        }
    }
    if errors.is_empty() {
        Ok(Command::Run(Box::new(options)))
    } else {
        Err(errors)
    }
}

/// Reads the flags of `node-address`, which is our own: `--flag=value` alone.
fn node_address(words: impl Iterator<Item = String>) -> Result<NodeAddress, Vec<FlagError>> {
    let mut told = NodeAddress::default();
    let mut errors = Vec::new();
    for word in words {
        let flag = word
            .strip_prefix("--")
            .and_then(|flag| flag.split_once('='));
        match flag {
            Some(("node", node)) => told.node = node.to_owned(),
            Some(("out", file)) => told.out = file.into(),
            Some(("addresses", prefix)) => told.addresses = Some(prefix.to_owned()),
            Some((name, _)) => errors.push(FlagError::Unknown(name.to_owned())),
            None => errors.push(FlagError::NoFlag(word)),
        }
    }
    for (name, missing) in [
        ("node", told.node.is_empty()),
        ("out", told.out.as_os_str().is_empty()),
    ] {
        if missing {
            errors.push(FlagError::NoValue {
                name: name.to_owned(),
                wanted: "text".to_owned(),
            });
        }
    }
    if errors.is_empty() {
        Ok(told)
    } else {
        Err(errors)
    }
}

fn apply(
    options: &mut Options,
    name: &str,
    value: Option<String>,
    next: impl FnOnce() -> Option<String>,
) -> Result<(), FlagError> {
    let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
        let alone = ignored(name).ok_or_else(|| FlagError::Unknown(name.to_owned()))?;
        if value.is_none() && !alone {
            next();
        }
        options.ignored.push(format!("--{name}"));
        return Ok(());
    };
    let wanted = || flag.field.wanted();
    let value = match value {
        Some(value) => value,
        None if flag.field.is_switch() => "true".to_owned(),
        None => next().ok_or_else(|| FlagError::NoValue {
            name: name.to_owned(),
            wanted: wanted(),
        })?,
    };
    flag.field
        .set(options, &value)
        .ok_or_else(|| FlagError::Invalid {
            name: name.to_owned(),
            value,
            wanted: wanted(),
        })
}

/// Whether a flag is one to ignore, and whether it can stand without a value.
fn ignored(name: &str) -> Option<bool> {
    let named = IGNORED.iter().find(|(ignored, _)| *ignored == name);
    let begins = || {
        IGNORED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    named
        .map(|(_, alone)| *alone)
        .or_else(|| begins().then_some(false))
}

/// The help.
pub fn help() -> String {
    let mut text = HEAD.to_owned();
    let mut defaults = Options::default();
    for flag in FLAGS {
        let default = flag.field.value(&mut defaults);
        let default = if default.is_empty() {
            "none".to_owned()
        } else {
            default
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  --{}\n        {}\n        Takes {}. Default: {default}",
            flag.name,
            flag.help,
            flag.field.wanted()
        );
    }
    let names: Vec<_> = IGNORED
        .iter()
        .map(|(name, _)| format!("--{name}"))
        .collect();
    let more: Vec<_> = IGNORED_PREFIXES
        .iter()
        .map(|prefix| format!("--{prefix}*"))
        .collect();
    let _ = writeln!(
        text,
        "\n  --help, --version\n\nTaken and without effect: {}, {}.",
        names.join(", "),
        more.join(", ")
    );
    text
}

#[cfg(test)]
mod tests;
