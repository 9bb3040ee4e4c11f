//! Certificates of those who speak the protocol of node hosts, and who signs
//! them.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::civil::Date;
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
        Self::make("an authority of our own", |_| {})
    }

    /// One that has half a year of three left.
    pub fn old() -> Self {
        let today = today();
        Self::make("an old authority", |params| {
            lasts(params, today - 30.months(), today + 6.months());
        })
    }

    fn make(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificates: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its key, in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Its certificate, and those of others that are trusted with it, in PEM.
    pub fn certificates(&self) -> &str {
        &self.certificates
    }

    /// What a node host shows.
    pub fn node_host(&self) -> Identity {
        self.sign("mote-node", ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// What a node host would show that was off for too long.
    pub fn expired_node_host(&self) -> Identity {
        let ended = |params: &mut CertificateParams| {
            lasts(params, today() - 2.days(), today() - 1.day());
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

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// From the beginning of one day to that of another.
fn lasts(params: &mut CertificateParams, from: Date, until: Date) {
    let begins = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        rcgen::date_time_ymd(date.year().into(), month, day)
    };
    params.not_before = begins(from);
    params.not_after = begins(until);
}
