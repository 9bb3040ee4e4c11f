//! Why a node host and the controller do not take each other for who they are.

use std::error::Error;
use std::io;

use tokio_rustls::rustls::{AlertDescription as Alert, CertificateError, Error as TlsError};

use crate::wasm::NODE_SECRET;

/// Which of the two is no acquaintance of the other, and why.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Stranger {
    /// The node host's certificate has ended.
    #[error(
        "the certificate of its node host has expired; the one in Secret {NODE_SECRET} reaches it \
         within minutes: if it does not, restart the pod, and compare the clocks of the machines"
    )]
    Expired,
    /// It has not begun.
    #[error(
        "the certificate of its node host is not good yet; the clock of the controller's machine \
         is behind: set it"
    )]
    Early,
    /// It is of an authority that is not ours.
    #[error(
        "the certificate of its node host is of an authority that the controller does not know; \
         the one in Secret {NODE_SECRET} reaches it within minutes: if it does not, restart the pod"
    )]
    Unknown,
    /// It is somebody else's.
    #[error(
        "what answers at its address is no node host: it shows a certificate of another name; \
         find out what listens on port 7443 there"
    )]
    Misnamed,
    /// It is no good for another reason.
    #[error("the certificate of its node host is refused: {0}")]
    Other(String),
    /// The node host holds ours for ended, or for not yet begun.
    #[error(
        "its node host holds the controller's certificate for expired or not good yet; compare \
         the clocks of the machines"
    )]
    ExpiredThere,
    /// The node host does not know our authority.
    #[error(
        "its node host does not know the authority of the controller's certificate; Secret \
         {NODE_SECRET} names it and reaches it within minutes: if it does not, restart the pod"
    )]
    UnknownThere,
    /// The node host refuses ours for another reason.
    #[error("its node host refuses the controller's certificate: {0:?}")]
    OtherThere(Alert),
}

impl Stranger {
    /// What of it a failure says, if that is what failed.
    pub(super) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(error) = tls_error(error) {
                return Self::of_tls(error);
            }
            if let Some(alert) = retold(error) {
                return Some(Self::of_alert(alert));
            }
            next = error.source();
        }
        None
    }

    fn of_tls(error: &TlsError) -> Option<Self> {
        match error {
            TlsError::InvalidCertificate(error) => Some(Self::of_certificate(error)),
            TlsError::AlertReceived(alert) => {
                ALERTS.contains(alert).then(|| Self::of_alert(*alert))
            }
            _ => None,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::Early
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Unknown,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Misnamed
            }
            other => Self::Other(other.to_string()),
        }
    }

    fn of_alert(alert: Alert) -> Self {
        match alert {
            Alert::CertificateExpired => Self::ExpiredThere,
            Alert::UnknownCA | Alert::DecryptError => Self::UnknownThere,
            other => Self::OtherThere(other),
        }
    }
}

/// What a node host says that refuses a certificate.
const ALERTS: [Alert; 9] = [
    Alert::AccessDenied,
    Alert::BadCertificate,
    Alert::CertificateExpired,
    Alert::CertificateRequired,
    Alert::CertificateRevoked,
    Alert::CertificateUnknown,
    Alert::DecryptError,
    Alert::UnknownCA,
    Alert::UnsupportedCertificate,
];

/// The alert that a failure of a whole connection retells: of what failed there,
/// HTTP/2 keeps the text alone.
fn retold(error: &dyn Error) -> Option<Alert> {
    let text = error.to_string();
    let tells = |alert: &Alert| text.ends_with(&TlsError::AlertReceived(*alert).to_string());
    ALERTS.into_iter().find(tells)
}

/// The failure of TLS that an error is. Input and output hide theirs from those
/// who ask for a source.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    let within = error.downcast_ref::<io::Error>()?.get_ref()?;
    within.downcast_ref().or_else(|| tls_error(within))
}

#[cfg(test)]
mod tests;
