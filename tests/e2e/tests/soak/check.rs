//! Whether everything is as it should be, once nothing happens any more.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use kube::api::ListParams;
use mote_controller::crd::{Condition, Sandbox, SandboxClaim};
use mote_e2e::execute;
use mote_rpc::v1::{Phase, Session};

use super::Soak;
use super::model::{READ, content};

/// Sessions of the story, each with its node, by the UID of its sandbox.
type Live = BTreeMap<String, Vec<(String, Session)>>;

fn is_true(conditions: &[Condition], type_: &str) -> bool {
    let mut conditions = conditions.iter();
    conditions.any(|it| it.type_ == type_ && it.status == "True")
}

fn sees(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Soak {
    /// Looks at objects, node hosts and sandboxes.
    ///
    /// # Errors
    /// The first thing that is otherwise than it should be.
    pub(crate) async fn check(&mut self) -> Result<(), String> {
        let every = ListParams::default();
        let sandboxes = self.story.api::<Sandbox>().list(&every).await;
        let sandboxes = sandboxes.map_err(|error| error.to_string())?.items;
        let claims = self.story.api::<SandboxClaim>().list(&every).await;
        let claims = claims.map_err(|error| error.to_string())?.items;
        let told = self
            .hosts
            .sessions()
            .await
            .map_err(|error| error.to_string())?;
        let mut live = Live::new();
        for (node, session) in told {
            if session.namespace == self.story.namespace {
                let here = live.entry(session.uid.clone()).or_default();
                here.push((node, session));
            }
        }
        self.all_there(&sandboxes, &claims)?;
        no_address_twice(&live)?;
        for sandbox in &sandboxes {
            matches_session(sandbox, live.remove(&sandbox.uid().unwrap_or_default()))?;
        }
        sees(live.is_empty(), || {
            format!("sessions without a sandbox: {live:?}")
        })?;
        self.all_serve(&sandboxes)
    }

    /// Every object that should be there is, and says that it is well.
    fn all_there(&self, sandboxes: &[Sandbox], claims: &[SandboxClaim]) -> Result<(), String> {
        let own = sandboxes
            .iter()
            .filter(|it| it.owner_references().is_empty());
        let own: BTreeSet<String> = own.map(ResourceExt::name_any).collect();
        let wanted: BTreeSet<String> = self.model.sandboxes.keys().cloned().collect();
        sees(own == wanted, || {
            format!("there are {own:?} and not {wanted:?}")
        })?;
        let there: BTreeSet<String> = claims.iter().map(ResourceExt::name_any).collect();
        sees(there == self.model.claims, || {
            format!("there are {there:?} and not {:?}", self.model.claims)
        })?;
        for claim in claims {
            let status = claim.status.as_ref();
            let ready = status.is_some_and(|it| is_true(&it.conditions, "Ready"));
            sees(ready, || format!("claim {}: {status:?}", claim.name_any()))?;
        }
        for (name, wanted) in &self.model.sandboxes {
            let found = sandboxes.iter().find(|it| it.name_any() == *name);
            let status = found.and_then(|it| it.status.as_ref());
            let type_ = if wanted.suspended {
                "Suspended"
            } else {
                "Ready"
            };
            let says = status.is_some_and(|it| is_true(&it.conditions, type_));
            sees(says, || format!("{name} is not {type_}: {status:?}"))?;
        }
        Ok(())
    }

    /// Whoever says that it is ready answers, and holds what was written.
    fn all_serve(&mut self, sandboxes: &[Sandbox]) -> Result<(), String> {
        for sandbox in sandboxes {
            let name = sandbox.name_any();
            let Some(status) = &sandbox.status else {
                continue;
            };
            if !is_true(&status.conditions, "Ready") {
                continue;
            }
            let address = status
                .pod_ips
                .first()
                .ok_or_else(|| format!("{name} has no address"))?;
            let printed = execute(address, READ)
                .map_err(|error| format!("{name} is ready and says {error}"))?;
            let Some(wanted) = self.model.sandboxes.get_mut(&name) else {
                continue;
            };
            let read = content(&printed)?;
            if !wanted.file.contains(&read) {
                self.history.fail(&format!(
                    "{name} holds {read:?} and not one of {:?}",
                    wanted.file
                ));
            }
            wanted.file = [read].into();
        }
        Ok(())
    }
}

fn no_address_twice(live: &Live) -> Result<(), String> {
    let mut whose = BTreeMap::new();
    for (node, session) in live.values().flatten() {
        for address in &session.addresses {
            let other = whose.insert(address.clone(), (node.clone(), session.name.clone()));
            sees(other.is_none(), || {
                format!("{address} is {}'s and that of {other:?}", session.name)
            })?;
        }
    }
    Ok(())
}

/// One session for a sandbox that runs, where its status says, and at most one
/// that stands still for one that does.
fn matches_session(sandbox: &Sandbox, live: Option<Vec<(String, Session)>>) -> Result<(), String> {
    let (name, live) = (sandbox.name_any(), live.unwrap_or_default());
    sees(live.len() <= 1, || {
        format!("{name} lives more than once: {live:?}")
    })?;
    let status = sandbox.status.clone().unwrap_or_default();
    let Some((node, session)) = live.first() else {
        let rests = is_true(&status.conditions, "Suspended");
        return sees(rests, || format!("{name} has no session: {status:?}"));
    };
    let here = status.node_name.as_ref() == Some(node);
    sees(here, || {
        format!("{name} is on {node} and says {:?}", status.node_name)
    })?;
    match session.phase() {
        Phase::Suspended => sees(
            is_true(&status.conditions, "Suspended") && status.pod_ips.is_empty(),
            || format!("{name} stands still and says {status:?}"),
        ),
        Phase::Running => sees(
            is_true(&status.conditions, "Ready") && status.pod_ips == session.addresses,
            || format!("{name} runs at {:?} and says {status:?}", session.addresses),
        ),
        other => Err(format!("{name} is {other:?}: {}", session.message)),
    }
}
