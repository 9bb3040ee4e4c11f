//! How long an exchange may take.

use std::future::Future;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::Settings;
use crate::headers::Kind;
use crate::refusal::Refusal;

/// The times of one exchange.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    total: Option<Duration>,
    head: Option<Duration>,
}

impl Clock {
    /// Starts when the head of a request is there.
    ///
    /// A plain exchange has the router's time, or less if its client says so,
    /// and its sandbox must begin to answer early, unless the client says that
    /// it will wait. A call of gRPC has the time that its caller gives it: it
    /// may stand for a program that runs for hours, and dead connections are
    /// noticed by themselves. So may a connection that has become another's.
    pub(super) fn start(
        settings: &Settings,
        kind: &Kind,
        headers: &HeaderMap,
        patience: Option<Duration>,
    ) -> Self {
        let head = patience.unwrap_or(settings.response_header_timeout);
        let whole = settings.proxy_timeout;
        let (total, head) = match kind {
            Kind::Plain => (Some(patience.map_or(whole, |it| it.min(whole))), Some(head)),
            Kind::Upgrade(_) => (None, Some(head.min(whole))),
            Kind::Grpc => (grpc_timeout(headers), None),
        };
        Self {
            began: Instant::now(),
            total,
            head,
        }
    }

    /// When all of it must have ended.
    pub(super) fn until(&self) -> Option<Instant> {
        self.began.checked_add(self.total?)
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

    /// Nothing came in all the time that there was.
    pub(super) fn silent(&self, id: &str) -> Refusal {
        silent(id, self.total)
    }

    /// Nothing came in the time for a head.
    pub(super) fn silent_head(&self, id: &str) -> Refusal {
        silent(id, self.head)
    }
}

fn silent(id: &str, time: Option<Duration>) -> Refusal {
    let (id, time) = (id.to_owned(), time.unwrap_or_default());
    Refusal::Silent { id, time }
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

/// What comes of the work, if it comes in time.
pub(super) async fn within<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until, work).await.ok(),
        None => Some(work.await),
    }
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
        (seconds(clock.total), seconds(clock.head))
    }

    #[tokio::test]
    async fn an_exchange_has_the_routers_time_or_its_clients() {
        assert_eq!(times(&Kind::Plain, None), (Some(180), Some(30)));
        assert_eq!(times(&Kind::Plain, Some(10)), (Some(10), Some(10)));
        assert_eq!(times(&Kind::Plain, Some(100)), (Some(100), Some(100)));
        assert_eq!(times(&Kind::Plain, Some(1_000)), (Some(180), Some(1_000)));
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
