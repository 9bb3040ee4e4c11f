use serde_json::{Value, json};

use super::super::testing;
use super::*;

const NOW: i64 = 100_000;
const GRACE: i64 = 5 * 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn template() -> Value {
    json!({ "podTemplate": { "spec": { "containers": [] } } })
}

/// A ready sandbox of the pool.
fn ready(name: &str, created: i64) -> Member {
    Member {
        name: name.into(),
        uid: name.into(),
        owned: true,
        ready: true,
        created: at(created),
        since: at(created),
        ..Member::default()
    }
}

fn unready(name: &str, created: i64) -> Member {
    Member {
        ready: false,
        ..ready(name, created)
    }
}

fn orphan(name: &str) -> Member {
    Member {
        owned: false,
        ..ready(name, NOW)
    }
}

fn stale(name: &str) -> Member {
    Member {
        stale: true,
        ..ready(name, NOW)
    }
}

fn stuck(name: &str) -> Member {
    Member {
        unschedulable: Some("0/1 nodes".into()),
        ..unready(name, NOW - GRACE)
    }
}

fn view(members: Vec<Member>) -> View {
    View {
        members,
        ..View::default()
    }
}

fn plan(wanted: &Wanted, view: &View) -> Plan {
    plan_with(wanted, view, &Settings::default())
}

fn plan_with(wanted: &Wanted, view: &View, settings: &Settings) -> Plan {
    place(wanted, view, &mut Pace::default(), settings, at(NOW))
}

fn keeping(replicas: i32) -> Wanted {
    testing::pool(replicas, &template()).1
}

fn recreating(replicas: i32) -> Wanted {
    testing::recreating(replicas, &template()).1
}

fn names(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.name.as_str()).collect()
}

#[test]
fn a_pool_that_lacks_sandboxes_creates_them() {
    assert_eq!(plan(&keeping(3), &view(vec![])).create, 3);
    assert_eq!(plan(&keeping(3), &view(vec![ready("a", 0)])).create, 2);
}

#[test]
fn a_full_pool_does_nothing() {
    let plan = plan(&keeping(2), &view(vec![ready("a", 0), ready("b", 0)]));
    assert_eq!(
        (
            plan.create,
            plan.delete.len(),
            plan.adopt.len(),
            plan.again_in
        ),
        (0, 0, 0, None)
    );
}

#[test]
fn a_pool_of_none_deletes_all() {
    let plan = plan(&keeping(0), &view(vec![ready("a", 0), unready("b", NOW)]));
    assert_eq!((plan.create, plan.delete.len(), plan.keep.len()), (0, 2, 0));
}

#[test]
fn fewer_than_none_is_none() {
    assert_eq!(plan(&keeping(-1), &view(vec![])).create, 0);
}

#[test]
fn too_many_go_unready_first_and_then_the_newest() {
    let members = || {
        vec![
            ready("old", 1),
            ready("new", 9),
            unready("not", NOW - 5),
            ready("mid", 5),
        ]
    };
    assert_eq!(names(&plan(&keeping(3), &view(members())).delete), ["not"]);
    assert_eq!(
        names(&plan(&keeping(1), &view(members())).delete),
        ["not", "new", "mid"]
    );
}

#[test]
fn orphans_are_adopted() {
    let plan = plan(&keeping(2), &view(vec![ready("a", 0), orphan("b")]));
    assert_eq!((names(&plan.adopt), plan.create), (vec!["b"], 0));
}

#[test]
fn an_orphan_too_many_is_deleted_and_not_adopted() {
    let plan = plan(&keeping(1), &view(vec![ready("a", 0), orphan("b")]));
    assert_eq!((names(&plan.delete), plan.adopt.len()), (vec!["b"], 0));
}

#[test]
fn a_stale_orphan_is_adopted_only_where_stale_ones_stay() {
    let orphan = || Member {
        stale: true,
        ..orphan("a")
    };
    assert_eq!(
        names(&plan(&keeping(1), &view(vec![orphan()])).adopt),
        ["a"]
    );
    let plan = plan(&recreating(1), &view(vec![orphan()]));
    assert_eq!((names(&plan.delete), plan.adopt.len()), (vec!["a"], 0));
}

#[test]
fn what_is_on_its_way_out_takes_its_place() {
    let view = View {
        terminating: 2,
        ..view(vec![ready("a", 0)])
    };
    assert_eq!(plan(&keeping(3), &view).create, 0);
    assert_eq!(plan(&keeping(4), &view).create, 1);
}

#[test]
fn what_was_created_and_is_not_seen_takes_its_place() {
    let view = View {
        unseen: 2,
        ..view(vec![ready("a", 0)])
    };
    assert_eq!(plan(&keeping(3), &view).create, 0);
    let plan = plan(&keeping(4), &view);
    assert_eq!((plan.create, plan.again_in), (1, Some(LOOK_UP_AFTER)));
}

#[test]
fn what_is_deleted_in_this_pass_is_replaced_in_a_later_one() {
    let plan = plan(&recreating(2), &view(vec![stale("a"), ready("b", 0)]));
    assert_eq!((names(&plan.delete), plan.create), (vec!["a"], 0));
}

#[test]
fn stale_sandboxes_go_at_once_or_as_they_are_used_up() {
    let members = || vec![stale("a"), ready("b", 0), stale("c")];
    assert_eq!(
        names(&plan(&recreating(3), &view(members())).delete),
        ["a", "c"]
    );
    let plan = plan(&keeping(3), &view(members()));
    assert_eq!((plan.delete.len(), plan.keep.len(), plan.create), (0, 3, 0));
}

#[test]
fn a_sandbox_not_ready_within_its_grace_is_deleted() {
    let members = vec![
        unready("old", NOW - GRACE),
        unready("young", NOW - GRACE + 1),
        ready("ready", 0),
    ];
    let plan = plan(&keeping(3), &view(members));
    assert_eq!(names(&plan.delete), ["old"]);
    assert_eq!(plan.keep.len(), 2);
}

#[test]
fn a_young_sandbox_is_looked_at_when_its_grace_ends() {
    let plan = plan(&keeping(1), &view(vec![unready("young", NOW - GRACE + 7)]));
    assert_eq!(
        (plan.delete.len(), plan.again_in),
        (0, Some(Duration::from_secs(7)))
    );
}

#[test]
fn grace_begins_when_a_sandbox_ceases_to_be_ready() {
    let member = Member {
        since: at(NOW - 10),
        ..unready("flapping", 0)
    };
    assert!(plan(&keeping(1), &view(vec![member])).delete.is_empty());
}

#[test]
fn a_sandbox_that_no_node_takes_is_held_and_rechecked() {
    let plan = plan(&keeping(1), &view(vec![stuck("a")]));
    assert_eq!((plan.delete.len(), plan.create, plan.keep.len()), (0, 0, 1));
    assert_eq!(plan.unschedulable.as_deref(), Some("0/1 nodes"));
    assert_eq!(plan.again_in, Some(Duration::from_secs(60)));
}

#[test]
fn within_its_grace_a_pool_is_not_called_stuck() {
    let young = Member {
        since: at(NOW),
        ..stuck("a")
    };
    assert_eq!(plan(&keeping(1), &view(vec![young])).unschedulable, None);
}

#[test]
fn a_held_sandbox_goes_when_it_is_stale_or_too_many() {
    let held = || Member {
        stale: true,
        ..stuck("a")
    };
    assert_eq!(
        names(&plan(&recreating(1), &view(vec![held()])).delete),
        ["a"]
    );
    assert_eq!(names(&plan(&keeping(0), &view(vec![held()])).delete), ["a"]);
}

#[test]
fn grace_and_recheck_are_the_operators() {
    let settings = Settings {
        pool_readiness_grace: Duration::from_secs(10),
        pool_unschedulable_recheck: Duration::from_secs(3),
        ..Settings::default()
    };
    let old = || unready("old", NOW - 10);
    assert_eq!(
        names(&plan_with(&keeping(1), &view(vec![old()]), &settings).delete),
        ["old"]
    );
    let held = plan_with(&keeping(1), &view(vec![stuck("a")]), &settings);
    assert_eq!(held.again_in, Some(Duration::from_secs(3)));
}

#[test]
fn no_grace_is_endless_grace() {
    let settings = Settings {
        pool_readiness_grace: Duration::ZERO,
        ..Settings::default()
    };
    let plan = plan_with(&keeping(1), &view(vec![unready("a", 0)]), &settings);
    assert_eq!((plan.delete.len(), plan.again_in), (0, None));
}

#[test]
fn one_pass_creates_no_more_than_a_batch() {
    assert_eq!(plan(&keeping(1000), &view(vec![])).create, 300);
    let settings = Settings {
        pool_batch: 7,
        ..Settings::default()
    };
    assert_eq!(
        plan_with(&keeping(1000), &view(vec![]), &settings).create,
        7
    );
}

#[test]
fn without_a_template_nothing_is_created_and_the_rest_goes_on() {
    let wanted = testing::without_template(1);
    assert_eq!(plan(&wanted, &view(vec![])).create, 0);
    let two = plan(&wanted, &view(vec![ready("a", 0), ready("b", 1)]));
    assert_eq!((names(&two.delete), two.create), (vec!["b"], 0));
}

#[test]
fn replacements_wait_for_the_operators_delay() {
    let settings = Settings {
        pool_replenish_delay: Duration::from_secs(9),
        ..Settings::default()
    };
    let mut pace = Pace::default();
    let mut step = |members, second| {
        place(
            &keeping(2),
            &view(members),
            &mut pace,
            &settings,
            at(NOW + second),
        )
    };
    assert_eq!(step(vec![], 0).create, 2);
    assert_eq!(step(vec![ready("a", 0), ready("b", 0)], 1).create, 0);
    let short = step(vec![ready("a", 0)], 2);
    assert_eq!(
        (short.create, short.again_in),
        (0, Some(Duration::from_secs(9)))
    );
    assert_eq!(step(vec![ready("a", 0)], 11).create, 1);
}

#[test]
fn creations_keep_to_the_operators_rate() {
    let settings = Settings {
        pool_refill_rate: 5.0,
        ..Settings::default()
    };
    let plan = plan_with(&keeping(20), &view(vec![]), &settings);
    assert_eq!(
        (plan.create, plan.again_in),
        (5, Some(Duration::from_millis(200)))
    );
}
