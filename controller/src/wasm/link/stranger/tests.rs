//! A node host that shakes hands, and the controller's own way to call it.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use mote_rpc::v1::WatchRequest;
use mote_rpc::v1::node_service_client::NodeServiceClient;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;
use crate::wasm::fleet::{Fleet, Host};
use crate::wasm::identity::testing::{Cards, cards};
use crate::wasm::link::{call, unmet};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What a node host that has `node` and trusts the authority of `trusted`
/// expects.
fn config(node: &Cards, trusted: &Cards) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(trusted.authority.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let chain = CertificateDer::from_pem_slice(node.node.0.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(node.node.1.as_bytes()).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![chain], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// How it ends when the controller, who has `controller`, calls a node host
/// that has `node`, and that trusts those whom `trusted` trusts.
async fn meet(controller: &Cards, node: &Cards, trusted: &Cards) -> Option<Stranger> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(config(node, trusted));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Whom it lets in, it leaves.
        let _ = acceptor.accept(stream).await;
    });
    let url = format!("https://{address}");
    match call(url, controller.as_controller()).await {
        Err(error) => Stranger::of(&error),
        Ok(channel) => {
            let mut client = NodeServiceClient::new(channel);
            let status = client.watch(WatchRequest {}).await.unwrap_err();
            Stranger::of(&status)
        }
    }
}

#[tokio::test]
async fn who_is_known_is_no_stranger() {
    let ours = cards("mote-node", Timestamp::now());
    assert_eq!(meet(&ours, &ours, &ours).await, None);
}

#[tokio::test]
async fn a_node_hosts_certificate_that_has_ended_or_is_anothers_is_told() {
    let now = Timestamp::now();
    let ours = cards("mote-node", now);
    for (theirs, why) in [
        (ours.issued_at("mote-node", now - YEAR), Stranger::Expired),
        (ours.issued_at("mote-node", now + DAY), Stranger::Early),
        (cards("mote-node", now), Stranger::Unknown),
        (ours.issued_at("another", now), Stranger::Misnamed),
    ] {
        assert_eq!(meet(&ours, &theirs, &ours).await, Some(why));
    }
}

#[tokio::test]
async fn a_node_host_that_refuses_the_controllers_certificate_is_told() {
    let now = Timestamp::now();
    let ours = cards("mote-node", now);
    let expired = ours.issued_at("mote-node", now - YEAR);
    assert_eq!(
        meet(&expired, &ours, &ours).await,
        Some(Stranger::ExpiredThere)
    );
    let others = cards("mote-node", now);
    assert_eq!(
        meet(&ours, &ours, &others).await,
        Some(Stranger::UnknownThere)
    );
}

#[test]
fn a_node_host_that_is_away_is_not_told_of_as_the_stranger_it_was() {
    let fleet = Fleet::default();
    let at = |pod: &str| Host {
        address: "192.0.2.1".to_owned(),
        pod: pod.to_owned(),
    };
    fleet.host_changed("a", Some(at("1")));
    assert!(!fleet.is_refused("a"));
    let expired = TlsError::InvalidCertificate(CertificateError::Expired);
    unmet(&fleet, "a", &drop, &expired);
    assert!(fleet.is_refused("a"));
    let away = io::Error::from(io::ErrorKind::ConnectionRefused);
    unmet(&fleet, "a", &drop, &away);
    assert!(!fleet.is_refused("a"));
}

#[test]
fn every_sentence_says_what_to_do() {
    for stranger in [Stranger::Expired, Stranger::Unknown, Stranger::UnknownThere] {
        let told = stranger.to_string();
        assert!(
            told.contains("Secret mote-node-tls") && told.contains("restart the pod"),
            "{told}"
        );
    }
    assert!(
        Stranger::ExpiredThere
            .to_string()
            .contains("compare the clocks")
    );
}
