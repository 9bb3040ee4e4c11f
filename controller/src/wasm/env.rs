//! The environment of a session, from a container's.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

/// The environment as it is for an object with these labels and annotations.
pub fn resolve(variables: &[Variable], object: &ObjectMeta) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let in_map = |map: &Option<BTreeMap<String, String>>, key: &str| {
        map.as_ref().and_then(|map| map.get(key)).cloned()
    };
    for Variable { name, value } in variables {
        let value = match value {
            EnvValue::Text(text) => Some(expand(text, &env)),
            EnvValue::Name => object.name.clone(),
            EnvValue::Namespace => object.namespace.clone(),
            EnvValue::Uid => object.uid.clone(),
            EnvValue::Label(key) => in_map(&object.labels, key),
            EnvValue::Annotation(key) => in_map(&object.annotations, key),
        };
        env.insert(name.clone(), value.unwrap_or_default());
    }
    env
}

/// Puts in the values of `$(NAME)`. As in a pod: what is not known stays as it
/// is written, and `$$` is a dollar.
fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
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
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(expand(text, &known), told, "{text}");
        }
    }

    #[test]
    fn a_variable_does_not_see_what_comes_after_it() {
        let variables = [Variable::text("B", "$(A)"), Variable::text("A", "1")];
        assert_eq!(resolve(&variables, &ObjectMeta::default())["B"], "$(A)");
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
            assert_eq!(resolve(&[variable], &object)["V"], value, "{path}");
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
