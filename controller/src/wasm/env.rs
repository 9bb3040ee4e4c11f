//! The environment of a session, from a container's.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::source::{Budget, Missing, Source, Sources};

/// Most bytes of an environment, with the two that part each variable from
/// the next: what node hosts take.
const MAX_BYTES: usize = 1 << 20;
/// Of what there may be no more.
const ENVIRONMENT: &str = "its environment takes";
/// What parts a name from its value, and a variable from the next.
const PARTING: usize = 2;

/// A variable of a container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub value: EnvValue,
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EnvValue {
    /// It is written down, with `$(NAME)` for earlier variables.
    Text(String),
    /// The name of the sandbox.
    Name,
    /// Its namespace.
    Namespace,
    /// Its UID.
    Uid,
    /// One of its labels.
    Label(String),
    /// One of its annotations.
    Annotation(String),
    /// A key of a ConfigMap or a Secret.
    Key {
        /// Which one.
        source: Source,
        /// The key.
        key: String,
        /// Whether the variable is left out where there is none.
        optional: bool,
    },
}

/// All keys of a ConfigMap or a Secret as variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EnvFrom {
    /// Which one.
    pub source: Source,
    /// What their names begin with.
    pub prefix: String,
    /// Whether there is nothing wrong if it is not there.
    pub optional: bool,
}

/// The environment of a container.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Env {
    /// What comes first.
    pub from: Vec<EnvFrom>,
    /// In order: later variables may name earlier ones.
    pub variables: Vec<Variable>,
}

impl Variable {
    /// A variable with its value.
    pub fn text(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: EnvValue::Text(value.to_owned()),
        }
    }
}

impl EnvValue {
    /// A field of the object, by its path. `None` for one that a session has
    /// no counterpart of.
    pub fn of_field(path: &str) -> Option<Self> {
        let key = |kind: &str| {
            let key = path.strip_prefix(kind)?.strip_prefix("['")?;
            Some(key.strip_suffix("']")?.to_owned())
        };
        match path {
            "metadata.name" => Some(Self::Name),
            "metadata.namespace" => Some(Self::Namespace),
            "metadata.uid" => Some(Self::Uid),
            _ => key("metadata.labels")
                .map(Self::Label)
                .or_else(|| key("metadata.annotations").map(Self::Annotation)),
        }
    }
}

impl EnvValue {
    /// What it is for an object, where other variables are `known`; `None` for
    /// a variable that is left out.
    fn resolve(
        &self,
        object: &ObjectMeta,
        sources: &Sources,
        Known { variables, budget }: &Known,
    ) -> Result<Option<String>, Missing> {
        let in_map = |map: &Option<BTreeMap<String, String>>, key: &str| {
            map.as_ref().and_then(|map| map.get(key)).cloned()
        };
        let value = match self {
            Self::Text(text) => Some(expand(text, variables, budget)?),
            Self::Name => object.name.clone(),
            Self::Namespace => object.namespace.clone(),
            Self::Uid => object.uid.clone(),
            Self::Label(key) => in_map(&object.labels, key),
            Self::Annotation(key) => in_map(&object.annotations, key),
            Self::Key {
                source,
                key,
                optional,
            } => {
                let value = sources.key(source, key, *optional)?;
                return value.map(|value| text(value, source, key)).transpose();
            }
        };
        Ok(Some(value.unwrap_or_default()))
    }

    /// What a field of an object is, as a file's content.
    pub(super) fn content(&self, object: &ObjectMeta) -> Vec<u8> {
        let value = self.resolve(object, &Sources::default(), &Known::new());
        value.ok().flatten().unwrap_or_default().into_bytes()
    }
}

impl Env {
    /// Whether its values are longer than what is written down.
    pub(super) fn names_others(&self) -> bool {
        let names = |it: &Variable| match &it.value {
            EnvValue::Text(text) => text.contains("$("),
            EnvValue::Name | EnvValue::Namespace | EnvValue::Uid => false,
            EnvValue::Label(_) | EnvValue::Annotation(_) | EnvValue::Key { .. } => true,
        };
        !self.from.is_empty() || self.variables.iter().any(names)
    }

    /// The ConfigMaps and Secrets that it needs.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        let keys = self.variables.iter().filter_map(|it| match &it.value {
            EnvValue::Key { source, .. } => Some(source),
            _ => None,
        });
        self.from.iter().map(|from| &from.source).chain(keys)
    }

    /// The environment as it is for an object with these labels and annotations.
    ///
    /// # Errors
    /// Something that it needs is not there.
    pub fn resolve(
        &self,
        object: &ObjectMeta,
        sources: &Sources,
    ) -> Result<BTreeMap<String, String>, Missing> {
        let mut known = Known::new();
        for EnvFrom {
            source,
            prefix,
            optional,
        } in &self.from
        {
            for (key, value) in sources.all(source, *optional)?.into_iter().flatten() {
                known.insert(format!("{prefix}{key}"), text(value, source, key)?)?;
            }
        }
        for Variable { name, value } in &self.variables {
            if let Some(value) = value.resolve(object, sources, &known)? {
                known.insert(name.clone(), value)?;
            }
        }
        Ok(known.variables)
    }
}

/// The variables so far. Ten of them, each twice the one before it, are a
/// thousand times the first.
struct Known {
    variables: BTreeMap<String, String>,
    budget: Budget,
}

impl Known {
    fn new() -> Self {
        Self {
            variables: BTreeMap::new(),
            budget: Budget::new(ENVIRONMENT, MAX_BYTES),
        }
    }

    fn insert(&mut self, name: String, value: String) -> Result<(), Missing> {
        let bytes = name.len() + PARTING;
        self.budget.take(bytes + value.len())?;
        if let Some(before) = self.variables.insert(name, value) {
            self.budget.give(bytes + before.len());
        }
        Ok(())
    }
}

fn text(value: &[u8], source: &Source, key: &str) -> Result<String, Missing> {
    let no_text = |_| Missing::Text(source.clone(), key.to_owned());
    String::from_utf8(value.to_vec()).map_err(no_text)
}

/// Puts in the values of `$(NAME)`. As in a pod: what is not known stays as it
/// is written, and `$$` is a dollar.
///
/// # Errors
/// It becomes longer than what is left.
pub fn expand(
    text: &str,
    known: &BTreeMap<String, String>,
    left: &Budget,
) -> Result<String, Missing> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|it| it.split_once(')'))
        {
            match known.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
        left.allow(out.len())?;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::source::tests::{config_map, holding};

    #[test]
    fn variables_name_earlier_ones_and_dollars_are_doubled() {
        let known = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (text, told) in [
            ("x", "x"),
            ("$(A)$(A)", "11"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$A $", "$A $"),
            ("$(A", "$(A"),
        ] {
            let budget = Budget::new("it is", 100);
            assert_eq!(expand(text, &known, &budget).as_deref(), Ok(told), "{text}");
        }
    }

    fn resolve(variables: Vec<Variable>, object: &ObjectMeta) -> BTreeMap<String, String> {
        let env = Env {
            variables,
            from: Vec::new(),
        };
        env.resolve(object, &Sources::default()).unwrap()
    }

    #[test]
    fn a_variable_does_not_see_what_comes_after_it() {
        let variables = vec![Variable::text("B", "$(A)"), Variable::text("A", "1")];
        assert_eq!(resolve(variables, &ObjectMeta::default())["B"], "$(A)");
    }

    #[test]
    fn what_few_words_stand_for_is_no_longer_than_an_environment() {
        let doubled = |n: u32| Variable::text(&format!("A{n}"), &format!("$(A{0})$(A{0})", n - 1));
        let mut variables = vec![Variable::text("A0", "0123456789")];
        variables.extend((1..60).map(doubled));
        let of = |variables| Env {
            variables,
            from: Vec::new(),
        };
        let object = ObjectMeta {
            annotations: Some([("a".to_owned(), "x".repeat(200 << 10))].into()),
            ..ObjectMeta::default()
        };
        let told = |env: &Env| env.resolve(&object, &Sources::default());
        let sentence = "its environment takes more than 1048576 bytes; leave some out";
        assert_eq!(told(&of(variables)).unwrap_err().to_string(), sentence);
        let copy = |n| Variable {
            name: format!("A{n}"),
            value: EnvValue::Annotation("a".to_owned()),
        };
        assert!(told(&of((0..5).map(copy).collect())).is_ok());
        assert!(told(&of((0..6).map(copy).collect())).is_err());
        // The same variable again takes the place of the first.
        assert!(told(&of((0..6).map(|_| copy(0)).collect())).is_ok());
    }

    #[test]
    fn variables_come_after_and_see_what_a_source_brings() {
        let from = |optional| EnvFrom {
            source: config_map("c"),
            prefix: "P_".to_owned(),
            optional,
        };
        let key = |name: &str, key: &str, optional| Variable {
            name: name.to_owned(),
            value: EnvValue::Key {
                source: config_map("c"),
                key: key.to_owned(),
                optional,
            },
        };
        let env = Env {
            from: vec![from(false)],
            variables: vec![
                Variable::text("P_a", "own"),
                key("K", "b", false),
                key("NONE", "x", true),
                Variable::text("SEES", "$(P_b)$(K)"),
            ],
        };
        let object = ObjectMeta::default();
        let told = env.resolve(&object, &holding("c", &[("a", "1"), ("b", "2")]));
        let pairs = [("K", "2"), ("P_a", "own"), ("P_b", "2"), ("SEES", "22")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told.unwrap(), pairs.into());
        assert!(env.resolve(&object, &Sources::default()).is_err());
        let optional = Env {
            from: vec![from(true)],
            variables: vec![key("K", "b", true)],
        };
        assert!(
            optional
                .resolve(&object, &Sources::default())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn fields_of_the_sandbox_stand_for_those_of_its_pod() {
        let object = ObjectMeta {
            name: Some("box".to_owned()),
            labels: Some([("a/b".to_owned(), "c".to_owned())].into()),
            ..ObjectMeta::default()
        };
        for (path, value) in [
            ("metadata.name", "box"),
            ("metadata.labels['a/b']", "c"),
            ("metadata.annotations['a/b']", ""),
        ] {
            let value_of = EnvValue::of_field(path).unwrap();
            let variable = Variable {
                name: "V".to_owned(),
                value: value_of,
            };
            assert_eq!(resolve(vec![variable], &object)["V"], value, "{path}");
        }
        for path in [
            "status.podIP",
            "spec.nodeName",
            "metadata.labels",
            "metadata.labels['a",
        ] {
            assert_eq!(EnvValue::of_field(path), None, "{path}");
        }
    }
}
