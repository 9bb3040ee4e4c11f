//! The moment by which a gRPC call must have been answered. Tonic tells its
//! clients of deadlines and leaves a server's to the server.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::{Control, Signal};

/// The header that says how long the caller waits.
const TIMEOUT_HEADER: &str = "grpc-timeout";
/// Most digits before the unit, by the specification of gRPC over HTTP/2.
const TIMEOUT_DIGITS: usize = 8;

/// The moment by which a call must have been answered, if any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Reads the caller's from its headers.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, Status> {
        let Some(value) = headers.get(TIMEOUT_HEADER) else {
            return Ok(Self(None));
        };
        let timeout = value.to_str().ok().and_then(parse).ok_or_else(|| {
            Status::invalid_argument(format!("malformed {TIMEOUT_HEADER}: {value:?}"))
        })?;
        // So far away that the clock cannot tell is no deadline.
        Ok(Self(Instant::now().checked_add(timeout)))
    }

    /// What `work` answers, unless it takes too long: then it is dropped.
    pub(super) async fn within<T>(
        self,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        match self.0 {
            None => work.await,
            // Of two things at once, the deadline counts: it ended the work.
            Some(at) if at <= Instant::now() => Err(passed()),
            Some(at) => match timeout_at(at, work).await {
                Ok(done) if Instant::now() < at => done,
                _ => Err(passed()),
            },
        }
    }

    /// Ends a program when the deadline passes, unless what is returned is
    /// dropped before. The stream of a program cannot see to that: while its
    /// caller does not read, nobody looks at it.
    pub(super) fn end_at(self, control: Arc<dyn Control>) -> Option<oneshot::Sender<()>> {
        let at = self.0?;
        let (calls_off, called_off) = oneshot::channel();
        tokio::spawn(async move {
            if timeout_at(at, called_off).await.is_err()
                && let Err(error) = control.signal(Signal::Kill)
            {
                tracing::warn!(%error, "a program outlives its deadline");
            }
        });
        Some(calls_off)
    }
}

fn passed() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || digits.len() > TIMEOUT_DIGITS {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(TIMEOUT_HEADER),
            value.parse().unwrap(),
        )])
    }

    #[test]
    fn each_unit_is_understood() {
        for (text, duration) in [
            ("2H", Duration::from_secs(7200)),
            ("2M", Duration::from_secs(120)),
            ("00000002S", Duration::from_secs(2)),
            ("99999999m", Duration::from_millis(99_999_999)),
            ("3u", Duration::from_micros(3)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Some(duration), "{text}");
        }
    }

    #[test]
    fn a_malformed_timeout_is_an_error() {
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            "1.5S",
            "000000001S",
            "1 S",
            "1é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let status = Deadline::read(&headers("soon")).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }

    #[tokio::test]
    async fn work_that_ends_by_the_deadline_does_not_count() {
        let deadline = Deadline::read(&headers("1m")).unwrap();
        let at = deadline.0.unwrap();
        let ended_by_it = async {
            tokio::time::interval_at(at, Duration::from_secs(1))
                .tick()
                .await;
            Ok(())
        };
        let status = deadline.within(ended_by_it).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn past_the_deadline_the_work_is_dropped() {
        let (held, dropped) = oneshot::channel::<()>();
        let work = async move {
            let _held = held;
            std::future::pending::<Result<(), Status>>().await
        };
        let deadline = Deadline::read(&headers("1m")).unwrap();
        let status = deadline.within(work).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(dropped.await.is_err());
    }
}
