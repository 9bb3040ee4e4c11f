//! What has to be done to a session that is there, so that it is as wanted.

use mote_rpc::v1::refusal::Reason;

use super::ensure::Refused;
use super::wanted::Wanted;
use crate::record::{Object, Record};

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Keep,
    /// It is told the generation, and goes on as it is.
    Follow,
    /// It is suspended.
    Suspend,
    /// It takes calls again.
    Resume,
}

/// What has to be done to the session of `record`, the one of `held`.
///
/// # Errors
/// It cannot, or may not, become what is wanted.
pub(super) fn plan(record: &Record, held: &Object, wanted: &Wanted) -> Result<Plan, Refused> {
    let uid = &wanted.id;
    if wanted.object.generation < held.generation {
        return Err(Refused::new(
            Reason::Stale,
            format!(
                "generation {} of {uid} is older than {}, which is here; read the object again",
                wanted.object.generation, held.generation
            ),
        ));
    }
    let differing = differing(record, held, wanted);
    if !differing.is_empty() {
        return Err(Refused::new(
            Reason::Immutable,
            format!(
                "the {} of {uid} cannot change while it lives; delete it and make another",
                differing.join(" and the ")
            ),
        ));
    }
    Ok(match (record.suspended, wanted.suspended) {
        (false, true) => Plan::Suspend,
        (true, false) => Plan::Resume,
        _ if wanted.object.generation > held.generation => Plan::Follow,
        _ => Plan::Keep,
    })
}

/// What of it is wanted otherwise, and cannot change.
fn differing(record: &Record, held: &Object, wanted: &Wanted) -> Vec<&'static str> {
    let Object {
        namespace,
        name,
        generation: _,
        asked,
    } = held;
    [
        ("namespace", *namespace == wanted.object.namespace),
        ("name", *name == wanted.object.name),
        ("image", record.image == wanted.image),
        ("environment", record.env == wanted.env),
        ("resources", *asked == wanted.object.asked),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(what, _)| what)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::wanted::tests::spec;
    use super::*;
    use crate::record::{Beginning, Terms};
    use jiff::Timestamp;
    use mote_api::Limits;
    use mote_rpc::v1::SessionSpec;

    fn wanted(change: impl FnOnce(&mut SessionSpec)) -> Wanted {
        let mut spec = SessionSpec {
            generation: 5,
            ..spec()
        };
        change(&mut spec);
        Wanted::parse(spec).unwrap()
    }

    fn planned(suspended: bool, change: impl FnOnce(&mut SessionSpec)) -> Result<Plan, Reason> {
        let held = wanted(|_| {});
        let terms = Terms {
            id: held.id,
            image: held.image,
            grants: Vec::new(),
            limits: Limits::default(),
            env: held.env,
            labels: Default::default(),
            idle_timeout_seconds: None,
            ttl_seconds: None,
        };
        let beginning = Beginning {
            object: Some(held.object.clone()),
            suspended,
        };
        let record = Record::new(terms, beginning, None, Timestamp::UNIX_EPOCH);
        plan(&record, &held.object, &wanted(change)).map_err(|refused| refused.reason)
    }

    #[test]
    fn asking_again_changes_nothing() {
        for suspended in [false, true] {
            let again = planned(suspended, |spec| spec.suspended = suspended);
            assert_eq!(again, Ok(Plan::Keep));
        }
    }

    #[test]
    fn suspending_and_resuming_are_states_that_are_asked_for() {
        for generation in [5, 6] {
            let asked = |spec: &mut SessionSpec, suspended| {
                (spec.generation, spec.suspended) = (generation, suspended);
            };
            let suspend = planned(false, |spec| asked(spec, true));
            assert_eq!(suspend, Ok(Plan::Suspend));
            let resume = planned(true, |spec| asked(spec, false));
            assert_eq!(resume, Ok(Plan::Resume));
        }
    }

    #[test]
    fn a_node_goes_on_to_later_generations_and_never_back() {
        let at = |generation| planned(false, |spec| spec.generation = generation);
        assert_eq!(at(6), Ok(Plan::Follow));
        assert_eq!(at(4), Err(Reason::Stale));
        let both = planned(false, |spec| {
            spec.generation = 4;
            spec.image = "other".to_owned();
        });
        assert_eq!(both, Err(Reason::Stale));
    }

    #[test]
    fn what_a_session_was_made_of_cannot_change() {
        let changes: [fn(&mut SessionSpec); 5] = [
            |spec| spec.image = "other".to_owned(),
            |spec| spec.env.clear(),
            |spec| spec.name = "other".to_owned(),
            |spec| spec.namespace = "other".to_owned(),
            |spec| {
                spec.resources = Some(mote_rpc::v1::Resources {
                    cpu_millis: 1,
                    ..Default::default()
                });
            },
        ];
        for change in changes {
            for generation in [5, 6] {
                let planned = planned(false, |spec| {
                    change(spec);
                    spec.generation = generation;
                });
                assert_eq!(planned, Err(Reason::Immutable));
            }
        }
    }
}
