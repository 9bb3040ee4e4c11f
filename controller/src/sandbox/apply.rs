//! Does what was decided, in this order: volume claims, the pod's name, the
//! pod, the service. Whichever write is the last before a crash, the next pass
//! finds what was made and goes on from there.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};

use super::backing::{Backing, Observed};
use super::build;
use super::observe::View;
use super::place::{Placement, Step, found};
use super::refusal::{Ownership, Refusal, Trouble, ownership};
use super::report::{Findings, ServiceFound};
use super::service::{self, ServiceStep};
use super::validate::Subject;
use crate::context::Context;
use crate::crd::{Sandbox, ShutdownPolicy, VolumeClaimTemplate};
use crate::write::{Deletion, WriteError};

/// The context and the sandbox that a step works for.
pub(super) struct Hands<'a> {
    /// Writes and reads.
    pub(super) context: &'a Context,
    /// For whom.
    pub(super) subject: &'a Subject<'a>,
}

/// Everything that was decided for a sandbox that is alive.
pub(super) struct Plan<'a> {
    /// Its volume claims.
    pub(super) claims: Result<Vec<(String, &'a VolumeClaimTemplate)>, Refusal>,
    /// Its pod.
    pub(super) placement: Placement,
    /// Its service.
    pub(super) service: ServiceStep,
}

impl Hands<'_> {
    /// Does it all. What cannot be done keeps nothing else from being done, but
    /// for two things: no pod is made before its volumes are ours, and no
    /// service leads to a sandbox with several pods.
    ///
    /// # Errors
    /// Where the cache was behind: the pass is worth nothing and comes again.
    pub(super) async fn apply(&self, plan: Plan<'_>) -> Result<Findings, WriteError> {
        let Plan {
            claims,
            placement,
            service,
        } = plan;
        let mut troubles = Vec::new();
        if needs_claims(&placement.step) {
            troubles.extend(self.claim_volumes(claims).await.err());
        }
        let several = matches!(placement.step, Step::Refuse(Refusal::MultiplePods(_)));
        let observed = if placement.step == Step::Create && !troubles.is_empty() {
            Observed::Absent
        } else {
            let (observed, trouble) = self.settle(placement).await;
            troubles.extend(trouble);
            observed
        };
        let service = if several {
            ServiceFound::Unknown
        } else {
            self.serve(service).await.unwrap_or_else(|trouble| {
                troubles.push(trouble);
                ServiceFound::Unknown
            })
        };
        races_apart(troubles).map(|troubles| Findings {
            observed,
            service,
            troubles,
            again: None,
            nowhere: false,
        })
    }

    async fn claim_volumes(
        &self,
        claims: Result<Vec<(String, &VolumeClaimTemplate)>, Refusal>,
    ) -> Result<(), Trouble> {
        for (name, template) in claims? {
            self.claim_volume(&name, template).await?;
        }
        Ok(())
    }

    /// Asked of the API server: nobody watches volume claims.
    async fn claim_volume(
        &self,
        name: &str,
        template: &VolumeClaimTemplate,
    ) -> Result<(), Trouble> {
        let Self { context, subject } = self;
        let Some(here) = context
            .get::<PersistentVolumeClaim>(subject.namespace, name)
            .await?
        else {
            context
                .create(&build::volume_claim(subject, name, template))
                .await?;
            return Ok(());
        };
        let (kind, name) = ("PersistentVolumeClaim", name.to_owned());
        match ownership(&here.metadata, subject) {
            Ownership::Foreign(owner) => Err(Refusal::Foreign { kind, name, owner }.into()),
            Ownership::Nobodys => Err(Refusal::NotAdoptable { kind, name }.into()),
            _ if here.metadata.deletion_timestamp.is_some() => {
                Err(Refusal::ClaimTerminating { name }.into())
            }
            Ownership::Ours => Ok(()),
            Ownership::Offered => {
                let patch = build::adoption(subject, &here.metadata);
                context
                    .merge_patch::<PersistentVolumeClaim>(subject.namespace, &name, &patch)
                    .await?;
                Ok(())
            }
        }
    }

    async fn settle(&self, placement: Placement) -> (Observed, Option<Trouble>) {
        let Placement {
            forget_pod_name,
            step,
        } = placement;
        let done = match self.forget(forget_pod_name).await {
            Ok(()) => self.step(step).await,
            Err(error) => Err(error.into()),
        };
        done.unwrap_or_else(|trouble| (Observed::Unknown, Some(trouble)))
    }

    async fn forget(&self, forget: bool) -> Result<(), WriteError> {
        let Self { context, subject } = self;
        if forget {
            let patch = build::forget_pod_name(subject);
            context
                .merge_patch::<Sandbox>(subject.namespace, subject.name, &patch)
                .await?;
        }
        Ok(())
    }

    async fn step(&self, step: Step) -> Result<(Observed, Option<Trouble>), Trouble> {
        let Self { context, subject } = self;
        match step {
            Step::Create => match context.create(&build::pod(subject)).await {
                Ok(pod) => Ok((self.here(&pod), None)),
                Err(WriteError::AlreadyExists(_)) => self.meet().await,
                Err(error) => Err(error.into()),
            },
            other => self.existing(other).await,
        }
    }

    /// The cache has no pod and the API server does: one that was just made,
    /// or one that is not labelled as ours.
    async fn meet(&self) -> Result<(Observed, Option<Trouble>), Trouble> {
        let Self { context, subject } = self;
        let Some(pod) = context.get::<Pod>(subject.namespace, subject.name).await? else {
            return Err(WriteError::NotFound(format!(
                "Pod {}/{}",
                subject.namespace, subject.name
            ))
            .into());
        };
        let Placement {
            forget_pod_name,
            step,
        } = found(subject, &Arc::new(pod));
        self.forget(forget_pod_name).await?;
        self.existing(step).await
    }

    async fn existing(&self, step: Step) -> Result<(Observed, Option<Trouble>), Trouble> {
        let subject = self.subject;
        let observed = match step {
            Step::Create | Step::Nothing => Observed::Absent,
            Step::Keep(pod) => match build::pod_update(subject, &pod) {
                Some(patch) => self.patch_pod(&pod, &patch).await?,
                None => self.here(&pod),
            },
            Step::Adopt(pod) => {
                self.patch_pod(&pod, &build::pod_adoption(subject, &pod))
                    .await?
            }
            Step::Delete(pod) => {
                return Ok((
                    self.here(&pod),
                    self.delete(&*pod).await.err().map(Trouble::from),
                ));
            }
            Step::Leave(pod) => self.here(&pod),
            Step::Refuse(refusal) => return Err(refusal.into()),
        };
        Ok((observed, None))
    }

    async fn patch_pod(
        &self,
        pod: &Pod,
        patch: &serde_json::Value,
    ) -> Result<Observed, WriteError> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let pod = self
            .context
            .merge_patch::<Pod>(self.subject.namespace, name, patch)
            .await?;
        Ok(self.here(&pod))
    }

    fn here(&self, pod: &Pod) -> Observed {
        Observed::Here(Backing::of_pod(self.subject, pod))
    }

    /// Does what was decided about the service.
    pub(super) async fn serve(&self, step: ServiceStep) -> Result<ServiceFound, Trouble> {
        let Self { context, subject } = self;
        if step != ServiceStep::Create {
            return self.existing_service(step).await;
        }
        match context.create(&build::service(subject)).await {
            Ok(_) => Ok(ServiceFound::Here),
            Err(WriteError::AlreadyExists(_)) => {
                let here = context
                    .get::<Service>(subject.namespace, subject.name)
                    .await?
                    .map(Arc::new);
                self.existing_service(service::decide(subject, here.as_ref()))
                    .await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn existing_service(&self, step: ServiceStep) -> Result<ServiceFound, Trouble> {
        let Self { context, subject } = self;
        match step {
            // It went away while it was looked at: the next pass makes it.
            ServiceStep::Create => Err(WriteError::NotFound(format!(
                "Service {}/{}",
                subject.namespace, subject.name
            ))
            .into()),
            ServiceStep::Nothing => Ok(ServiceFound::Absent),
            ServiceStep::Keep => Ok(ServiceFound::Here),
            ServiceStep::Patch(patch) => {
                context
                    .merge_patch::<Service>(subject.namespace, subject.name, &patch)
                    .await?;
                Ok(ServiceFound::Here)
            }
            ServiceStep::Delete(service) => {
                self.delete(&*service).await?;
                Ok(ServiceFound::Absent)
            }
            ServiceStep::Refuse(refusal) => Err(refusal.into()),
        }
    }

    /// Removes what an expired sandbox has. Volume claims stay: an expiry ends
    /// what runs, and the object's end is the data's. True if the object went too.
    ///
    /// # Errors
    /// What the API server says.
    pub(super) async fn clean_up(&self, view: &View) -> Result<bool, WriteError> {
        let subject = self.subject;
        let mut failed = None;
        let going = |pod: &&Arc<Pod>| pod.metadata.deletion_timestamp.is_none();
        for pod in view.owned.iter().filter(going) {
            failed = self.delete(&**pod).await.err().or(failed);
        }
        let service = view.service.as_ref();
        if let Some(service) =
            service.filter(|service| ownership(&service.metadata, subject) == Ownership::Ours)
        {
            failed = self.delete(&**service).await.err().or(failed);
        }
        if subject.sandbox.spec.shutdown_policy == ShutdownPolicy::Delete {
            // What could not be removed goes with its owner.
            self.delete(subject.sandbox).await?;
            return Ok(true);
        }
        failed.map_or(Ok(false), Err)
    }

    /// Deletes this very object, not one that has its name by now. One that is
    /// gone already is no error.
    async fn delete<K: crate::write::Stored>(&self, object: &K) -> Result<(), WriteError> {
        let meta = object.meta();
        let how = Deletion {
            uid: meta.uid.clone(),
            ..Deletion::default()
        };
        let name = meta.name.as_deref().unwrap_or_default();
        match self
            .context
            .delete::<K>(self.subject.namespace, name, how)
            .await
        {
            Err(WriteError::NotFound(_)) => Ok(()),
            done => done,
        }
    }
}

/// A pod that has a node has its volumes: they cannot go before it does.
fn needs_claims(step: &Step) -> bool {
    match step {
        Step::Create | Step::Nothing | Step::Adopt(_) => true,
        Step::Keep(pod) | Step::Delete(pod) | Step::Leave(pod) => pod
            .spec
            .as_ref()
            .is_none_or(|spec| spec.node_name.is_none()),
        Step::Refuse(_) => false,
    }
}

pub(super) fn races_apart(troubles: Vec<Trouble>) -> Result<Vec<Trouble>, WriteError> {
    let (races, troubles): (Vec<_>, Vec<_>) = troubles.into_iter().partition(Trouble::is_race);
    match races.into_iter().next() {
        Some(Trouble::Write(race)) => Err(race),
        Some(Trouble::Refused(_) | Trouble::Node(..) | Trouble::Missing(_)) | None => Ok(troubles),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixtures::{own_pod, ready_pod, shared};

    #[test]
    fn volume_claims_are_looked_at_until_the_pod_has_a_node() {
        for (step, looked_at) in [
            (Step::Create, true),
            (Step::Nothing, true),
            (Step::Keep(shared(own_pod("Pending"))), true),
            (Step::Keep(shared(ready_pod())), false),
            (Step::Refuse(Refusal::MultiplePods(2)), false),
        ] {
            assert_eq!(needs_claims(&step), looked_at, "{step:?}");
        }
    }

    #[test]
    fn a_race_makes_the_pass_come_again_and_is_not_told() {
        let race = || Trouble::Write(WriteError::Conflict("Pod a/b".to_owned()));
        let refused = || Trouble::Refused(Refusal::MultiplePods(2));
        assert!(races_apart(vec![refused(), race()]).is_err());
        assert_eq!(races_apart(vec![refused()]).unwrap().len(), 1);
    }
}
