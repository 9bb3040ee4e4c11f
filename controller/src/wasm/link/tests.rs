use super::*;
use crate::settings::Settings;

/// Somebody who asks, and whom nobody answers.
fn ask(link: &Link) -> tokio::task::JoinHandle<Result<(), LinkError>> {
    let link = link.clone();
    tokio::spawn(async move { link.delete("uid").await })
}

fn session(uid: &str) -> Session {
    Session {
        uid: uid.to_owned(),
        ..Session::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_keeps_half_of_the_workers_at_most() {
    assert_eq!(ASKS, usize::from(Settings::default().sandbox_workers) / 2);
    let (link, mut asked) = Link::new();
    let waiting: Vec<_> = (0..ASKS).map(|_| ask(&link)).collect();
    let mut under_way = Vec::new();
    while under_way.len() < ASKS {
        under_way.extend(asked.recv().await);
    }

    let began = tokio::time::Instant::now();
    let busy = link.delete("one more").await.unwrap_err();
    assert!(matches!(busy, LinkError::Busy), "{busy}");
    assert_eq!(began.elapsed(), TURN);
    assert!(asked.is_empty(), "the host is not asked");
    // It has done nothing for that time: nobody waits any more.
    let busy = link.delete("another").await.unwrap_err();
    assert!(matches!(busy, LinkError::Busy), "{busy}");
    assert_eq!(began.elapsed(), TURN);

    let Some(Ask::Delete(_, answer)) = under_way.pop() else {
        panic!("a deletion was asked for");
    };
    answer.send(Ok(())).unwrap();
    let next = ask(&link);
    assert!(
        asked.recv().await.is_some(),
        "whose turn comes is asked for"
    );

    drop((asked, under_way));
    for ask in waiting.into_iter().chain([next]) {
        ask.abort();
    }
}

#[test]
fn an_answer_about_another_session_is_not_taken() {
    let fleet = Fleet::default();
    let (wanted, other) = (session("wanted"), session("another"));
    let answer = |session: Session| Some(Answer::Session(session));
    let taken = ensuring(&fleet, "node", "wanted", answer(wanted)).unwrap();
    assert_eq!(taken.uid, "wanted");
    let error = ensuring(&fleet, "node", "wanted", answer(other)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "its node host does not answer: it told of session \"another\" instead of wanted"
    );
    assert!(fleet.find("another", None).is_none());
}

#[test]
fn the_longest_messages_of_an_honest_node_host_are_read() {
    use mote_rpc::bytes_in_request;
    use mote_rpc::v1::{EnsureResponse, EnsureResult};

    let longest = Session {
        uid: "u".repeat(36),
        namespace: "n".repeat(63),
        name: "s".repeat(253),
        addresses: vec!["fd00:1111:2222:3333:4444:5555:6666:7777".to_owned(); 2],
        message: "m".repeat(1_024),
        policy: "p".repeat(317),
        ..Session::default()
    };
    let result = EnsureResult {
        result: Some(Answer::Session(longest)),
    };
    let answer = EnsureResponse {
        results: vec![result; MAX_SESSIONS],
    };
    assert!(bytes_in_request(&answer) <= MAX_MESSAGE_BYTES / 4);
    let node = NodeInfo {
        images: vec!["i".repeat(512); 1_024],
        tenants: vec!["t".repeat(63); 32_768],
        ..NodeInfo::default()
    };
    assert!(bytes_in_request(&node) <= MAX_MESSAGE_BYTES);
}

#[test]
fn a_node_host_that_refuses_a_policy_is_heard_further() {
    let refuses = Status::invalid_argument("policy ns/t: 300 ranges of ports; send 256 at most");
    assert_eq!(policed("node", Err(refuses)), Ok(()));
    assert_eq!(policed("node", Ok(())), Ok(()));
    assert_eq!(
        policed("node", Err(Status::unavailable("it goes down"))),
        Err("it does not take network policies: Unavailable: it goes down".to_owned())
    );
}
