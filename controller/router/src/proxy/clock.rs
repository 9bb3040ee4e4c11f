//! How long an exchange may take.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::headers::Kind;
use crate::pace::Bound;
use crate::refusal::Refusal;

/// The times of one exchange.
#[derive(Debug)]
pub(super) struct Clock {
    bound: Bound,
    /// For which it may stand still, or which it has in all.
    time: Option<Duration>,
    head: Option<Duration>,
    idle: Duration,
}

impl Clock {
    /// Starts when the head of a request is there.
    ///
    /// A plain exchange may not stand still for longer than the router's time
    /// until it is answered, or less if its client says so, and its sandbox must
    /// begin to answer early, unless the client says that it will wait. An answer
    /// that has begun may last, as long as something of it moves now and then. A
    /// call of gRPC has the time that its caller gives it: it may stand for a
    /// program that runs for hours, and dead connections are noticed by
    /// themselves. So may a connection that has become another's.
    pub(super) fn start(
        settings: &Settings,
        kind: &Kind,
        headers: &HeaderMap,
        patience: Option<Duration>,
    ) -> Self {
        let most = settings.proxy_timeout;
        let head = patience
            .unwrap_or(settings.response_header_timeout)
            .min(most);
        let (bound, time, head) = match kind {
            Kind::Plain => {
                let time = patience.map_or(most, |it| it.min(most));
                (Bound::still(time), Some(time), Some(head))
            }
            Kind::Upgrade(_) => (Bound::None, None, Some(head)),
            Kind::Grpc => {
                let time = grpc_timeout(headers);
                let until = time.and_then(|time| Instant::now().checked_add(time));
                (until.map_or(Bound::None, Bound::Until), time, None)
            }
        };
        Self {
            bound,
            time,
            head,
            idle: settings.stream_idle_timeout,
        }
    }

    /// What ends it.
    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The answer has begun.
    pub(super) fn answered(&self) {
        self.bound.answered(self.idle);
    }

    /// Ends when a request that has gone, which `sent` tells, should have begun to
    /// be answered.
    pub(super) async fn head_is_late(&self, sent: &CancellationToken) {
        let Some(time) = self.head else {
            return std::future::pending().await;
        };
        sent.cancelled().await;
        let _ = timeout(time, std::future::pending::<()>()).await;
    }

    /// Ends when an exchange that was not answered comes to its bound; `sent`
    /// tells whether all of the request has gone.
    pub(super) async fn late(&self, id: &str, sent: &CancellationToken) -> Refusal {
        self.bound.over().await;
        let (id, time) = (id.to_owned(), self.time.unwrap_or_default());
        match self.bound {
            Bound::Still(_) if !sent.is_cancelled() => Refusal::Stuck { id, time },
            _ => Refusal::Silent { id, time },
        }
    }

    /// Nothing came in the time for a head.
    pub(super) fn silent_head(&self, id: &str) -> Refusal {
        let (id, time) = (id.to_owned(), self.head.unwrap_or_default());
        Refusal::Silent { id, time }
    }
}

/// The time that a caller of gRPC gives: up to eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn times(kind: &Kind, patience: Option<u64>) -> (Option<u64>, Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static("2M"));
        let patience = patience.map(Duration::from_secs);
        let clock = Clock::start(&Settings::default(), kind, &headers, patience);
        let seconds = |it: Option<Duration>| it.map(|it| it.as_secs());
        (seconds(clock.time), seconds(clock.head))
    }

    #[tokio::test]
    async fn an_exchange_has_the_routers_time_to_be_answered_or_its_clients() {
        assert_eq!(times(&Kind::Plain, None), (Some(180), Some(30)));
        assert_eq!(times(&Kind::Plain, Some(10)), (Some(10), Some(10)));
        assert_eq!(times(&Kind::Plain, Some(100)), (Some(100), Some(100)));
        assert_eq!(times(&Kind::Plain, Some(1_000)), (Some(180), Some(180)));
    }

    #[tokio::test]
    async fn what_is_long_by_nature_has_no_end_of_ours() {
        assert_eq!(times(&Kind::Grpc, None), (Some(120), None));
        let upgrade = Kind::Upgrade(HeaderValue::from_static("websocket"));
        assert_eq!(times(&upgrade, None), (None, Some(30)));
    }

    #[test]
    fn grpc_times_are_read_as_its_specification_has_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", HeaderValue::from_static(text));
            grpc_timeout(&headers)
        };
        assert_eq!(read("1S"), Some(Duration::from_secs(1)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3_600))
        );
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        for none in ["", "S", "1", "1s", "-1S", "123456789n", "+1S"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
