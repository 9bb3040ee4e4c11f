//! Authorities and the certificates that they issue, as PEM.

use k8s_openapi::jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

use super::plan::Term;

/// How a block of PEM ends.
const END: &str = "-----END";

/// What is no certificate, or none with this key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::wasm) enum Unusable {
    /// A certificate cannot be read.
    #[error("a certificate that can be read")]
    Certificate,
    /// The key is not that of the certificate.
    #[error("the key of each certificate")]
    Key,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Signed {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Signed {
    /// When it is good, and by whom it was issued.
    ///
    /// # Errors
    /// It is no certificate, or the key is another's.
    pub(super) fn read(&self) -> Result<(Term, String), Unusable> {
        let pem = Pem::iter_from_buffer(self.certificate.as_bytes()).next();
        let pem = pem.and_then(Result::ok).ok_or(Unusable::Certificate)?;
        let certificate = pem.parse_x509().map_err(|_| Unusable::Certificate)?;
        let key = KeyPair::from_pem(&self.key).map_err(|_| Unusable::Key)?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(Unusable::Key);
        }
        let term = term(&certificate).ok_or(Unusable::Certificate)?;
        Ok((term, certificate.issuer().to_string()))
    }
}

fn term(certificate: &X509Certificate<'_>) -> Option<Term> {
    let validity = certificate.validity();
    Some(Term {
        from: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
        until: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
    })
}

/// Whoever has its key is whoever it says it is.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    pub(super) signed: Signed,
    pub(super) term: Term,
    /// Its name in the certificates that it issues.
    pub(super) name: String,
}

impl Authority {
    /// A new one, which is named by the time it was made at.
    ///
    /// # Errors
    /// A key or a certificate cannot be made.
    pub(super) fn make(now: Timestamp) -> Result<Self, rcgen::Error> {
        let term = Term::of_authority(now);
        let key = KeyPair::generate()?;
        let name = format!("mote-node authority {now:.0}");
        let mut params = params(&name, Vec::new(), term)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let signed = Signed {
            certificate: params.self_signed(&key)?.pem(),
            key: key.serialize_pem(),
        };
        Ok(Self {
            signed,
            term,
            name: format!("CN={name}"),
        })
    }

    /// All whose certificates and keys are in these texts, in the same order,
    /// from the oldest to the newest.
    ///
    /// # Errors
    /// One is no authority.
    pub(super) fn read_all(certificates: &str, keys: &str) -> Result<Vec<Self>, Unusable> {
        let (certificates, keys) = (blocks(certificates), blocks(keys));
        if certificates.is_empty() {
            return Err(Unusable::Certificate);
        }
        if certificates.len() != keys.len() {
            return Err(Unusable::Key);
        }
        let pairs = certificates.into_iter().zip(keys);
        let all: Result<Vec<_>, _> = pairs
            .map(|(certificate, key)| {
                let signed = Signed { certificate, key };
                // It has issued itself.
                let (term, name) = signed.read()?;
                Ok(Self { signed, term, name })
            })
            .collect();
        let mut all = all?;
        all.sort_by_key(|authority| authority.term.from);
        Ok(all)
    }

    /// Issues a certificate for this name and use.
    ///
    /// # Errors
    /// A key or a certificate cannot be made.
    pub(super) fn issue(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
        now: Timestamp,
    ) -> Result<Signed, rcgen::Error> {
        let key = KeyPair::from_pem(&self.signed.key)?;
        let issuer = Issuer::from_ca_cert_pem(&self.signed.certificate, key)?;
        let key = KeyPair::generate()?;
        let term = Term::of_certificate(now, self.term);
        let mut params = params(name, vec![name.to_owned()], term)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        Ok(Signed {
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn params(name: &str, dns: Vec<String>, term: Term) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(dns)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(term.from);
    params.not_after = date(term.until);
    Ok(params)
}

fn date(at: Timestamp) -> time::OffsetDateTime {
    // Any time that jiff can tell, to the second, `time` can tell as well.
    time::OffsetDateTime::from_unix_timestamp(at.as_second())
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

/// The blocks of a text in PEM, each with its first and last line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        block.push_str(line);
        block.push('\n');
        if line.starts_with(END) {
            blocks.push(std::mem::take(&mut block));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-29T00:00:00.5Z".parse().unwrap()
    }

    fn joined(authorities: &[&Authority]) -> (String, String) {
        let all = authorities.iter().map(|it| &it.signed);
        let (mut certificates, mut keys) = (String::new(), String::new());
        for Signed { certificate, key } in all {
            certificates.push_str(certificate);
            keys.push_str(key);
        }
        (certificates, keys)
    }

    #[test]
    fn authorities_are_read_as_they_were_made_the_oldest_first() {
        let old = Authority::make(now()).unwrap();
        let new = Authority::make(now() + super::super::plan::SPREAD).unwrap();
        let (certificates, keys) = joined(&[&new, &old]);
        let read = Authority::read_all(&certificates, &keys).unwrap();
        assert_eq!(read.len(), 2);
        for (read, made) in read.iter().zip([&old, &new]) {
            assert_eq!((&read.signed, &read.name), (&made.signed, &made.name));
            assert_eq!(read.term.until.as_second(), made.term.until.as_second());
        }
        assert_eq!(old.name, "CN=mote-node authority 2026-11-29T00:00:00Z");
    }

    #[test]
    fn what_is_no_authority_is_told() {
        let (one, other) = (
            Authority::make(now()).unwrap(),
            Authority::make(now()).unwrap(),
        );
        let Signed { certificate, key } = &one.signed;
        for (certificates, keys, why) in [
            ("", "", Unusable::Certificate),
            ("nonsense", key.as_str(), Unusable::Certificate),
            (certificate, "", Unusable::Key),
            (certificate, &other.signed.key, Unusable::Key),
            (key, key, Unusable::Certificate),
        ] {
            assert_eq!(Authority::read_all(certificates, keys).err(), Some(why));
        }
    }

    #[test]
    fn a_certificate_tells_its_authority_and_does_not_outlive_it() {
        let authority = Authority::make(now()).unwrap();
        let late = authority.term.until - super::super::plan::SPREAD;
        let purpose = ExtendedKeyUsagePurpose::ServerAuth;
        let issued = authority.issue("mote-node", purpose, late).unwrap();
        let (term, issuer) = issued.read().unwrap();
        assert_eq!(issuer, authority.name);
        assert_eq!(term.until.as_second(), authority.term.until.as_second());
    }
}
