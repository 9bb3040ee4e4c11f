//! Who the node is, and whom it answers: certificates from files, read again
//! when they change.

mod stranger;
mod verifier;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

pub(super) use stranger::Stranger;
use verifier::Named;

/// Longest file: a chain of certificates takes some thousand bytes each.
const MAX_PEM_BYTES: u64 = 256 * 1024;

/// Where the certificates are, in PEM.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The node's certificate, and those between it and its authority's.
    pub cert: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// The authorities whose clients are answered.
    pub ca: PathBuf,
}

/// The files do not say who the node is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("failed to read {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{}: {reason}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name of clients is none.
    #[error("{0:?} is no DNS name that a client's certificate could have")]
    Client(String),
}

/// Who the node is, and whom it answers.
pub struct Identity {
    files: IdentityFiles,
    client: Arc<str>,
    name: ServerName<'static>,
    read: Mutex<Read_>,
}

/// What was read last.
struct Read_ {
    stamps: [Stamp; 3],
    config: Arc<ServerConfig>,
}

/// Which file it was when it was read. Where it is replaced, or written in
/// place, one of these is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Identity {
    /// Reads the files. Clients are answered whose certificate is of the
    /// authority and of this DNS name.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn open(files: IdentityFiles, client: &str) -> Result<Self, IdentityError> {
        let name = match ServerName::try_from(client.to_owned()) {
            Ok(name @ ServerName::DnsName(_)) => name,
            _ => return Err(IdentityError::Client(client.to_owned())),
        };
        let read = read(&files, &name)?;
        Ok(Self {
            files,
            client: client.into(),
            name,
            read: Mutex::new(read),
        })
    }

    /// The DNS name of the clients that are answered.
    pub(super) fn client(&self) -> Arc<str> {
        Arc::clone(&self.client)
    }

    /// As the files have it now; as they had it before if they make no sense,
    /// for they may be half written.
    pub(super) async fn current(self: &Arc<Self>) -> Arc<ServerConfig> {
        let this = Arc::clone(self);
        let current = tokio::task::spawn_blocking(move || this.read_again()).await;
        current.unwrap_or_else(|_| self.last())
    }

    fn last(&self) -> Arc<ServerConfig> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&read.config)
    }

    fn read_again(&self) -> Arc<ServerConfig> {
        // The lock lasts while they are read: once is enough for all who wait.
        let mut last = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if stamps(&self.files).is_ok_and(|now| now == last.stamps) {
            return Arc::clone(&last.config);
        }
        match read(&self.files, &self.name) {
            Ok(read) => {
                *last = read;
                tracing::info!("read the certificates again, for they have changed");
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, cause, "the certificates have changed and make no sense; those from before are used");
            }
        }
        Arc::clone(&last.config)
    }
}

fn stamps(files: &IdentityFiles) -> Result<[Stamp; 3], IdentityError> {
    let stamp = |path: &Path| {
        let meta = fs::metadata(path).map_err(|source| IdentityError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    };
    Ok([stamp(&files.cert)?, stamp(&files.key)?, stamp(&files.ca)?])
}

fn read(files: &IdentityFiles, client: &ServerName<'static>) -> Result<Read_, IdentityError> {
    let IdentityFiles { cert, key, ca } = files;
    // Before they are read: what changes meanwhile is read again.
    let stamps = stamps(files)?;
    let config = configure(cert, key, ca, client)?;
    Ok(Read_ {
        stamps,
        config: Arc::new(config),
    })
}

fn configure(
    cert: &Path,
    key: &Path,
    ca: &Path,
    client: &ServerName<'static>,
) -> Result<ServerConfig, IdentityError> {
    let wrong = |path: &Path, reason: String| IdentityError::Content {
        path: path.to_owned(),
        reason,
    };
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates(ca)? {
        roots
            .add(root)
            .map_err(|error| wrong(ca, error.to_string()))?;
    }
    let signed = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
        .build()
        .map_err(|error| wrong(ca, error.to_string()))?;
    let chain = certificates(cert)?;
    let secret = PrivateKeyDer::from_pem_slice(&contents(key)?)
        .map_err(|error| wrong(key, format!("no private key in PEM: {error}")))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| wrong(cert, error.to_string()))?
        .with_client_cert_verifier(Arc::new(Named::new(signed, client.clone())))
        .with_single_cert(chain, secret)
        .map_err(|error| wrong(cert, error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not show its certificate, which may have
    // expired, or be of an authority that is no more.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let wrong = |reason| IdentityError::Content {
        path: path.to_owned(),
        reason,
    };
    let pem = contents(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|error| wrong(format!("no certificates in PEM: {error}")))?;
    if all.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(all)
}

fn contents(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|source| IdentityError::File {
        path: path.to_owned(),
        source,
    })?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        return Err(IdentityError::Content {
            path: path.to_owned(),
            reason: format!("longer than {MAX_PEM_BYTES} bytes; name a file of certificates"),
        });
    }
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests;
