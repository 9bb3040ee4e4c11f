use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConnection, SideData,
};
use tokio_rustls::rustls::{SupportedProtocolVersion, client::Resumption};

use super::*;

pub(in crate::rpc) const NODE: &str = "mote-node";
const CONTROLLER: &str = "mote-controller";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: rcgen::Certificate,
}

type Signed = (rcgen::Certificate, KeyPair);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, root }
    }

    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn client(&self) -> Signed {
        self.sign(CONTROLLER, |_| {})
    }

    fn equip(&self, files: &IdentityFiles) {
        let (cert, key) = self.sign(NODE, |_| {});
        fs::write(&files.cert, cert.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::write(&files.ca, self.root.pem()).unwrap();
    }
}

fn files(folder: &Path) -> IdentityFiles {
    IdentityFiles {
        cert: folder.join("tls.crt"),
        key: folder.join("tls.key"),
        ca: folder.join("ca.crt"),
    }
}

struct Node {
    folder: tempfile::TempDir,
    authority: Authority,
    identity: Identity,
}

impl Node {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        authority.equip(&files(folder.path()));
        let identity = Identity::open(files(folder.path()), CONTROLLER).unwrap();
        Self {
            folder,
            authority,
            identity,
        }
    }

    fn answers(&self, signed: Option<&Signed>) -> bool {
        self.meets(&self.authority, signed, &TLS13).is_ok()
    }

    /// Shakes hands with a client that trusts `trusted` and shows `signed`.
    fn meets(
        &self,
        trusted: &Authority,
        signed: Option<&Signed>,
        version: &'static SupportedProtocolVersion,
    ) -> Result<(), tokio_rustls::rustls::Error> {
        let config = client(trusted, signed, version);
        let name = NODE.try_into().unwrap();
        let mut client = ClientConnection::new(config, name).unwrap();
        let mut server = ServerConnection::new(self.identity.read_again()).unwrap();
        shake(&mut client, &mut server)
    }

    /// What it says of a client that trusts `trusted` and does not take it for
    /// the node.
    fn told(&self, trusted: &Authority, signed: &Signed) -> Stranger {
        let config = client(trusted, Some(signed), &TLS13);
        let mut client = ClientConnection::new(config, NODE.try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(self.identity.read_again()).unwrap();
        pass(&mut client, &mut server);
        server.process_new_packets().unwrap();
        pass(&mut server, &mut client);
        assert!(client.process_new_packets().is_err());
        pass(&mut client, &mut server);
        Stranger::from(&server.process_new_packets().unwrap_err())
    }
}

/// A client that trusts `trusted` and shows `signed`.
fn client(
    trusted: &Authority,
    signed: Option<&Signed>,
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.root.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match signed {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let chain = vec![cert.der().clone()];
            config.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Who a node is, and a client that it answers; the folder is the node's.
pub(in crate::rpc) fn acquainted() -> (tempfile::TempDir, Identity, Arc<ClientConfig>) {
    let Node {
        folder,
        authority,
        identity,
    } = Node::new();
    let config = client(&authority, Some(&authority.client()), &TLS13);
    (folder, identity, config)
}

/// Passes what one has to say to the other, who does not look at it yet.
fn pass<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>)
where
    A: SideData,
    B: SideData,
{
    let mut sent = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut sent).unwrap();
    }
    to.read_tls(&mut sent.as_slice()).unwrap();
}

/// Passes what they write between the two until neither writes any more.
fn shake(
    client: &mut ClientConnection,
    server: &mut ServerConnection,
) -> Result<(), tokio_rustls::rustls::Error> {
    while client.wants_write() || server.wants_write() {
        let mut sent = Vec::new();
        client.write_tls(&mut sent).unwrap();
        let mut sent = sent.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets()?;
        }
        let mut answered = Vec::new();
        server.write_tls(&mut answered).unwrap();
        let mut answered = answered.as_slice();
        while !answered.is_empty() {
            client.read_tls(&mut answered).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

#[test]
fn a_client_is_answered_that_the_authority_signed_for_the_name() {
    let node = Node::new();
    assert!(node.answers(Some(&node.authority.client())));
}

#[test]
fn nobody_else_is_answered() {
    let node = Node::new();
    let signed = |name: &str| node.authority.sign(name, |_| {});
    assert!(!node.answers(None));
    for name in ["mote-node", "x.mote-controller", "mote-controller.x", "*.x"] {
        assert!(!node.answers(Some(&signed(name))), "{name}");
    }
    // A common name is no name.
    let common = node.authority.sign("other", |params| {
        let kind = rcgen::DnType::CommonName;
        params.distinguished_name.push(kind, CONTROLLER);
    });
    assert!(!node.answers(Some(&common)));
    let stranger = Authority::new();
    assert!(!node.answers(Some(&stranger.client())));
}

#[test]
fn it_is_told_why_somebody_is_not_answered() {
    let node = Node::new();
    let with = |change: fn(&mut CertificateParams)| node.authority.sign(CONTROLLER, change);
    let expired = with(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = with(|params| params.not_before = date_time_ymd(4000, 1, 1));
    let other = node.authority.sign("other", |_| {});
    for (shown, why) in [
        (None, Stranger::Bare),
        (Some(&expired), Stranger::Expired),
        (Some(&early), Stranger::Early),
        (Some(&Authority::new().client()), Stranger::Unknown),
        (Some(&other), Stranger::Misnamed),
    ] {
        let met = node.meets(&node.authority, shown, &TLS13);
        assert_eq!(Stranger::from(&met.unwrap_err()), why);
    }
}

#[test]
fn a_controller_that_does_not_take_the_nodes_certificate_is_told_of() {
    let node = Node::new();
    let client = node.authority.client();
    let (cert, key) = node.authority.sign(NODE, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let stranger = Authority::new();
    assert_eq!(node.told(&stranger, &client), Stranger::UnknownHere);
    let files = files(node.folder.path());
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    assert_eq!(node.told(&node.authority, &client), Stranger::ExpiredHere);
}

#[test]
fn an_authority_may_follow_another_while_both_are_trusted() {
    let node = Node::new();
    let (old, new) = (&node.authority, Authority::new());
    let files = files(node.folder.path());
    let both = format!("{}{}", old.root.pem(), new.root.pem());
    fs::write(&files.ca, both).unwrap();
    assert!(node.meets(old, Some(&old.client()), &TLS13).is_ok());
    assert!(node.meets(old, Some(&new.client()), &TLS13).is_ok());
    let (cert, key) = new.sign(NODE, |_| {});
    fs::write(&files.cert, cert.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    assert!(node.meets(&new, Some(&old.client()), &TLS13).is_ok());
    fs::write(&files.ca, new.root.pem()).unwrap();
    assert!(node.meets(&new, Some(&old.client()), &TLS13).is_err());
    assert!(node.meets(&new, Some(&new.client()), &TLS13).is_ok());
}

#[test]
fn a_certificate_is_good_for_its_time_and_its_use() {
    let node = Node::new();
    let expired = node.authority.sign(CONTROLLER, |params| {
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let early = node.authority.sign(CONTROLLER, |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    });
    let servers = node.authority.sign(CONTROLLER, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    for bad in [expired, early, servers] {
        assert!(!node.answers(Some(&bad)));
    }
    let good = node.authority.sign(CONTROLLER, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    assert!(node.answers(Some(&good)));
}

#[test]
fn nothing_older_than_tls_1_3_is_spoken() {
    let node = Node::new();
    let client = node.authority.client();
    assert!(node.meets(&node.authority, Some(&client), &TLS12).is_err());
}

#[test]
fn files_are_read_again_when_they_change() {
    let node = Node::new();
    let files = files(node.folder.path());
    let (old, new) = (&node.authority, Authority::new());
    new.equip(&files);
    let (of_old, of_new) = (old.client(), new.client());
    assert!(node.meets(&new, Some(&of_new), &TLS13).is_ok());
    assert!(node.meets(&new, Some(&of_old), &TLS13).is_err());
    assert!(node.meets(old, Some(&of_old), &TLS13).is_err());
}

#[test]
fn files_that_make_no_sense_change_nothing_until_they_do() {
    let node = Node::new();
    let files = files(node.folder.path());
    let client = node.authority.client();
    for (file, text) in [
        (&files.ca, ""),
        (&files.cert, "nonsense"),
        (&files.key, "-----BEGIN PRIVATE KEY-----\n"),
    ] {
        fs::write(file, text).unwrap();
        assert!(node.answers(Some(&client)));
        assert!(Identity::open(files.clone(), CONTROLLER).is_err());
    }
    fs::remove_file(&files.key).unwrap();
    assert!(node.answers(Some(&client)));
    let new = Authority::new();
    new.equip(&files);
    assert!(!node.answers(Some(&client)));
    assert!(node.meets(&new, Some(&new.client()), &TLS13).is_ok());
}

#[test]
fn a_file_without_end_is_not_read() {
    let node = Node::new();
    let files = files(node.folder.path());
    let long = "x".repeat(MAX_PEM_BYTES as usize + 1);
    fs::write(&files.ca, long).unwrap();
    let Err(error) = Identity::open(files, CONTROLLER) else {
        panic!("it was read");
    };
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[test]
fn a_client_is_named_as_a_certificate_can_name_it() {
    let node = Node::new();
    for bad in ["", "10.0.0.1", "a b", "-"] {
        let identity = Identity::open(files(node.folder.path()), bad);
        assert!(matches!(identity, Err(IdentityError::Client(_))), "{bad:?}");
    }
}
