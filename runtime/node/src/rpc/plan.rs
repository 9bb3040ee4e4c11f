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
    /// It is told the generation, its policy and the files of its volumes, and
    /// goes on as it is.
    Follow,
    /// It is suspended.
    Suspend,
    /// It takes calls again, with the environment that its object has now.
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
    let whose = [
        ("namespace", held.namespace == wanted.object.namespace),
        ("name", held.name == wanted.object.name),
    ];
    immutable(uid, &whose)?;
    Ok(match (record.suspended, wanted.suspended) {
        (false, true) => Plan::Suspend,
        (true, false) => {
            immutable(uid, &made_of(record, held, wanted))?;
            immutable(uid, &record.outfit().compared(&wanted.outfit))?;
            Plan::Resume
        }
        // What it is made of is for the next time, as a pod's template is.
        _ if wanted.object.generation > held.generation => Plan::Follow,
        // Neither is part of what it is made of.
        _ if wanted.object.policy != held.policy => Plan::Follow,
        _ if !record.outfit().renewed(&wanted.outfit).is_empty() => Plan::Follow,
        _ => Plan::Keep,
    })
}

/// What it was made of, and whether that is what is wanted.
/// Its environment is no part of that: programs that begin later have another,
/// as a pod that is made anew would. Nor is its share of the processors, which
/// bounds nothing.
fn made_of(record: &Record, held: &Object, wanted: &Wanted) -> [(&'static str, bool); 3] {
    let (asked, now) = (&held.asked, &wanted.object.asked);
    [
        ("image", record.image == wanted.image),
        ("memory", asked.memory_bytes == now.memory_bytes),
        ("disk", asked.disk_bytes == now.disk_bytes),
    ]
}

fn immutable(uid: &impl std::fmt::Display, parts: &[(&'static str, bool)]) -> Result<(), Refused> {
    let differing: Vec<_> = parts
        .iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| *what)
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(Refused::new(
        Reason::Immutable,
        format!(
            "the {} of {uid} cannot change while it lives; delete it and make another",
            differing.join(" and the ")
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::wanted::tests::spec;
    use super::*;
    use crate::record::{Beginning, Terms};
    use jiff::Timestamp;
    use mote_api::Limits;
    use mote_rpc::v1::volume::Source;
    use mote_rpc::v1::{File, Files, SessionSpec, Volume};

    fn wanted(change: impl FnOnce(&mut SessionSpec)) -> Wanted {
        let mut spec = SessionSpec {
            generation: 5,
            volumes: vec![files("v", "1")],
            ..spec()
        };
        change(&mut spec);
        Wanted::parse(spec).unwrap()
    }

    fn files(name: &str, text: &str) -> Volume {
        let file = File {
            path: "f".to_owned(),
            content: text.into(),
            mode: 0o600,
        };
        Volume {
            name: name.to_owned(),
            source: Some(Source::Files(Files { files: vec![file] })),
        }
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
            pulled: None,
            outfit: held.outfit,
            duty: held.duty,
        };
        let record = Record::new(terms, beginning, Default::default(), Timestamp::UNIX_EPOCH);
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

    fn changes() -> [fn(&mut SessionSpec); 5] {
        [
            |spec| spec.image = "other".to_owned(),
            |spec| spec.volumes.clear(),
            |spec| spec.volumes.push(files("w", "1")),
            |spec| spec.working_dir = "/workspace/app".to_owned(),
            |spec| {
                spec.resources = Some(mote_rpc::v1::Resources {
                    disk_bytes: 1,
                    ..Default::default()
                });
            },
        ]
    }

    #[test]
    fn who_may_call_a_session_may_change_at_any_time() {
        for generation in [5, 6] {
            for suspended in [false, true] {
                let planned = planned(suspended, |spec| {
                    (spec.generation, spec.suspended) = (generation, suspended);
                    spec.policy = "other".to_owned();
                });
                assert_eq!(planned, Ok(Plan::Follow));
            }
        }
    }

    #[test]
    fn the_files_of_a_volume_may_change_at_any_time() {
        for suspended in [false, true] {
            let planned = |text: &'static str| {
                planned(suspended, |spec| {
                    spec.suspended = suspended;
                    spec.volumes = vec![files("v", text)];
                })
            };
            assert_eq!(planned("1"), Ok(Plan::Keep));
            assert_eq!(planned("2"), Ok(Plan::Follow));
        }
        let resumed = planned(true, |spec| spec.volumes = vec![files("v", "2")]);
        assert_eq!(resumed, Ok(Plan::Resume));
    }

    #[test]
    fn another_environment_is_for_the_next_time_and_taken_over_then() {
        let other = |held: bool, suspended| {
            planned(held, |spec| {
                spec.env.clear();
                spec.suspended = suspended;
            })
        };
        assert_eq!(other(false, false), Ok(Plan::Keep));
        assert_eq!(other(true, true), Ok(Plan::Keep));
        assert_eq!(other(true, false), Ok(Plan::Resume));
    }

    #[test]
    fn what_a_session_is_made_of_is_looked_at_when_it_comes_back() {
        for change in changes() {
            let asked = |held: bool, suspended| {
                planned(held, |spec| {
                    change(spec);
                    (spec.generation, spec.suspended) = (6, suspended);
                })
            };
            assert_eq!(asked(false, false), Ok(Plan::Follow));
            assert_eq!(asked(false, true), Ok(Plan::Suspend));
            assert_eq!(asked(true, false), Err(Reason::Immutable));
        }
    }

    #[test]
    fn a_session_never_becomes_another_ones() {
        let others: [fn(&mut SessionSpec); 2] = [
            |spec| spec.name = "other".to_owned(),
            |spec| spec.namespace = "other".to_owned(),
        ];
        for change in others {
            assert_eq!(planned(false, change), Err(Reason::Immutable));
        }
    }
}
