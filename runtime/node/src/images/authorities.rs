//! Authorities of registries' certificates.

use std::sync::Arc;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Who may say that a registry is who it says: the public authorities, which
/// come with the program, and those of a cluster's own.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

/// What was given is no certificate of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds no certificates of authorities in PEM")]
pub struct AuthoritiesError;

impl Default for Authorities {
    fn default() -> Self {
        let mut store = RootCertStore::empty();
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self(Arc::new(store))
    }
}

impl Authorities {
    /// The public ones, and those of this PEM.
    ///
    /// # Errors
    /// It holds none, or one that is none.
    pub fn and(pem: &[u8]) -> Result<Self, AuthoritiesError> {
        let Self(public) = Self::default();
        let mut store = Arc::unwrap_or_clone(public);
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| AuthoritiesError)?;
            store.add(certificate).map_err(|_| AuthoritiesError)?;
        }
        if store.len() == before {
            return Err(AuthoritiesError);
        }
        Ok(Self(Arc::new(store)))
    }

    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_no_certificate_is_refused() {
        let noise = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
        for bad in ["", "x", noise, "-----BEGIN CERTIFICATE-----\n"] {
            assert!(Authorities::and(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap();
        let both = Authorities::and(own.pem().repeat(2).as_bytes()).unwrap();
        assert_eq!(both.0.len(), Authorities::default().0.len() + 2);
    }
}
