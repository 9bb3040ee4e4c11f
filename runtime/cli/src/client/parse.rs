//! What several verbs read alike: names, labels, spans of time.

use std::collections::BTreeMap;

use mote_api::SandboxId;

use crate::client::args::LifeArgs;
use crate::config;

/// A sandbox's name.
pub(crate) fn id(text: &str, mistakes: &mut Vec<String>) -> Option<SandboxId> {
    let id = text.parse();
    id.map_err(|error| mistakes.push(format!("{error}"))).ok()
}

/// Sandboxes' names.
pub(crate) fn ids(texts: &[String], mistakes: &mut Vec<String>) -> Vec<SandboxId> {
    texts.iter().filter_map(|text| id(text, mistakes)).collect()
}

/// `NAME=VALUE`, each name once.
pub(crate) fn labels(texts: &[String], mistakes: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for text in texts {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                let before = labels.insert(name.to_owned(), value.to_owned());
                if before.is_some_and(|before| before != value) {
                    mistakes.push(format!("-l {text}: the label has another value already"));
                }
            }
            _ => mistakes.push(format!("-l {text}: it is no label; write NAME=VALUE")),
        }
    }
    labels
}

/// How long a sandbox lasts, and what is noted of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Life {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) idle_timeout_seconds: Option<u64>,
    pub(crate) ttl_seconds: Option<u64>,
}

/// The checked [`LifeArgs`].
pub(crate) fn life(args: &LifeArgs, mistakes: &mut Vec<String>) -> Life {
    Life {
        labels: labels(&args.labels, mistakes),
        idle_timeout_seconds: seconds("--idle-timeout", args.idle_timeout.as_deref(), mistakes),
        ttl_seconds: seconds("--ttl", args.ttl.as_deref(), mistakes),
    }
}

/// A whole number of seconds, 1 at least.
fn seconds(flag: &str, text: Option<&str>, mistakes: &mut Vec<String>) -> Option<u64> {
    let text = text?;
    let seconds = config::duration(text).and_then(|time| match time.as_secs() {
        seconds @ 1.. if time.subsec_nanos() == 0 => Ok(seconds),
        _ => Err("it must be a whole number of seconds, 1 at least".to_owned()),
    });
    seconds
        .map_err(|why| mistakes.push(format!("{flag} {text}: {why}")))
        .ok()
}

/// Gives `value` if there are no mistakes.
pub(crate) fn checked<T>(value: Option<T>, mistakes: Vec<String>) -> Result<T, Vec<String>> {
    match value {
        Some(value) if mistakes.is_empty() => Ok(value),
        _ => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn each_wrong_name_is_named() {
        let mut mistakes = Vec::new();
        let good = ids(&texts(&["a", "B", "c", ".."]), &mut mistakes);
        assert_eq!(good.len(), 2);
        assert!(mistakes[0].starts_with("\"B\" is no sandbox name"));
        assert!(mistakes[1].starts_with("\"..\" is no sandbox name"));
    }

    #[test]
    fn a_label_is_a_name_and_a_value_which_may_hold_anything() {
        let mut mistakes = Vec::new();
        let found = labels(
            &texts(&["a=b=c", "e=", "a=b=c", "a=d", "=x", "y"]),
            &mut mistakes,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found["e"], "");
        let starts = ["-l a=d: ", "-l =x: ", "-l y: "];
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:?}");
        for (mistake, start) in mistakes.iter().zip(starts) {
            assert!(mistake.starts_with(start), "{mistake}");
        }
    }

    #[test]
    fn a_life_is_counted_in_whole_seconds() {
        let args = |ttl: &str| LifeArgs {
            ttl: Some(ttl.to_owned()),
            ..LifeArgs::default()
        };
        let mut mistakes = Vec::new();
        assert_eq!(life(&args("1h"), &mut mistakes).ttl_seconds, Some(3600));
        assert_eq!(life(&args("90"), &mut mistakes).ttl_seconds, Some(90));
        assert_eq!(mistakes, [""; 0]);
        for wrong in ["0", "1.5", "250ms", "soon"] {
            life(&args(wrong), &mut mistakes);
            let last = mistakes.pop().unwrap();
            assert!(last.starts_with(&format!("--ttl {wrong}: ")), "{last}");
        }
    }
}
