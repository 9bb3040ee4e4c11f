//! An answer to a request may come after what was told meanwhile.

use super::*;

fn at(generation: i64, phase: Phase, has_files: bool) -> Session {
    Session {
        generation,
        phase: phase.into(),
        has_files,
        ..session("u")
    }
}

#[test]
fn an_answer_that_comes_late_does_not_undo_what_was_told() {
    let fleet = heard(&[]);
    let ended = Session {
        exit_code: Some(3),
        message: "it ended with 3".to_owned(),
        ..at(2, Phase::Failed, true)
    };
    fleet.told("a", ended.clone()).unwrap();
    assert_eq!(
        fleet.made("a", at(2, Phase::Running, false)).unwrap(),
        ended
    );
    assert_eq!(*fleet.find("u", None).unwrap().session.unwrap(), ended);
}

#[test]
fn an_answer_of_the_next_generation_counts_as_it_is() {
    let fleet = heard(&[]);
    fleet.told("a", at(2, Phase::Failed, true)).unwrap();
    let again = at(3, Phase::Running, false);
    assert_eq!(fleet.made("a", again.clone()).unwrap(), again);
    fleet.told("a", at(3, Phase::Running, true)).unwrap();
    fleet.told("a", at(3, Phase::Running, false)).unwrap();
    let empty = fleet.made("a", at(3, Phase::Running, false)).unwrap();
    assert!(!empty.has_files, "it was told that they are gone");
}
