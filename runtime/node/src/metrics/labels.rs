//! The words that labels are made of.

use mote_surface::StartError;
use serde::Serialize;

/// By which protocol something is asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Surface {
    /// `process.v1.ProcessService`.
    Grpc,
    /// `/v1/files` and what is beside it.
    Rest,
    /// `/execute` and what is beside it.
    Runtime,
    /// `/v1/sandboxes`: the node's own.
    Api,
    /// `/v1/contexts`.
    Context,
    /// None: what a sandbox runs by itself.
    Command,
}

impl Surface {
    /// The value of the label `surface`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Rest => "rest",
            Self::Runtime => "runtime",
            Self::Api => "api",
            Self::Context => "context",
            Self::Command => "command",
        }
    }
}

/// Why a request was refused before any program or file was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Refused {
    /// It has no token, or a wrong one.
    Unauthorized,
    /// It comes from where nobody may, or for a host that is not ours.
    Forbidden,
    /// It asks for a sandbox that is not there.
    NoSandbox,
    /// The sandbox's policy does not let it in.
    Policy,
    /// As many connections as may be are open to the sandbox.
    Crowded,
    /// It is no request that can be understood.
    Malformed,
    /// Its head or body is larger than we read.
    TooLarge,
    /// It did not come to its end in time.
    TooSlow,
}

impl Refused {
    /// Why a request was refused that was answered like this; `None` for what
    /// is no refusal, and for what a call's own line tells.
    pub(crate) fn of_status(status: http::StatusCode) -> Option<Self> {
        match status.as_u16() {
            400 | 405 | 415 | 422 => Some(Self::Malformed),
            403 => Some(Self::Forbidden),
            408 => Some(Self::TooSlow),
            413 | 431 => Some(Self::TooLarge),
            _ => None,
        }
    }

    /// As [`Refused::of_status`], of an answer of gRPC.
    pub(crate) fn of_grpc(headers: &http::HeaderMap) -> Option<Self> {
        let status = tonic::Status::from_header_map(headers)?;
        match status.code() {
            // The last is what a message that is none is answered with.
            tonic::Code::InvalidArgument | tonic::Code::Unimplemented | tonic::Code::Internal => {
                Some(Self::Malformed)
            }
            tonic::Code::PermissionDenied => Some(Self::Forbidden),
            tonic::Code::ResourceExhausted => Some(Self::TooLarge),
            _ => None,
        }
    }

    /// The value of the label `reason`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NoSandbox => "no-sandbox",
            Self::Policy => "policy",
            Self::Crowded => "crowded",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
        }
    }
}

/// The value of the label `outcome` of a call that was refused: beside those
/// of [`mote_api::End::reason`].
pub(crate) fn refusal(error: &StartError) -> &'static str {
    match error {
        StartError::NotFound(_) => "not-found",
        StartError::Denied(_) => "denied",
        StartError::Invalid(_) => "invalid",
        StartError::Busy(_) => "busy",
        StartError::Lost(_) => "lost",
        StartError::Unavailable(_) => "unavailable",
        StartError::Host => "host-error",
    }
}

/// The value of the label `limit`; the names are those of the fields of
/// [`mote_api::Limits`].
pub(super) fn limit(name: &str) -> &'static str {
    const NAMES: [&str; 10] = [
        "deadline",
        "memory",
        "output",
        "disk",
        "disk_entries",
        "folder",
        "processes",
        "spawns",
        "depth",
        "handles",
    ];
    NAMES
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("other")
}

/// The value of the label `method`. Clients may make methods up.
pub(super) fn method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "get",
        "HEAD" => "head",
        "PUT" => "put",
        "POST" => "post",
        "DELETE" => "delete",
        _ => "other",
    }
}

/// The value of the label `status`: of 200 statuses, the class.
pub(super) fn status(status: http::StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use mote_api::Limits;

    use super::*;

    #[test]
    fn every_ceiling_has_a_label_of_its_own() {
        let limits = serde_json::to_value(Limits::default()).unwrap();
        for name in limits.as_object().unwrap().keys() {
            assert_eq!(limit(name), name);
        }
        assert_eq!(limit("a guest's words"), "other");
    }

    #[test]
    fn labels_are_the_words_of_json() {
        for surface in [
            Surface::Grpc,
            Surface::Rest,
            Surface::Runtime,
            Surface::Api,
            Surface::Context,
            Surface::Command,
        ] {
            assert_eq!(serde_json::json!(surface), surface.label());
        }
        for reason in [
            Refused::Unauthorized,
            Refused::Forbidden,
            Refused::NoSandbox,
            Refused::Policy,
            Refused::Crowded,
            Refused::Malformed,
            Refused::TooLarge,
            Refused::TooSlow,
        ] {
            assert_eq!(serde_json::json!(reason), reason.label());
        }
    }

    #[test]
    fn methods_and_statuses_that_a_client_makes_up_have_no_series() {
        let made_up = http::Method::from_bytes(b"BREW").unwrap();
        assert_eq!(method(&made_up), "other");
        assert_eq!(method(&http::Method::PUT), "put");
        assert_eq!(status(http::StatusCode::from_u16(999).unwrap()), "5xx");
        assert_eq!(status(http::StatusCode::NOT_FOUND), "4xx");
    }
}
