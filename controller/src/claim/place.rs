//! Which sandbox a claim has, or how it shall get one. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::build::reference;
use super::candidate::Pool;
use super::domains::Domains;
use super::metadata;
use super::refusal::Refusal;
use crate::crd::{Sandbox, SandboxClaim, SandboxTemplate, SandboxWarmPool};
use crate::names::is_controlled_by;
use std::time::Duration;

/// How long a young claim waits for a sandbox of its pool to have an address:
/// a pod gets it within a second or so, and a new one is no faster.
const GRACE: Duration = Duration::from_secs(2);
/// How often it looks again meanwhile, should it not be told.
const GRACE_STEP: Duration = Duration::from_millis(500);

/// What a pass knows.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// The claim.
    pub claim: SandboxClaim,
    /// Its pool.
    pub pool: Option<SandboxWarmPool>,
    /// Its pool's template.
    pub template: Option<SandboxTemplate>,
    /// The sandbox that the claim's status names.
    pub by_status: Option<Sandbox>,
    /// The sandbox that the claim's metadata names.
    pub by_reference: Option<Sandbox>,
    /// The sandbox of the claim's own name.
    pub namesake: Option<Sandbox>,
}

/// What is to be done about the claim's sandbox.
#[derive(Debug, PartialEq)]
pub(super) enum Decision<'a> {
    /// The claim gets none now.
    Refuse(Refusal),
    /// The claim has this one.
    Keep(&'a Sandbox),
    /// The claim has written this one down and then did not get to take it.
    Finish(&'a Sandbox),
    /// It takes one from its pool or, if there is none, makes one.
    Adopt,
    /// It makes one: what it brings no running sandbox can be given.
    Create,
}

/// Decides. A sandbox that is the claim's own is found by the status, by what
/// the claim wrote down before, and by its name, in this order.
pub(super) fn decide<'a>(view: &'a View, domains: &Domains) -> Decision<'a> {
    let claim = &view.claim;
    if let Err(refusal) = metadata::validate(&claim.spec.additional_pod_metadata, domains) {
        return Decision::Refuse(refusal);
    }
    let has = |sandbox: &&Sandbox| controls(claim, sandbox);
    if let Some(sandbox) = view.by_status.as_ref().filter(has) {
        return Decision::Keep(sandbox);
    }
    if let Some(sandbox) = view.by_reference.as_ref() {
        if has(&sandbox) {
            return Decision::Keep(sandbox);
        }
        if view.offers(sandbox) {
            return Decision::Finish(sandbox);
        }
    }
    match view.namesake.as_ref() {
        Some(sandbox) if has(&sandbox) => return Decision::Keep(sandbox),
        Some(_) => return Decision::Refuse(Refusal::Taken(claim.name_any())),
        None => {}
    }
    if view.pool.is_none() {
        return Decision::Refuse(Refusal::PoolNotFound(claim.spec.warm_pool_ref.name.clone()));
    }
    match claim.spec.env.is_empty() && claim.spec.volume_claim_templates.is_empty() {
        true => Decision::Adopt,
        false => Decision::Create,
    }
}

impl View {
    /// Whether the claim's pool would give it the sandbox.
    pub(super) fn offers(&self, sandbox: &Sandbox) -> bool {
        let pool = self
            .pool
            .as_ref()
            .map(|pool| Pool::new(pool, self.template.as_ref()));
        pool.is_some_and(|pool| pool.offers(sandbox))
    }

    /// Whether what the claim wrote down leads to no sandbox of its own.
    pub(super) fn reference_is_stale(&self) -> bool {
        let leads = |sandbox: &Sandbox| controls(&self.claim, sandbox) || self.offers(sandbox);
        reference(&self.claim).is_some() && !self.by_reference.as_ref().is_some_and(leads)
    }

    /// The template, to make a sandbox from.
    ///
    /// # Errors
    /// The pool or the template that is not there.
    pub(super) fn template(&self) -> Result<&SandboxTemplate, Refusal> {
        let pool = self
            .pool
            .as_ref()
            .ok_or_else(|| Refusal::PoolNotFound(self.claim.spec.warm_pool_ref.name.clone()))?;
        self.template
            .as_ref()
            .ok_or_else(|| Refusal::TemplateNotFound(pool.spec.sandbox_template_ref.name.clone()))
    }
}

/// Whether the claim controls the sandbox.
pub(super) fn controls(claim: &SandboxClaim, sandbox: &Sandbox) -> bool {
    let uid = claim.metadata.uid.as_deref().unwrap_or_default();
    is_controlled_by(&sandbox.metadata, uid)
}

/// How long a claim waits before it looks again for a sandbox with an address;
/// `None` once it has waited long enough.
pub(super) fn grace(claim: &SandboxClaim, now: Timestamp) -> Option<Duration> {
    let made = claim.metadata.creation_timestamp.as_ref()?.0;
    // Creation times are in whole seconds: what is left is never too long.
    let end = made.checked_add(GRACE).ok()?;
    if end <= now {
        return None;
    }
    Some(end.duration_since(now).unsigned_abs().min(GRACE_STEP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::fixtures::{at, claim, owned, pool, template, warm};
    use crate::crd::{AssignedSandbox, ClaimEnvVar, SandboxClaimStatus, VolumeClaimTemplate};
    use crate::names::{annotation, label};

    fn view() -> View {
        View {
            claim: claim("c"),
            pool: Some(pool("p", "t")),
            template: Some(template("t")),
            by_status: None,
            by_reference: None,
            namesake: None,
        }
    }

    fn noted(mut view: View, name: &str) -> View {
        let annotations = view.claim.annotations_mut();
        annotations.insert(annotation::SANDBOX_NAME.to_owned(), name.to_owned());
        view
    }

    fn decided(view: &View) -> Decision<'_> {
        decide(view, &Domains::default())
    }

    #[test]
    fn a_claim_without_a_sandbox_adopts_one() {
        assert_eq!(decided(&view()), Decision::Adopt);
    }

    #[test]
    fn variables_and_volumes_pass_warm_candidates_by() {
        let mut with_env = view();
        with_env.claim.spec.env = vec![ClaimEnvVar::default()];
        assert_eq!(decided(&with_env), Decision::Create);
        let mut with_volume = view();
        with_volume.claim.spec.volume_claim_templates = vec![VolumeClaimTemplate::default()];
        assert_eq!(decided(&with_volume), Decision::Create);
    }

    #[test]
    fn the_status_goes_before_the_reference_and_the_name() {
        let mut view = noted(view(), "b");
        view.claim.status = Some(SandboxClaimStatus {
            sandbox: Some(AssignedSandbox {
                name: Some("a".to_owned()),
                pod_ips: vec![],
            }),
            conditions: vec![],
        });
        for (slot, name) in [(0, "c"), (1, "b"), (2, "a")] {
            let sandbox = Some(owned(name, &view.claim));
            match slot {
                0 => view.namesake = sandbox,
                1 => view.by_reference = sandbox,
                _ => view.by_status = sandbox,
            }
            let Decision::Keep(kept) = decided(&view) else {
                panic!("{:?}", decided(&view))
            };
            assert_eq!(kept.name_any(), name);
        }
    }

    #[test]
    fn a_claim_that_has_a_sandbox_never_adopts_another() {
        let mut bound = noted(view(), "a");
        bound.by_reference = Some(owned("a", &bound.claim));
        bound.pool = None;
        bound.template = None;
        assert!(
            matches!(decided(&bound), Decision::Keep(_)),
            "though pool and template are gone"
        );
    }

    #[test]
    fn a_half_done_adoption_is_finished() {
        let mut half = noted(view(), "s");
        half.by_reference = Some(warm("s", half.pool.as_ref().unwrap()));
        assert!(matches!(decided(&half), Decision::Finish(_)));
        assert!(!half.reference_is_stale());
    }

    #[test]
    fn a_reference_to_what_is_gone_or_of_another_claim_or_pool_is_dropped() {
        let mut lost = noted(view(), "s");
        assert_eq!(
            (decided(&lost), lost.reference_is_stale()),
            (Decision::Adopt, true)
        );
        let mut other = claim("other");
        other.metadata.uid = Some("other".to_owned());
        for foreign in [owned("s", &other), warm("s", &pool("q", "t"))] {
            lost.by_reference = Some(foreign);
            assert_eq!(
                (decided(&lost), lost.reference_is_stale()),
                (Decision::Adopt, true)
            );
        }
        assert!(!view().reference_is_stale());
    }

    #[test]
    fn an_old_reference_by_label_counts_too() {
        let mut old = view();
        old.claim
            .labels_mut()
            .insert(label::SANDBOX_NAME.to_owned(), "s".to_owned());
        old.by_reference = Some(owned("s", &old.claim));
        assert!(matches!(decided(&old), Decision::Keep(_)));
    }

    #[test]
    fn a_sandbox_of_the_claims_name_that_is_not_its_own_is_in_the_way() {
        let mut taken = view();
        let mut foreign = owned("c", &taken.claim);
        foreign.metadata.owner_references = None;
        taken.namesake = Some(foreign);
        let Decision::Refuse(refusal) = decided(&taken) else {
            panic!()
        };
        assert_eq!(refusal.reason(), "ReconcilerError");
    }

    #[test]
    fn without_a_pool_or_a_template_the_claim_says_which() {
        let mut bare = view();
        bare.template = None;
        assert_eq!(
            decided(&bare),
            Decision::Adopt,
            "what is warm can still be had"
        );
        let refusal = bare.template().unwrap_err();
        let told = (refusal.reason(), refusal.to_string());
        assert_eq!(
            told,
            (
                "TemplateNotFound",
                "SandboxTemplate \"t\" not found".to_owned()
            )
        );
        bare.pool = None;
        let Decision::Refuse(refusal) = decided(&bare) else {
            panic!()
        };
        let told = (refusal.reason(), refusal.to_string());
        assert_eq!(
            told,
            (
                "WarmPoolNotFound",
                "SandboxWarmPool \"p\" not found".to_owned()
            )
        );
    }

    #[test]
    fn bad_metadata_is_refused_before_anything_is_looked_for() {
        let mut bad = view();
        bad.by_reference = Some(owned("s", &bad.claim));
        let labels = &mut bad.claim.spec.additional_pod_metadata.labels;
        labels.insert("team".to_owned(), "a".to_owned());
        let Decision::Refuse(refusal) = decided(&bad) else {
            panic!()
        };
        assert_eq!(refusal.reason(), "InvalidMetadata");
    }

    #[test]
    fn a_young_claim_waits_two_seconds_for_an_address() {
        let claim = claim("c");
        assert_eq!(grace(&claim, at(0)), Some(GRACE_STEP));
        let nearly = at(1).checked_add(Duration::from_millis(900)).unwrap();
        assert_eq!(grace(&claim, nearly), Some(Duration::from_millis(100)));
        assert_eq!(grace(&claim, at(2)), None);
    }
}
