//! Conditions: a list in which each type stands once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// The type of the condition by which everyone waits.
pub const READY: &str = "Ready";
/// The type of the condition that says that what ran has ended.
pub const FINISHED: &str = "Finished";

/// What a condition is to say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Saying {
    /// `True`, `False` or `Unknown`.
    pub status: Status,
    /// One word in CamelCase.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Saying {
    /// A saying in full.
    pub fn new(status: Status, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl Status {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Says it, in place of what the type said before. The time of transition is
/// `now` only where the status becomes another.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    saying: Saying,
    generation: i64,
    now: Timestamp,
) {
    let status = saying.status.as_str();
    let since = find(conditions, type_)
        .filter(|before| before.status == status)
        .map_or(Time(now), |before| before.last_transition_time.clone());
    let after = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: saying.reason,
        message: saying.message,
        observed_generation: Some(generation),
        last_transition_time: since,
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == type_)
    {
        Some(before) => *before = after,
        None => conditions.push(after),
    }
}

/// The text without what moves a terminal's cursor or colours it: some of it is
/// what the object's author wrote.
pub fn one_line(text: &str) -> String {
    let plain = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().map(plain).collect()
}

/// Takes a type out of the list.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|condition| condition.type_ != type_);
}

/// The condition of a type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of a type is there and holds.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_of_transition_changes_with_the_status_alone() {
        let mut list = Vec::new();
        set(
            &mut list,
            READY,
            Saying::new(Status::False, "A", "a"),
            1,
            at(1),
        );
        set(
            &mut list,
            READY,
            Saying::new(Status::False, "B", "b"),
            2,
            at(2),
        );
        assert_eq!(
            (list[0].last_transition_time.0, list[0].reason.as_str()),
            (at(1), "B")
        );
        set(
            &mut list,
            READY,
            Saying::new(Status::True, "C", "c"),
            2,
            at(3),
        );
        assert_eq!((list.len(), list[0].last_transition_time.0), (1, at(3)));
        assert!(is_true(&list, READY));
        remove(&mut list, READY);
        assert!(list.is_empty());
    }
}
