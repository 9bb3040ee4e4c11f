//! Says of which network policies something is left out: a policy that cannot
//! be kept whole lets in nobody by the rest, and people are to know why.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Police;
use crate::context::Context;

/// What is left out of policies, as a sentence for each, by name.
pub(super) type Omissions = Arc<BTreeMap<String, String>>;

/// Events: a template's network policy is not kept whole.
const POLICY_CUT: &str = "NetworkPolicyCut";
const ACTION: &str = "PoliceSessions";

/// Tells of it in the log and on the templates, until `shutdown`.
pub(in crate::wasm) async fn tell(
    police: Arc<Police>,
    context: Arc<Context>,
    shutdown: CancellationToken,
) {
    let mut omissions = police.omissions.subscribe();
    let telling = async {
        let mut told = Omissions::default();
        loop {
            let now = omissions.borrow_and_update().clone();
            let new = news(&told, &now);
            // One line for all: templates are many where somebody wants them to be.
            if let Some((policy, why)) = new.first() {
                let count = new.len();
                tracing::warn!(count, policy, why, "network policies are not kept whole");
            }
            for (policy, why) in new {
                let name = policy.split_once('/');
                let template = name
                    .and_then(|(namespace, name)| context.caches.templates.get(namespace, name));
                if let Some(template) = template {
                    let events = &context.events;
                    events.warning(&*template, POLICY_CUT, ACTION, why);
                }
            }
            told = now;
            if omissions.changed().await.is_err() {
                return;
            }
        }
    };
    shutdown.run_until_cancelled(telling).await;
}

/// What was not told before: policies, each with a sentence.
fn news<'a>(told: &Omissions, now: &'a Omissions) -> Vec<(&'a str, &'a str)> {
    let new = now
        .iter()
        .filter(|(policy, why)| told.get(*policy) != Some(why));
    new.map(|(policy, why)| (policy.as_str(), why.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_told_again_only_if_it_is_another() {
        let all = |all: &[(&str, &str)]| -> Omissions {
            let all = all
                .iter()
                .map(|(name, why)| (name.to_string(), why.to_string()));
            Arc::new(all.collect())
        };
        let told = all(&[("ns/a", "why"), ("ns/b", "why")]);
        let now = all(&[("ns/a", "why"), ("ns/b", "because"), ("ns/c", "why")]);
        assert_eq!(news(&told, &now), [("ns/b", "because"), ("ns/c", "why")]);
    }
}
