//! Who the controller and node hosts are to each other: an authority of their
//! own in a Secret that the controller alone may read, one certificate for
//! all node hosts in a Secret that they mount, and one for the controller that
//! never leaves its memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity as Pair};

use crate::context::Context;
use crate::write::WriteError;

/// The Secret with the authority: its key is whoever it says it is.
pub const AUTHORITY_SECRET: &str = "mote-node-ca";
/// The Secret that node hosts mount.
pub const NODE_SECRET: &str = "mote-node-tls";
/// What node hosts are called in their certificate.
const NODE_NAME: &str = "mote-node";
/// What the controller is called in its.
const CONTROLLER_NAME: &str = "mote-controller";
/// When a Secret's certificate ends, so that nobody has to parse it.
const NOT_AFTER: &str = "mote.dev/not-after";

/// How long the authority is good for. It is not renewed by itself: whoever
/// deletes its Secret makes a new one, which ends all connections for a moment.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// How long a certificate is good for, and what must be left of it: a cluster
/// that stood still for a month still finds its nodes.
const LIFE: SignedDuration = SignedDuration::from_hours(90 * 24);
const LEFT: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Clocks of nodes differ.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// How often it is looked whether a certificate ends soon.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(12 * 60 * 60);

/// The authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// The API server does not give or take a Secret.
    #[error("the certificates of node hosts: {0}")]
    Write(#[from] WriteError),
    /// A Secret does not hold what it should.
    #[error("Secret {0} holds no {1}; delete it, and it is made anew")]
    Broken(&'static str, &'static str),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
struct Signed {
    certificate: String,
    key: String,
}

/// The controller's side of it.
pub(super) struct Identity {
    namespace: String,
    authority: Signed,
    controller: RwLock<Signed>,
}

impl Identity {
    /// Reads the authority, or makes it, and issues what is needed.
    ///
    /// # Errors
    /// The Secrets cannot be used.
    pub(super) async fn open(context: &Context, namespace: &str) -> Result<Self, IdentityError> {
        let authority = authority(context, namespace).await?;
        let controller = issue(
            &authority,
            CONTROLLER_NAME,
            ExtendedKeyUsagePurpose::ClientAuth,
        )?;
        let identity = Self {
            namespace: namespace.to_owned(),
            authority,
            controller: RwLock::new(controller),
        };
        identity.give_nodes(context).await?;
        Ok(identity)
    }

    /// Issues anew what ends soon.
    ///
    /// # Errors
    /// The Secrets cannot be used.
    pub(super) async fn renew(&self, context: &Context) -> Result<(), IdentityError> {
        let fresh = issue(
            &self.authority,
            CONTROLLER_NAME,
            ExtendedKeyUsagePurpose::ClientAuth,
        )?;
        *self
            .controller
            .write()
            .unwrap_or_else(PoisonError::into_inner) = fresh;
        self.give_nodes(context).await
    }

    /// How the controller speaks to a node host.
    pub(super) fn of_controller(&self) -> ClientTlsConfig {
        let controller = self
            .controller
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&self.authority.certificate))
            .identity(Pair::from_pem(&controller.certificate, &controller.key))
            .domain_name(NODE_NAME)
    }

    async fn give_nodes(&self, context: &Context) -> Result<(), IdentityError> {
        let here = context.get::<Secret>(&self.namespace, NODE_SECRET).await?;
        if here
            .as_ref()
            .is_some_and(|secret| self.is_good(secret, Timestamp::now()))
        {
            return Ok(());
        }
        let Signed { certificate, key } = issue(
            &self.authority,
            NODE_NAME,
            ExtendedKeyUsagePurpose::ServerAuth,
        )?;
        let data = [
            ("ca.crt", self.authority.certificate.clone()),
            ("tls.crt", certificate),
            ("tls.key", key),
        ];
        let mut secret = secret(&self.namespace, NODE_SECRET, data, LIFE);
        match here {
            None => context.create(&secret).await?,
            Some(here) => {
                secret.metadata.resource_version = here.metadata.resource_version;
                context.replace(&secret).await?
            }
        };
        tracing::info!(secret = NODE_SECRET, "node hosts have a new certificate");
        Ok(())
    }

    fn is_good(&self, secret: &Secret, now: Timestamp) -> bool {
        let ours = text(secret, "ca.crt").is_some_and(|ca| ca == self.authority.certificate);
        let whole = text(secret, "tls.crt").is_some() && text(secret, "tls.key").is_some();
        let annotations = secret.metadata.annotations.as_ref();
        let end = annotations
            .and_then(|annotations| annotations.get(NOT_AFTER)?.parse::<Timestamp>().ok());
        ours && whole && end.is_some_and(|end| end.duration_since(now) > LEFT)
    }
}

async fn authority(context: &Context, namespace: &str) -> Result<Signed, IdentityError> {
    if let Some(secret) = context.get::<Secret>(namespace, AUTHORITY_SECRET).await? {
        return read(&secret);
    }
    let key = KeyPair::generate()?;
    let mut params = params("mote-node authority", AUTHORITY_LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key)?.pem();
    let data = [("ca.crt", certificate), ("ca.key", key.serialize_pem())];
    let made = context
        .create(&secret(namespace, AUTHORITY_SECRET, data, AUTHORITY_LIFE))
        .await;
    match made {
        Ok(secret) => read(&secret),
        // Another one was quicker.
        Err(WriteError::AlreadyExists(what)) => {
            let here = context.get::<Secret>(namespace, AUTHORITY_SECRET).await?;
            read(&here.ok_or(WriteError::NotFound(what))?)
        }
        Err(error) => Err(error.into()),
    }
}

fn read(secret: &Secret) -> Result<Signed, IdentityError> {
    let part = |name| text(secret, name).ok_or(IdentityError::Broken(AUTHORITY_SECRET, name));
    Ok(Signed {
        certificate: part("ca.crt")?,
        key: part("ca.key")?,
    })
}

fn text(secret: &Secret, name: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.clone()).ok()
}

fn secret<const N: usize>(
    namespace: &str,
    name: &str,
    data: [(&str, String); N],
    life: SignedDuration,
) -> Secret {
    let end = Timestamp::now() + life;
    Secret {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            annotations: Some(BTreeMap::from([(NOT_AFTER.to_owned(), end.to_string())])),
            ..ObjectMeta::default()
        },
        data: Some(
            data.into_iter()
                .map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes())))
                .collect(),
        ),
        ..Secret::default()
    }
}

fn issue(
    authority: &Signed,
    name: &str,
    purpose: ExtendedKeyUsagePurpose,
) -> Result<Signed, IdentityError> {
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate()?;
    let mut params = params(name, LIFE)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    Ok(Signed {
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

fn params(name: &str, life: SignedDuration) -> Result<CertificateParams, rcgen::Error> {
    let dns = name.replace(' ', "-");
    let mut params = CertificateParams::new(vec![dns])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = Timestamp::now();
    params.not_before = date(now - SKEW);
    params.not_after = date(now + life);
    Ok(params)
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    // Any time that jiff can tell, to the second, `time` can tell as well.
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Signed {
        let key = KeyPair::generate().unwrap();
        let mut params = params("mote-node authority", AUTHORITY_LIFE).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        Signed {
            certificate: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn identity(authority: &Signed) -> Identity {
        Identity {
            namespace: "ns".to_owned(),
            authority: authority.clone(),
            controller: RwLock::new(
                issue(
                    authority,
                    CONTROLLER_NAME,
                    ExtendedKeyUsagePurpose::ClientAuth,
                )
                .unwrap(),
            ),
        }
    }

    fn given(authority: &Signed, life: SignedDuration) -> Secret {
        let node = issue(authority, NODE_NAME, ExtendedKeyUsagePurpose::ServerAuth).unwrap();
        let data = [
            ("ca.crt", authority.certificate.clone()),
            ("tls.crt", node.certificate),
            ("tls.key", node.key),
        ];
        secret("ns", NODE_SECRET, data, life)
    }

    #[test]
    fn a_certificate_that_ends_soon_or_is_of_another_authority_is_issued_anew() {
        let (ours, other) = (authority(), authority());
        let identity = identity(&ours);
        let now = Timestamp::now();
        assert!(identity.is_good(&given(&ours, LIFE), now));
        assert!(!identity.is_good(&given(&ours, LEFT), now + SKEW));
        assert!(!identity.is_good(&given(&other, LIFE), now));
        assert!(!identity.is_good(&Secret::default(), now));
    }

    #[test]
    fn what_an_authority_lacks_is_named() {
        let told = read(&Secret::default()).err().unwrap().to_string();
        assert_eq!(
            told,
            "Secret mote-node-ca holds no ca.crt; delete it, and it is made anew"
        );
    }
}
