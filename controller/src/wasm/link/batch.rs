//! What goes to a node host in one request.

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::{Refusal, SessionSpec};
use mote_rpc::{MAX_REQUEST_BYTES, MAX_SESSIONS, bytes_in_request};

/// Sessions that are asked for, as they can be sent. `T` is who waits for one.
#[derive(Debug)]
pub(super) struct Split<T> {
    /// As many sessions in each as a node host takes, in the order they came.
    pub(super) requests: Vec<Vec<(SessionSpec, T)>>,
    /// Those that no request has room for.
    pub(super) refused: Vec<(Refusal, T)>,
}

/// Shares sessions out to requests that a node host reads.
pub(super) fn split<T>(asks: Vec<(SessionSpec, T)>) -> Split<T> {
    let (mut requests, mut refused) = (Vec::new(), Vec::new());
    let (mut request, mut bytes) = (Vec::new(), 0);
    for (spec, waits) in asks {
        let more = bytes_in_request(&spec);
        if more > MAX_REQUEST_BYTES {
            refused.push((refusal(spec.uid, more), waits));
            continue;
        }
        if request.len() == MAX_SESSIONS || bytes + more > MAX_REQUEST_BYTES {
            requests.push(std::mem::take(&mut request));
            bytes = 0;
        }
        bytes += more;
        request.push((spec, waits));
    }
    if !request.is_empty() {
        requests.push(request);
    }
    Split { requests, refused }
}

fn refusal(uid: String, bytes: usize) -> Refusal {
    Refusal {
        uid,
        reason: Reason::Invalid.into(),
        message: format!(
            "its environment, files, command and registry credentials take {bytes} bytes together, \
             and a node host takes {MAX_REQUEST_BYTES}; give it less of ConfigMaps and Secrets"
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A session that takes this many bytes, or a few more.
    fn weighing(bytes: usize) -> SessionSpec {
        SessionSpec {
            uid: bytes.to_string(),
            registry_credentials: vec![0; bytes],
            ..SessionSpec::default()
        }
    }

    fn shape(bytes: &[usize]) -> (Vec<usize>, Vec<usize>) {
        let asks = bytes.iter().map(|bytes| weighing(*bytes)).zip(0..);
        let split = split(asks.collect());
        let refused = split.refused.into_iter().map(|(_, index)| index);
        (
            split.requests.iter().map(Vec::len).collect(),
            refused.collect(),
        )
    }

    #[test]
    fn small_sessions_go_together_up_to_what_the_protocol_allows() {
        assert_eq!(shape(&[]), (vec![], vec![]));
        assert_eq!(shape(&[100; 256]), (vec![256], vec![]));
        assert_eq!(shape(&[100; 257]), (vec![256, 1], vec![]));
    }

    #[test]
    fn large_sessions_are_sent_in_several_requests() {
        assert_eq!(shape(&[3 << 20; 5]), (vec![2, 2, 1], vec![]));
        assert_eq!(shape(&[4 << 20; 2]), (vec![1, 1], vec![]));
    }

    #[test]
    fn a_session_that_no_request_has_room_for_is_refused_and_holds_up_no_other() {
        let sizes = [10, MAX_REQUEST_BYTES, 20];
        assert_eq!(shape(&sizes), (vec![2], vec![1]));
        let (refusal, ()) = split(vec![(weighing(9 << 20), ())]).refused.remove(0);
        assert_eq!(refusal.reason(), Reason::Invalid);
        assert_eq!(refusal.uid, (9 << 20).to_string());
        let told = refusal.message;
        assert!(
            told.contains("and a node host takes 8388608; give it less"),
            "{told}"
        );
    }

    proptest! {
        #[test]
        fn every_session_is_sent_once_in_its_order_and_every_request_is_read(
            sizes in prop::collection::vec(0..3 * MAX_REQUEST_BYTES / 2, 0..12)
        ) {
            let asks = sizes.iter().map(|bytes| weighing(*bytes)).zip(0..);
            let Split { requests, refused } = split::<usize>(asks.collect());
            let mut all: Vec<usize> = refused.into_iter().map(|(_, index)| index).collect();
            for request in requests {
                let (sessions, indices): (Vec<_>, Vec<_>) = request.into_iter().unzip();
                prop_assert!(indices.is_sorted() && !indices.is_empty());
                let bytes: usize = sessions.iter().map(bytes_in_request).sum();
                prop_assert!(bytes <= MAX_REQUEST_BYTES);
                prop_assert!(sessions.len() <= MAX_SESSIONS);
                all.extend(indices);
            }
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..sizes.len()));
        }
    }
}
