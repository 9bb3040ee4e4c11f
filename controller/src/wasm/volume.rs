//! What a session has mounted beside its workspace.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use mote_rpc::rules::MAX_FILE_BYTES as MAX_BYTES;
use mote_rpc::v1::volume::Source as Told;
use mote_rpc::v1::{self, EmptyDir, File, Files};

use super::env::EnvValue;
use super::source::{Budget, Missing, Source, Sources};

/// A volume.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a volume.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// What the session writes.
    Empty {
        /// Most that it may hold; 0: as much as the session may.
        max_bytes: u64,
    },
    /// What objects say.
    Files(Vec<Portion>),
}

impl Content {
    /// Whether this can be a folder in it: programs make folders, and objects
    /// bring those that their files name.
    pub(super) fn may_have_folder(&self, path: &str) -> bool {
        let below = |file: &str| {
            let rest = file.strip_prefix(path);
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        match self {
            Self::Empty { .. } => true,
            Self::Files(portions) => portions.iter().any(|portion| match portion {
                // Keys are names, and no paths.
                Portion::Source { items, .. } => {
                    items.iter().flatten().any(|item| below(&item.path))
                }
                Portion::Field { path, .. } => below(path),
            }),
        }
    }
}

/// Files of one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Portion {
    /// Of a ConfigMap or a Secret.
    Source {
        /// Which one.
        source: Source,
        /// Which of its keys; `None` for all, each by its own name.
        items: Option<Vec<Item>>,
        /// Permission bits of files that have none of their own.
        mode: u32,
        /// Whether there is nothing wrong if it, or a key, is not there.
        optional: bool,
    },
    /// A field of the sandbox.
    Field {
        /// Which one.
        field: Field,
        /// Where it is, and its permission bits.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// A key as a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The key.
    pub key: String,
    /// Where it is.
    pub path: String,
    /// Its permission bits, where they are its own.
    pub mode: Option<u32>,
}

/// A field of the sandbox as a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// As a variable has it.
    Value(EnvValue),
    /// All labels, one a line.
    Labels,
    /// All annotations, one a line.
    Annotations,
}

impl Volume {
    /// Whether it brings files.
    pub(super) fn has_files(&self) -> bool {
        matches!(self.content, Content::Files(_))
    }

    /// The ConfigMaps and Secrets that it needs.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        let portions = match &self.content {
            Content::Empty { .. } => &[][..],
            Content::Files(portions) => portions,
        };
        portions.iter().filter_map(|portion| match portion {
            Portion::Source { source, .. } => Some(source),
            Portion::Field { .. } => None,
        })
    }

    fn resolve(
        &self,
        object: &ObjectMeta,
        sources: &Sources,
        budget: &mut Budget,
    ) -> Result<v1::Volume, Missing> {
        let source = match &self.content {
            Content::Empty { max_bytes } => Told::EmptyDir(EmptyDir {
                size_bytes: *max_bytes,
            }),
            Content::Files(portions) => {
                // Of two at one path the later counts, as in a projected volume.
                let mut files = BTreeMap::new();
                for portion in portions {
                    for file in portion.files(object, sources, budget)? {
                        if let Some(before) = files.insert(file.path.clone(), file) {
                            budget.give(before.content.len());
                        }
                    }
                }
                Told::Files(Files {
                    files: files.into_values().collect(),
                })
            }
        };
        Ok(v1::Volume {
            name: self.name.clone(),
            source: Some(source),
        })
    }
}

/// The volumes as they are for an object.
///
/// # Errors
/// Something that they need is not there, or there is too much of it.
pub fn resolve(
    volumes: &[Volume],
    object: &ObjectMeta,
    sources: &Sources,
) -> Result<Vec<v1::Volume>, Missing> {
    let mut budget = Budget::new("its volumes hold", MAX_BYTES);
    let mut told = Vec::with_capacity(volumes.len());
    for volume in volumes {
        told.push(volume.resolve(object, sources, &mut budget)?);
    }
    Ok(told)
}

impl Portion {
    fn files(
        &self,
        object: &ObjectMeta,
        sources: &Sources,
        budget: &mut Budget,
    ) -> Result<Vec<File>, Missing> {
        let mut file = |path: &str, content: &[u8], mode| {
            // Before it is copied: one key may be a thousand files.
            budget.take(content.len())?;
            Ok(File {
                path: path.to_owned(),
                content: content.to_vec(),
                mode,
            })
        };
        match self {
            Self::Field { field, path, mode } => {
                Ok(vec![file(path, &field.content(object), *mode)?])
            }
            Self::Source {
                source,
                items: None,
                mode,
                optional,
            } => {
                let all = sources.all(source, *optional)?.into_iter().flatten();
                all.map(|(key, content)| file(key, content, *mode))
                    .collect()
            }
            Self::Source {
                source,
                items: Some(items),
                mode,
                optional,
            } => {
                let mut files = Vec::new();
                for item in items {
                    if let Some(content) = sources.key(source, &item.key, *optional)? {
                        files.push(file(&item.path, content, item.mode.unwrap_or(*mode))?);
                    }
                }
                Ok(files)
            }
        }
    }
}

impl Field {
    fn content(&self, object: &ObjectMeta) -> Vec<u8> {
        match self {
            Self::Value(value) => value.content(object),
            Self::Labels => lines(object.labels.as_ref()),
            Self::Annotations => lines(object.annotations.as_ref()),
        }
    }
}

/// As the kubelet writes them: `key="value"`, the value escaped as in Go.
fn lines(map: Option<&BTreeMap<String, String>>) -> Vec<u8> {
    let lines = map.into_iter().flatten();
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::source::tests::{config_map, holding};

    fn volume(portions: Vec<Portion>) -> Volume {
        Volume {
            name: "v".to_owned(),
            content: Content::Files(portions),
        }
    }

    fn of_config_map(items: Option<Vec<Item>>, optional: bool) -> Portion {
        Portion::Source {
            source: config_map("c"),
            items,
            mode: 0o644,
            optional,
        }
    }

    fn told(volume: Volume, sources: &Sources) -> Result<Vec<(String, String, u32)>, Missing> {
        let object = ObjectMeta {
            name: Some("box".to_owned()),
            labels: Some([("a".to_owned(), "say \"b\"".to_owned())].into()),
            ..ObjectMeta::default()
        };
        let volumes = resolve(&[volume], &object, sources)?;
        let Some(Told::Files(files)) = &volumes[0].source else {
            panic!("{volumes:?}")
        };
        let files = files.files.iter().map(|file| {
            let content = String::from_utf8(file.content.clone()).unwrap();
            (file.path.clone(), content, file.mode)
        });
        Ok(files.collect())
    }

    fn file(path: &str, content: &str, mode: u32) -> (String, String, u32) {
        (path.to_owned(), content.to_owned(), mode)
    }

    #[test]
    fn keys_are_files_by_their_names_or_where_items_put_them() {
        let sources = holding("c", &[("a", "1"), ("b", "2")]);
        let all = told(volume(vec![of_config_map(None, false)]), &sources).unwrap();
        assert_eq!(all, [file("a", "1", 0o644), file("b", "2", 0o644)]);
        let item = |key: &str| Item {
            key: key.to_owned(),
            path: "deep/a".to_owned(),
            mode: Some(0o600),
        };
        let some = volume(vec![of_config_map(Some(vec![item("a")]), false)]);
        assert_eq!(told(some, &sources).unwrap(), [file("deep/a", "1", 0o600)]);
        let missing = |optional| volume(vec![of_config_map(Some(vec![item("x")]), optional)]);
        assert!(told(missing(false), &sources).is_err());
        assert_eq!(told(missing(true), &sources), Ok(vec![]));
        assert!(
            told(
                volume(vec![of_config_map(None, false)]),
                &Sources::default()
            )
            .is_err()
        );
    }

    #[test]
    fn fields_of_the_sandbox_are_files_and_the_later_of_two_counts() {
        let field = |field| Portion::Field {
            field,
            path: "a".to_owned(),
            mode: 0o400,
        };
        let sources = holding("c", &[("a", "1")]);
        let name = field(Field::Value(EnvValue::Name));
        let both = volume(vec![of_config_map(None, false), name]);
        assert_eq!(told(both, &sources).unwrap(), [file("a", "box", 0o400)]);
        let labels = volume(vec![field(Field::Labels)]);
        let lines = r#"a="say \"b\"""#;
        assert_eq!(told(labels, &sources).unwrap(), [file("a", lines, 0o400)]);
    }

    #[test]
    fn a_key_that_is_many_files_is_no_more_than_one_message_holds() {
        let half = "x".repeat(MAX_BYTES / 2);
        let sources = holding("c", &[("a", &half)]);
        let copies = |paths: &[&str]| {
            let item = |path: &&str| Item {
                key: "a".to_owned(),
                path: (*path).to_owned(),
                mode: None,
            };
            volume(vec![of_config_map(
                Some(paths.iter().map(item).collect()),
                false,
            )])
        };
        assert_eq!(told(copies(&["1", "2"]), &sources).unwrap().len(), 2);
        assert!(told(copies(&["1", "2", "3"]), &sources).is_err());
        // Of two at one path, one is sent.
        let same = volume(vec![of_config_map(None, false); 4]);
        assert_eq!(told(same, &sources).unwrap().len(), 1);
    }

    #[test]
    fn there_may_not_be_more_than_one_message_holds() {
        let most = "x".repeat(MAX_BYTES);
        let just = volume(vec![of_config_map(None, false)]);
        assert!(told(just.clone(), &holding("c", &[("a", &most)])).is_ok());
        let over = told(just, &holding("c", &[("a", &most), ("b", "y")])).unwrap_err();
        assert!(
            over.to_string().contains("more than 4194304 bytes"),
            "{over}"
        );
    }
}
