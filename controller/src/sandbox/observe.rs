//! What is there for a sandbox: from the caches, and from the API server where
//! a cache cannot know.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};

use super::report::SUSPENDED;
use super::validate::Subject;
use crate::condition;
use crate::context::Context;
use crate::names::is_controlled_by;
use crate::write::WriteError;

/// What is there.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// The pod of the name that is looked for, whoever owns it.
    pub(super) tracked: Option<Arc<Pod>>,
    /// Every pod that the sandbox controls, whatever its name.
    pub(super) owned: Vec<Arc<Pod>>,
    /// The service with the sandbox's name, whoever owns it.
    pub(super) service: Option<Arc<Service>>,
}

/// Looks around.
///
/// # Errors
/// What the API server says, where it is asked.
pub(super) async fn observe(context: &Context, subject: &Subject<'_>) -> Result<View, WriteError> {
    let (pods, services) = (&context.caches.pods, &context.caches.services);
    let mut tracked = pods.get(subject.namespace, subject.pod_name());
    let owned = pods.owned_by(subject.uid);
    if tracked.is_none() && owned.is_empty() && cache_may_miss(subject) {
        tracked = context
            .get::<Pod>(subject.namespace, subject.pod_name())
            .await?
            .map(Arc::new);
    }
    Ok(View {
        owned: with_tracked(owned, tracked.as_ref(), subject.uid),
        tracked,
        service: services.get(subject.namespace, subject.name),
    })
}

/// The cache holds pods with the tracking label. A pod to be adopted may not
/// have it yet; and that a sandbox is suspended is not said before it is sure.
/// Everywhere else, a pod that the cache lacks is met when it is created.
fn cache_may_miss(subject: &Subject<'_>) -> bool {
    let named_otherwise = subject.pod_name() != subject.name;
    named_otherwise || (subject.is_suspended() && !says_suspended(subject))
}

fn says_suspended(subject: &Subject<'_>) -> bool {
    let status = subject.sandbox.status.as_ref();
    status.is_some_and(|status| condition::is_true(&status.conditions, SUSPENDED))
}

/// A pod of ours that was read live counts once.
fn with_tracked(mut owned: Vec<Arc<Pod>>, tracked: Option<&Arc<Pod>>, uid: &str) -> Vec<Arc<Pod>> {
    if let Some(pod) = tracked
        && is_controlled_by(&pod.metadata, uid)
        && !owned
            .iter()
            .any(|other| other.metadata.name == pod.metadata.name)
    {
        owned.push(pod.clone());
    }
    owned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::annotation;
    use crate::sandbox::fixtures::{annotated, at, own_pod, sandbox, shared, subject, suspended};

    #[test]
    fn a_pod_found_twice_counts_once() {
        let pod = shared(own_pod("Running"));
        assert_eq!(
            with_tracked(
                vec![pod.clone()],
                Some(&shared(own_pod("Pending"))),
                "uid-of-box"
            )
            .len(),
            1
        );
        assert_eq!(with_tracked(vec![], Some(&pod), "uid-of-box").len(), 1);
    }

    #[test]
    fn without_an_owners_uid_no_pod_is_owned() {
        let mut pod = own_pod("Running");
        pod.metadata.owner_references.as_mut().unwrap()[0].uid = String::new();
        assert!(with_tracked(vec![], Some(&shared(pod)), "").is_empty());
    }

    #[test]
    fn the_api_server_is_asked_only_where_the_cache_cannot_know() {
        assert!(!cache_may_miss(&subject(&sandbox())));
        assert!(!cache_may_miss(&subject(&annotated(
            annotation::POD_NAME,
            Some("box")
        ))));
        assert!(cache_may_miss(&subject(&annotated(
            annotation::POD_NAME,
            Some("other")
        ))));
        let mut sandbox = suspended();
        assert!(cache_may_miss(&subject(&sandbox)));
        let mut status = crate::crd::SandboxStatus::default();
        let saying = condition::Saying::new(condition::Status::True, "PodTerminated", "");
        condition::set(&mut status.conditions, SUSPENDED, saying, 3, at(1));
        sandbox.status = Some(status);
        assert!(!cache_may_miss(&subject(&sandbox)));
    }
}
