//! Who the controller and node hosts are to each other: authorities of their
//! own in a Secret that the controller alone may read, one certificate for
//! all node hosts in a Secret that they mount, and one for the controller that
//! never leaves its memory. All are renewed while the controller runs.

mod authority;
mod plan;

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use tonic::transport::{Certificate, ClientTlsConfig, Identity as Pair};

use crate::context::Context;
use crate::write::WriteError;
use authority::{Authority, Signed, Unusable};
use plan::{Term, plan};

/// The Secret with the authorities: its keys are whoever they say they are.
pub const AUTHORITY_SECRET: &str = "mote-node-ca";
/// The Secret that node hosts mount.
pub const NODE_SECRET: &str = "mote-node-tls";
/// What node hosts are called in their certificate.
const NODE_NAME: &str = "mote-node";
/// What the controller is called in its.
const CONTROLLER_NAME: &str = "mote-controller";
/// When the last certificate of a Secret ends, for people to read.
const NOT_AFTER: &str = "mote.dev/not-after";

/// The authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// The API server does not give or take a Secret.
    #[error("the certificates of node hosts: {0}")]
    Write(#[from] WriteError),
    /// A Secret does not hold what it should.
    #[error("Secret {AUTHORITY_SECRET} holds no {0}; delete it, and it is made anew")]
    Lacks(&'static str),
    /// What it holds is something else.
    #[error("Secret {AUTHORITY_SECRET} does not hold {0}; delete it, and it is made anew")]
    Unusable(#[from] Unusable),
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Made(#[from] rcgen::Error),
}

/// The controller's side of it.
pub(super) struct Identity {
    namespace: String,
    shown: RwLock<Shown>,
}

/// What the controller shows, and whom it trusts.
struct Shown {
    controller: Signed,
    trusted: Vec<String>,
    /// That of the authority which issued it.
    term: Term,
}

impl Identity {
    /// Reads the authorities, or makes one, and issues what is needed.
    ///
    /// # Errors
    /// The Secrets cannot be used.
    pub(super) async fn open(context: &Context, namespace: &str) -> Result<Self, IdentityError> {
        let shown = settle(context, namespace, Timestamp::now()).await?;
        Ok(Self {
            namespace: namespace.to_owned(),
            shown: RwLock::new(shown),
        })
    }

    /// Makes and issues anew what ends soon.
    ///
    /// # Errors
    /// The Secrets cannot be used.
    pub(super) async fn renew(&self, context: &Context) -> Result<(), IdentityError> {
        let shown = settle(context, &self.namespace, Timestamp::now()).await?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(())
    }

    /// How long it may be until it is looked again whether something ends soon.
    pub(super) fn next_renewal(&self) -> Duration {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        plan::next_look(shown.term, Timestamp::now()).unsigned_abs()
    }

    /// How the controller speaks to a node host.
    pub(super) fn of_controller(&self) -> ClientTlsConfig {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        shown.as_client()
    }
}

impl Shown {
    fn as_client(&self) -> ClientTlsConfig {
        let Signed { certificate, key } = &self.controller;
        ClientTlsConfig::new()
            .ca_certificates(self.trusted.iter().map(Certificate::from_pem))
            .identity(Pair::from_pem(certificate, key))
            .domain_name(NODE_NAME)
    }
}

/// Brings the Secrets to where they are to be now; what the controller shows
/// then.
async fn settle(
    context: &Context,
    namespace: &str,
    now: Timestamp,
) -> Result<Shown, IdentityError> {
    let here = context.get::<Secret>(namespace, AUTHORITY_SECRET).await?;
    let authorities = here.as_ref().map_or_else(|| Ok(Vec::new()), read)?;
    let next = Authorities::at(authorities, now)?;
    if next.changed {
        put(context, next.secret(namespace), here).await?;
        tracing::info!(
            secret = AUTHORITY_SECRET,
            authorities = next.all.len(),
            "authorities of node hosts have changed"
        );
    }
    let here = context.get::<Secret>(namespace, NODE_SECRET).await?;
    if !here.as_ref().is_some_and(|it| next.has_issued(it, now)) {
        put(context, next.of_nodes(namespace, now)?, here).await?;
        tracing::info!(secret = NODE_SECRET, "node hosts have a new certificate");
    }
    Ok(Shown {
        controller: next.issuer.issue(CONTROLLER_NAME, ClientAuth, now)?,
        trusted: next.certificates(),
        term: next.issuer.term,
    })
}

/// Authorities as they are to be.
struct Authorities {
    all: Vec<Authority>,
    issuer: Authority,
    /// Whether that is new.
    changed: bool,
}

impl Authorities {
    /// What becomes of these.
    fn at(before: Vec<Authority>, now: Timestamp) -> Result<Self, IdentityError> {
        let terms: Vec<Term> = before.iter().map(|it| it.term).collect();
        let plan = plan(&terms, now);
        let changed = plan.makes || plan.kept.len() < before.len();
        let kept = before.into_iter().enumerate();
        let kept = kept.filter(|(place, _)| plan.kept.contains(place));
        let mut all: Vec<_> = kept.map(|(_, authority)| authority).collect();
        if plan.makes {
            all.push(Authority::make(now)?);
        }
        // There is one at that place.
        let issuer = all.get(plan.issuer).or_else(|| all.last()).cloned();
        Ok(Self {
            issuer: issuer.map_or_else(|| Authority::make(now), Ok)?,
            all,
            changed,
        })
    }

    fn certificates(&self) -> Vec<String> {
        let all = self.all.iter().map(|it| it.signed.certificate.clone());
        all.collect()
    }

    /// The Secret that holds them.
    fn secret(&self, namespace: &str) -> Secret {
        let keys: String = self.all.iter().map(|it| it.signed.key.as_str()).collect();
        let data = [("ca.crt", self.certificates().concat()), ("ca.key", keys)];
        let last = self.all.iter().map(|it| it.term.until).max();
        secret(namespace, AUTHORITY_SECRET, data, last)
    }

    /// The Secret of node hosts, with a new certificate.
    fn of_nodes(&self, namespace: &str, now: Timestamp) -> Result<Secret, IdentityError> {
        let Signed { certificate, key } = self.issuer.issue(NODE_NAME, ServerAuth, now)?;
        let data = [
            ("ca.crt", self.certificates().concat()),
            ("tls.crt", certificate),
            ("tls.key", key),
        ];
        let term = Term::of_certificate(now, self.issuer.term);
        Ok(secret(namespace, NODE_SECRET, data, Some(term.until)))
    }

    /// Whether node hosts have what they need in this Secret.
    fn has_issued(&self, secret: &Secret, now: Timestamp) -> bool {
        let (Some(certificate), Some(key)) = (text(secret, "tls.crt"), text(secret, "tls.key"))
        else {
            return false;
        };
        let trusts = text(secret, "ca.crt") == Some(self.certificates().concat());
        let issued = Signed { certificate, key }.read();
        trusts
            && issued.is_ok_and(|(term, by)| {
                by == self.issuer.name && !term.is_due(now, self.issuer.term)
            })
    }
}

fn read(secret: &Secret) -> Result<Vec<Authority>, IdentityError> {
    let part = |name| text(secret, name).ok_or(IdentityError::Lacks(name));
    Ok(Authority::read_all(&part("ca.crt")?, &part("ca.key")?)?)
}

/// Makes a Secret, or replaces the one that was there when it was looked.
async fn put(
    context: &Context,
    mut secret: Secret,
    here: Option<Secret>,
) -> Result<(), IdentityError> {
    match here {
        None => context.create(&secret).await?,
        Some(here) => {
            secret.metadata.resource_version = here.metadata.resource_version;
            context.replace(&secret).await?
        }
    };
    Ok(())
}

fn text(secret: &Secret, name: &str) -> Option<String> {
    let ByteString(bytes) = secret.data.as_ref()?.get(name)?;
    String::from_utf8(bytes.clone()).ok()
}

fn secret<const N: usize>(
    namespace: &str,
    name: &str,
    data: [(&str, String); N],
    end: Option<Timestamp>,
) -> Secret {
    let told = end.map(|end| (NOT_AFTER.to_owned(), end.to_string()));
    Secret {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            annotations: Some(BTreeMap::from_iter(told)),
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

#[cfg(test)]
pub(super) mod testing {
    //! Certificates for those who test what is done with them.

    use super::*;

    /// What the two sides of a connection have.
    pub(in crate::wasm) struct Cards {
        issuer: Authority,
        pub(in crate::wasm) authority: String,
        /// Certificate and key of the node host.
        pub(in crate::wasm) node: (String, String),
        controller: Signed,
    }

    /// Those of an authority that was made some years ago.
    pub(in crate::wasm) fn cards(node: &str, now: Timestamp) -> Cards {
        let made = now - plan::AUTHORITY_LIFE + plan::LIFE * 2;
        of(Authority::make(made).unwrap(), node, now)
    }

    fn of(issuer: Authority, node: &str, now: Timestamp) -> Cards {
        let Signed { certificate, key } = issuer.issue(node, ServerAuth, now).unwrap();
        Cards {
            authority: issuer.signed.certificate.clone(),
            node: (certificate, key),
            controller: issuer.issue(CONTROLLER_NAME, ClientAuth, now).unwrap(),
            issuer,
        }
    }

    impl Cards {
        /// Others of the same authority.
        pub(in crate::wasm) fn issued_at(&self, node: &str, now: Timestamp) -> Self {
            of(self.issuer.clone(), node, now)
        }

        /// How the controller that has them speaks.
        pub(in crate::wasm) fn as_controller(&self) -> ClientTlsConfig {
            Shown {
                controller: self.controller.clone(),
                trusted: vec![self.authority.clone()],
                term: self.issuer.term,
            }
            .as_client()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(now: Timestamp, before: &[&Authority]) -> Authorities {
        let before = before.iter().map(|it| (*it).clone()).collect();
        Authorities::at(before, now).unwrap()
    }

    #[test]
    fn without_an_authority_one_is_made_and_kept() {
        let now = Timestamp::now();
        let first = at(now, &[]);
        assert!(first.changed && first.all.len() == 1);
        let read = read(&first.secret("ns")).unwrap();
        let again = Authorities::at(read, now).unwrap();
        assert!(!again.changed);
        assert_eq!(again.certificates(), first.certificates());
        assert_eq!(again.issuer.signed, first.issuer.signed);
    }

    #[test]
    fn while_one_follows_another_both_are_trusted_and_the_old_one_issues() {
        let now = Timestamp::now();
        let old = Authority::make(now - plan::AUTHORITY_LIFE + plan::LIFE).unwrap();
        let both = at(now, &[&old]);
        assert!(both.changed);
        assert_eq!((both.all.len(), &both.issuer.name), (2, &old.name));
        let given = both.of_nodes("ns", now).unwrap();
        let trusted = text(&given, "ca.crt").unwrap();
        assert_eq!(trusted, both.certificates().concat());
        assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 2);

        let later = now + plan::SPREAD;
        let after = Authorities::at(read(&both.secret("ns")).unwrap(), later).unwrap();
        assert!(!after.changed && after.issuer.name != old.name);
        assert!(!after.has_issued(&given, later), "the new one issues now");

        let end = old.term.until;
        let last = Authorities::at(read(&both.secret("ns")).unwrap(), end).unwrap();
        assert!(last.changed && last.certificates().len() == 1);
    }

    #[test]
    fn a_certificate_that_ends_soon_or_is_of_another_authority_is_issued_anew() {
        let now = Timestamp::now();
        let (ours, other) = (at(now, &[]), at(now, &[]));
        let given = ours.of_nodes("ns", now).unwrap();
        assert!(ours.has_issued(&given, now));
        assert!(!ours.has_issued(&given, now + plan::LIFE - plan::LEFT));
        assert!(!other.has_issued(&given, now));
        assert!(!ours.has_issued(&Secret::default(), now));
        for part in ["ca.crt", "tls.crt", "tls.key"] {
            let mut broken = given.clone();
            let theirs = other.of_nodes("ns", now).unwrap();
            let part = (part.to_owned(), theirs.data.unwrap()[part].clone());
            broken.data.as_mut().unwrap().extend([part]);
            assert!(!ours.has_issued(&broken, now));
        }
    }

    #[test]
    fn what_an_authority_lacks_is_named() {
        let told = |secret: &Secret| read(secret).err().unwrap().to_string();
        assert_eq!(
            told(&Secret::default()),
            "Secret mote-node-ca holds no ca.crt; delete it, and it is made anew"
        );
        let mut secret = at(Timestamp::now(), &[]).secret("ns");
        let data = secret.data.as_mut().unwrap();
        data.insert("ca.key".to_owned(), ByteString::default());
        assert_eq!(
            told(&secret),
            "Secret mote-node-ca does not hold the key of each certificate; delete it, and it is \
             made anew"
        );
    }
}
