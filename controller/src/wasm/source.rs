//! ConfigMaps and Secrets that a session's environment, files and image need.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use crate::context::Context;
use crate::write::WriteError;

/// Most of them that one session may need. A pod may name more; each is one
/// request to the API server before its session begins.
pub(super) const MAX_SOURCES: usize = 32;
/// Most bytes that they hold together, whatever a session takes of it: twice
/// what goes to its node. All passes that run hold as much at once.
const MAX_SOURCE_BYTES: usize = 8 << 20;

/// One of them, in the sandbox's own namespace.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
}

/// What a source is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum SourceKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SourceKind::ConfigMap => "ConfigMap",
            SourceKind::Secret => "Secret",
        };
        write!(f, "{kind} {:?}", self.name)
    }
}

/// What a session needs is not there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Missing {
    /// All of it.
    #[error("{0} is not there; make it, or say that it is optional")]
    Source(Source),
    /// One of its keys.
    #[error("{0} has no key {1:?}; add it, or say that it is optional")]
    Key(Source, String),
    /// A value that has to be text.
    #[error("the key {1:?} of {0} is no text, which a variable has to be; mount it as a file")]
    Text(Source, String),
    /// There is too much of it.
    #[error("{what} more than {most} bytes; leave some out")]
    TooMuch {
        /// Of what, with its verb.
        what: &'static str,
        /// How much there may be.
        most: usize,
    },
}

/// What a session needs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The API server does not answer, or not this.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// It is not there, or too much.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// What was found of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources(BTreeMap<Source, BTreeMap<String, Vec<u8>>>);

impl Sources {
    /// Reads what is needed; what is not there is missed where it is looked for.
    ///
    /// # Errors
    /// The API server does not answer, or not this, or there is too much of it.
    pub async fn read(
        context: &Context,
        namespace: &str,
        needed: BTreeSet<Source>,
    ) -> Result<Self, ReadError> {
        let mut found = BTreeMap::new();
        let mut budget = Budget::new("the ConfigMaps and Secrets it names hold", MAX_SOURCE_BYTES);
        for source in needed {
            let name = &source.name;
            let data = match source.kind {
                SourceKind::ConfigMap => context.get(namespace, name).await?.map(of_config_map),
                SourceKind::Secret => context.get(namespace, name).await?.map(of_secret),
            };
            if let Some(data) = data {
                budget.take(
                    data.iter()
                        .map(|(key, value)| key.len() + value.len())
                        .sum(),
                )?;
                found.insert(source, data);
            }
        }
        Ok(Self(found))
    }

    /// These.
    #[cfg(test)]
    pub(super) fn of(all: impl Iterator<Item = (Source, BTreeMap<String, Vec<u8>>)>) -> Self {
        Self(all.collect())
    }

    /// What is in one; `None` for one that is not there and need not be.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn all(
        &self,
        source: &Source,
        optional: bool,
    ) -> Result<Option<&BTreeMap<String, Vec<u8>>>, Missing> {
        match self.0.get(source) {
            None if !optional => Err(Missing::Source(source.clone())),
            found => Ok(found),
        }
    }

    /// The value of a key; `None` for one that is not there and need not be.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn key(
        &self,
        source: &Source,
        key: &str,
        optional: bool,
    ) -> Result<Option<&[u8]>, Missing> {
        let value = self.all(source, optional)?.and_then(|data| data.get(key));
        match value {
            None if !optional => Err(Missing::Key(source.clone(), key.to_owned())),
            value => Ok(value.map(Vec::as_slice)),
        }
    }
}

/// How much more of something there may be. A short text may stand for what
/// is long, and many times: it is counted as it is written out.
#[derive(Debug)]
pub struct Budget {
    what: &'static str,
    most: usize,
    left: usize,
}

impl Budget {
    /// One of `most` bytes, of `what` with its verb.
    pub const fn new(what: &'static str, most: usize) -> Self {
        Self {
            what,
            most,
            left: most,
        }
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// There are not as many left.
    pub fn take(&mut self, bytes: usize) -> Result<(), Missing> {
        self.allow(bytes)?;
        self.left -= bytes;
        Ok(())
    }

    /// Gives them back.
    pub fn give(&mut self, bytes: usize) {
        self.left += bytes;
    }

    /// Whether so many bytes are left.
    ///
    /// # Errors
    /// They are not.
    pub fn allow(&self, bytes: usize) -> Result<(), Missing> {
        let Self { what, most, left } = *self;
        if bytes > left {
            return Err(Missing::TooMuch { what, most });
        }
        Ok(())
    }
}

fn of_config_map(map: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = map.data.into_iter().flatten();
    let text = text.map(|(key, text)| (key, text.into_bytes()));
    let bytes = map.binary_data.into_iter().flatten();
    text.chain(bytes.map(|(key, bytes)| (key, bytes.0)))
        .collect()
}

fn of_secret(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    let data = secret.data.into_iter().flatten();
    data.map(|(key, bytes)| (key, bytes.0)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::wasm) fn config_map(name: &str) -> Source {
        Source {
            kind: SourceKind::ConfigMap,
            name: name.to_owned(),
        }
    }

    /// Sources of which one, a ConfigMap, is there.
    pub(in crate::wasm) fn holding(name: &str, data: &[(&str, &str)]) -> Sources {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        let data = data.iter().map(owned).collect();
        Sources::of([(config_map(name), data)].into_iter())
    }

    #[test]
    fn what_is_missed_is_named_unless_it_is_optional() {
        let sources = holding("c", &[("a", "1")]);
        let (c, d) = (config_map("c"), config_map("d"));
        assert_eq!(sources.key(&c, "a", false), Ok(Some(b"1".as_slice())));
        for (source, told) in [
            (
                &c,
                "ConfigMap \"c\" has no key \"b\"; add it, or say that it is optional",
            ),
            (
                &d,
                "ConfigMap \"d\" is not there; make it, or say that it is optional",
            ),
        ] {
            assert_eq!(
                sources.key(source, "b", false).unwrap_err().to_string(),
                told
            );
            assert_eq!(sources.key(source, "b", true), Ok(None));
        }
    }

    #[test]
    fn both_kinds_of_data_are_found() {
        let map = ConfigMap {
            data: Some([("a".to_owned(), "1".to_owned())].into()),
            binary_data: Some([("b".to_owned(), k8s_openapi::ByteString(vec![0xff]))].into()),
            ..ConfigMap::default()
        };
        let data = of_config_map(map);
        assert_eq!(
            (data["a"].as_slice(), data["b"].as_slice()),
            (&b"1"[..], &[0xff][..])
        );
    }
}
