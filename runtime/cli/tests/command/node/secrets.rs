//! Who is answered, and what becomes of it when certificates are replaced.

use tonic::Code;

use super::authority::{Authority, Signed};
use super::harness::{CONTROLLER, Controller, Host, spec};

/// Whether somebody who shows `signed` gets an answer.
async fn is_answered(host: &Host, authority: &Authority, signed: Option<Signed>) -> bool {
    // With TLS 1.3 a client hears that it was refused after its handshake.
    let Ok(client) = host.client(authority, signed).await else {
        return false;
    };
    match client.ensure_all(Vec::new()).await {
        Ok(results) => results.is_empty(),
        Err(status) => {
            assert_ne!(status.code(), Code::Ok);
            false
        }
    }
}

#[tokio::test]
async fn only_the_controller_is_answered() {
    let host = Host::start().await;
    let own = &host.authority;
    assert!(is_answered(&host, own, Some(own.sign(CONTROLLER))).await);
    assert!(!is_answered(&host, own, None).await);
    assert!(!is_answered(&host, own, Some(own.sign("mote-node"))).await);
    assert!(!is_answered(&host, own, Some(own.sign("a.mote-controller"))).await);
    let stranger = Authority::new();
    assert!(!is_answered(&host, own, Some(stranger.sign(CONTROLLER))).await);
}

#[tokio::test]
async fn certificates_are_replaced_without_a_restart() {
    let host = Host::start().await;
    let before: Controller = host.controller().await;
    let old = &host.authority;
    let new = Authority::new();
    // Half of it: the certificate is not the key's, and those from before stay.
    std::fs::write(host.tls.path().join("tls.crt"), new.sign("mote-node").cert).unwrap();
    assert!(is_answered(&host, old, Some(old.sign(CONTROLLER))).await);

    new.equip(host.tls.path());
    assert!(is_answered(&host, &new, Some(new.sign(CONTROLLER))).await);
    assert!(!is_answered(&host, &new, Some(old.sign(CONTROLLER))).await);
    // Who was let in before goes on.
    before.ensure(spec(1)).await;
}
