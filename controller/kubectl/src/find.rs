//! From a name that was typed to a sandbox.

use std::fmt;
use std::str::FromStr;

use crate::cluster::{Cluster, Denied, answer};
use crate::failure::Failure;
use crate::objects::{self, Sandbox, State};

/// Longest name of an object, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// What was typed for a sandbox: `work`, `sandbox/work` or `claim/task`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Sandbox(String),
    Claim(String),
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("sandbox", text));
        if !is_name(name) {
            return Err(format!(
                "{name:?} is no name of an object; write NAME, sandbox/NAME or claim/NAME"
            ));
        }
        match kind {
            "sandbox" | "sandboxes" => Ok(Self::Sandbox(name.to_owned())),
            "claim" | "sandboxclaim" | "sandboxclaims" => Ok(Self::Claim(name.to_owned())),
            _ => Err(format!(
                "{kind:?} is no kind of sandbox; write NAME, sandbox/NAME or claim/NAME"
            )),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sandbox(name) => f.write_str(name),
            Self::Claim(name) => write!(f, "claim/{name}"),
        }
    }
}

/// Labels of RFC 1123 with dots between.
fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME_BYTES && text.split('.').all(is_label)
}

/// One label of a name.
pub(crate) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// The sandbox of a name, whatever its state.
pub(crate) async fn find(cluster: &Cluster, name: &Name) -> Result<Sandbox, Failure> {
    let (namespace, found) = match name {
        Name::Sandbox(name) => (&cluster.namespace, sandbox(cluster, name).await),
        Name::Claim(claim) => {
            let name = claimed(cluster, claim).await?;
            (&cluster.namespace, sandbox(cluster, &name).await)
        }
    };
    found.map_err(|denied| match denied {
        Denied::Missing => Failure::Refused(format!(
            "there is no sandbox {name} in namespace {namespace}; `kubectl mote ps -n {namespace}` lists those there are"
        )),
        denied => denied.during(&format!("read sandbox {name}")),
    })
}

async fn sandbox(cluster: &Cluster, name: &str) -> Result<Sandbox, Denied> {
    let object = answer(cluster.sandboxes().get(name)).await?;
    Ok(Sandbox::from(&object))
}

async fn claimed(cluster: &Cluster, name: &str) -> Result<String, Failure> {
    let namespace = &cluster.namespace;
    let claim = answer(cluster.claims().get(name)).await;
    let claim = claim.map_err(|denied| match denied {
        Denied::Missing => Failure::Refused(format!(
            "there is no claim {name} in namespace {namespace}; `kubectl get sandboxclaims -n {namespace}` lists those there are"
        )),
        denied => denied.during(&format!("read claim {name}")),
    })?;
    objects::assigned(&claim).map_err(|why| {
        Failure::Refused(format!(
            "claim {name} has no sandbox yet ({why}); wait with `kubectl wait -n {namespace} sandboxclaim/{name} --for condition=Ready`"
        ))
    })
}

/// That a sandbox can be used now; or what to do about it.
pub(crate) fn usable(sandbox: &Sandbox) -> Result<(), Failure> {
    let Sandbox {
        namespace, name, ..
    } = sandbox;
    match &sandbox.state {
        State::Ready => Ok(()),
        State::Suspended if sandbox.wakes => Ok(()),
        State::Suspended => Err(Failure::Refused(format!(
            "sandbox {name} is suspended; {}",
            resume(sandbox)
        ))),
        State::Unready(reason, message) => Err(Failure::Refused(format!(
            "sandbox {name} is not ready ({reason}: {message}); `kubectl describe sandbox {name} -n {namespace}` tells more"
        ))),
    }
}

/// What to do with a sandbox that is suspended.
pub(crate) fn resume(sandbox: &Sandbox) -> String {
    let Sandbox {
        namespace, name, ..
    } = sandbox;
    format!(
        "resume it with `kubectl patch sandbox {name} -n {namespace} --type merge -p '{{\"spec\":{{\"operatingMode\":\"Running\"}}}}'`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Tier;

    #[test]
    fn a_name_may_have_a_kind_before_it() {
        for (text, name) in [
            ("work", Name::Sandbox("work".to_owned())),
            ("sandbox/a.b", Name::Sandbox("a.b".to_owned())),
            ("claim/task", Name::Claim("task".to_owned())),
            ("sandboxclaims/task", Name::Claim("task".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(name));
        }
        for text in [
            "", "Work", "a_b", "-a", "a/", "/a", "pod/a", "a/b/c", "a..b", "../x",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert!("a".repeat(MAX_NAME_BYTES).parse::<Name>().is_ok());
        assert!("a".repeat(MAX_NAME_BYTES + 1).parse::<Name>().is_err());
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do() {
        let mut sandbox = Sandbox {
            namespace: "n".to_owned(),
            name: "s".to_owned(),
            tier: Tier::Wasm,
            state: State::Suspended,
            pod: "s".to_owned(),
            node: None,
            addresses: Vec::new(),
            created: None,
            wakes: false,
            finished: false,
        };
        let said = |sandbox: &Sandbox| match usable(sandbox) {
            Err(Failure::Refused(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(said(&sandbox).contains(r#"-p '{"spec":{"operatingMode":"Running"}}'"#));
        sandbox.wakes = true;
        assert!(usable(&sandbox).is_ok());
        sandbox.state = State::Unready("PodPending".to_owned(), "waits".to_owned());
        assert!(said(&sandbox).contains("not ready (PodPending: waits)"));
    }
}
