//! Certificates of those who speak the protocol of node hosts, and who signs
//! them.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{Timestamp, ToSpan};
use kube::Client;
use kube::api::Api;
use mote_controller::wasm::AUTHORITY_SECRET;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tonic::transport::Identity;

const SYSTEM: &str = "agent-sandbox-system";

/// Who signs certificates.
pub struct Authority {
    certificates: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The cluster's, whose key an administrator has.
    pub async fn of_cluster(client: &Client) -> Self {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), SYSTEM);
        let secret = secrets.get(AUTHORITY_SECRET).await.expect("the authority");
        let part = |name: &str| {
            let data = secret.data.as_ref().and_then(|data| data.get(name));
            String::from_utf8(data.expect("a part").0.clone()).expect("PEM")
        };
        let (certificates, key) = (part("ca.crt"), part("ca.key"));
        let key = KeyPair::from_pem(&key).expect("a key");
        let issuer = Issuer::from_ca_cert_pem(&certificates, key).expect("an authority");
        Self {
            certificates,
            issuer,
        }
    }

    /// One that nobody has heard of.
    pub fn unknown() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let kind = DnType::CommonName;
        params
            .distinguished_name
            .push(kind, "an authority of our own");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificates: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate, and those of others that are trusted with it, in PEM.
    pub(crate) fn certificates(&self) -> &str {
        &self.certificates
    }

    /// What a node host shows.
    pub fn node_host(&self) -> Identity {
        self.sign("mote-node", ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// What a node host would show that was off for too long.
    pub fn expired_node_host(&self) -> Identity {
        let ended = |params: &mut CertificateParams| {
            let yesterday = Timestamp::now().to_zoned(TimeZone::UTC).date() - 1.day();
            let (month, day) = (yesterday.month(), yesterday.day());
            let (month, day) = (month.unsigned_abs(), day.unsigned_abs());
            params.not_after = rcgen::date_time_ymd(yesterday.year().into(), month, day);
        };
        self.sign("mote-node", ExtendedKeyUsagePurpose::ServerAuth, ended)
    }

    /// What the controller shows.
    pub(crate) fn controller(&self) -> Identity {
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.sign("mote-controller", usage, |_| {})
    }

    fn sign(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        Identity::from_pem(signed.pem(), key.serialize_pem())
    }
}
