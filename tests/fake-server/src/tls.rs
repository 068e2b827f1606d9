//! A certificate authority of this process, and its certificates.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;

use super::server::Settings;

/// The names and addresses of the fake server.
const NAMES: &[&str] = &["localhost", "127.0.0.1", "::1"];

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// It is signed by an authority that the client does not trust.
    UnknownCa,
}

impl Flaw {
    /// All flaws, with their names in a script.
    pub const ALL: [(&str, Flaw); 4] = [
        ("expired", Flaw::Expired),
        ("early", Flaw::NotYetValid),
        ("wrong-name", Flaw::WrongName),
        ("unknown-ca", Flaw::UnknownCa),
    ];

    pub(super) fn named(name: &str) -> Option<Flaw> {
        let (_, flaw) = Flaw::ALL.into_iter().find(|(have, _)| *have == name)?;
        Some(flaw)
    }
}

/// A kind of key in a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyKind {
    Rsa2048,
    Rsa4096,
    P256,
    P384,
}

impl KeyKind {
    pub const ALL: [KeyKind; 4] = [
        KeyKind::Rsa2048,
        KeyKind::Rsa4096,
        KeyKind::P256,
        KeyKind::P384,
    ];

    /// A new key, or the one in `keys/`: ring makes no RSA keys.
    fn key(self) -> KeyPair {
        match self {
            KeyKind::Rsa2048 => KeyPair::from_pem(include_str!("../keys/rsa-2048.pem")),
            KeyKind::Rsa4096 => KeyPair::from_pem(include_str!("../keys/rsa-4096.pem")),
            KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        }
        .unwrap()
    }
}

/// The authority's certificate and the server's sides of a handshake.
pub(super) struct Certificates {
    /// The authority's certificate as PEM, for clients.
    pub(super) ca: String,
    good: Arc<ServerConfig>,
    flawed: Vec<(Flaw, Arc<ServerConfig>)>,
}

impl Certificates {
    /// Makes all keys and certificates.
    pub(super) fn make(settings: &Settings) -> Certificates {
        let ca = authority("Stand-in test authority", settings.keys);
        let stranger = authority("Somebody else's authority", settings.keys);
        let config = |flaw| {
            let issuer = if flaw == Some(Flaw::UnknownCa) {
                &stranger
            } else {
                &ca
            };
            let key = settings.keys.key();
            let certificate = params(flaw).signed_by(&key, issuer).unwrap();
            Arc::new(configured(&certificate, &key, settings))
        };
        let own = settings.self_signed.then(|| {
            let key = settings.keys.key();
            let mut params = params(None);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.extended_key_usages = Vec::new();
            let certificate = params.self_signed(&key).unwrap();
            let server = Arc::new(configured(&certificate, &key, settings));
            (certificate.pem(), server)
        });
        let (ca, good) = own.unwrap_or_else(|| (ca.pem(), config(None)));
        Certificates {
            ca,
            good,
            flawed: Flaw::ALL.map(|(_, flaw)| (flaw, config(Some(flaw)))).into(),
        }
    }

    /// The server's side of a handshake, with this flaw or none.
    pub(super) fn config(&self, flaw: Option<Flaw>) -> Arc<ServerConfig> {
        let mut flawed = self.flawed.iter();
        let config = match flawed.find(|(have, _)| Some(*have) == flaw) {
            Some((_, config)) => config,
            None => &self.good,
        };
        config.clone()
    }
}

fn authority(name: &str, keys: KeyKind) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, keys.key()).unwrap()
}

/// The contents of a server's certificate.
fn params(flaw: Option<Flaw>) -> CertificateParams {
    let names: Vec<String> = match flaw {
        Some(Flaw::WrongName) => vec!["elsewhere.example".to_owned()],
        _ => NAMES.iter().map(|&name| name.to_owned()).collect(),
    };
    let mut params = CertificateParams::new(names).unwrap();
    let (from, until) = match flaw {
        Some(Flaw::Expired) => (2020, 2021),
        Some(Flaw::NotYetValid) => (2098, 2099),
        _ => (2020, 2099),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
        .distinguished_name
        .push(DnType::CommonName, "Stand-in");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn configured(certificate: &Certificate, key: &KeyPair, settings: &Settings) -> ServerConfig {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(only) = settings.group {
        provider.kx_groups.retain(|group| group.name() == only);
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(settings.versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    if !settings.resume {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config
}
