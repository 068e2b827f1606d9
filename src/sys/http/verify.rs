//! Verification of a server's certificate: webpki's rules, with one exception.
//!
//! webpki refuses an authority's certificate (CA:TRUE) as that of a server. `openssl req -x509`
//! makes such certificates, and Go accepts them if the administrator trusts them. Here, such a
//! certificate is accepted if a file that the administrator names has exactly this certificate,
//! byte for byte. Names, dates and the signature of the handshake are checked as usual. The
//! exception does not reduce security: the key of a trusted authority can sign a certificate for
//! any server.
//!
//! webpki checks the dates before CA:TRUE. So [`Error::CaUsedAsEndEntity`] means that the dates are
//! valid. Tests check this order. The purposes of such a certificate are not checked: the
//! administrator's file names it for this use.

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, Error};

use super::authorities;

/// Maximum number of a certificate's names in an error.
const NAMES: usize = 5;

/// Trusted authorities, and certificates named in files.
#[derive(Debug)]
pub(super) struct Trust {
    /// Whether Mozilla's authorities are trusted.
    pub(super) built_in: bool,
    /// Those of files.
    pub(super) roots: Vec<TrustAnchor<'static>>,
    /// Fingerprints of the certificates in files.
    pub(super) named: Vec<Fingerprint>,
}

/// A certificate's SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

/// Verifies the certificates of servers. rustls's own verifier makes the same checks, but adds 13
/// kB for revocation lists, of which there are none.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) other: Other,
}

/// What a verifier does with a certificate whose issuer is not in its [`Trust`].
#[derive(Debug)]
pub(super) enum Other {
    /// Refuses it.
    Refused,
    /// Asks this trust, which is loaded only then.
    Trust(fn() -> Option<Trust>),
    /// Accepts it, and every other one, for a check that is not to look at it. Nothing else has such
    /// a verifier.
    Accepted,
}

/// Checks the certificate's signatures and dates.
fn verify_chain(
    trust: &Trust,
    certificate: &CertificateDer<'_>,
    parsed: &ParsedCertificate<'_>,
    chain: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), rustls::Error> {
    let mut roots = Vec::new();
    if trust.built_in {
        let parsed = [certificate].into_iter().chain(chain);
        let parsed: Vec<_> = parsed
            .filter_map(|certificate| EndEntityCert::try_from(certificate).ok())
            .collect();
        let is_issuer = |name: &[u8]| {
            parsed
                .iter()
                .any(|certificate| certificate.issuer() == name)
        };
        roots = authorities::built_in(&is_issuer);
    }
    roots.extend_from_slice(&trust.roots);
    let (roots, all) = (RootCertStore { roots }, algorithms.all);
    verify_server_cert_signed_by_trust_anchor(parsed, &roots, chain, now, all).or_else(|error| {
        let is_authority = cause(&error) == Some(&Error::CaUsedAsEndEntity);
        if is_authority && trust.named.contains(&Fingerprint::of(certificate)) {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// webpki's error inside `error`; `None` if rustls has an error of its own for it.
fn cause(error: &rustls::Error) -> Option<&Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

fn is_unknown(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(error) = error else {
        return false;
    };
    matches!(error, CertificateError::UnknownIssuer)
}

/// The DNS names of a certificate, at most [`NAMES`].
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let parsed = EndEntityCert::try_from(certificate);
    parsed.map_or_else(
        |_| Vec::new(),
        |parsed| {
            let names = parsed.valid_dns_names().take(NAMES);
            names.map(str::to_owned).collect()
        },
    )
}

/// Replaces the names in the error by the certificate's DNS names, at most [`NAMES`]. rustls lists
/// names with `Debug`, which the shipped binary lacks.
fn with_names(mut error: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
    if let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
        presented,
        ..
    }) = &mut error
    {
        let has_other = !presented.is_empty();
        *presented = names(certificate);
        if presented.is_empty() && has_other {
            presented.push("other names or addresses".to_owned());
        }
    }
    error
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if matches!(self.other, Other::Accepted) {
            return Ok(ServerCertVerified::assertion());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let verify = |trust: &Trust| {
            let algorithms = &self.algorithms;
            verify_chain(trust, certificate, &parsed, intermediates, now, algorithms)
        };
        verify(&self.trust).or_else(|error| match self.other {
            Other::Trust(load) if is_unknown(&error) => match load() {
                Some(trust) => verify(&trust),
                None => Err(error),
            },
            _ => Err(error),
        })?;
        verify_server_name(&parsed, name).map_err(|error| with_names(error, certificate))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
        PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PKCS_RSA_SHA384,
        PKCS_RSA_SHA512, SignatureAlgorithm,
    };
    use rustls::pki_types::alg_id;
    use webpki_roots::TLS_SERVER_ROOTS;

    use super::super::crypto::provider;
    use super::*;

    const RSA_2048: &str = include_str!("../../../tests/fake-server/keys/rsa-2048.pem");
    const RSA_4096: &str = include_str!("../../../tests/fake-server/keys/rsa-4096.pem");

    /// The kind of key that no crate here can verify, and the built-in root that has it
    /// (`docs/migrating.md`).
    const UNSUPPORTED: (&str, &str) = ("P-521", "e-Szigno TLS Root CA 2023");

    /// id-ecPublicKey with secp521r1, which `alg_id` lacks.
    const P521: &[u8] = &[
        6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23,
    ];

    /// The kind of key in an authority's SubjectPublicKeyInfo. `spki` has no outer header.
    fn kind(spki: &[u8]) -> String {
        let algorithm = &spki[2..2 + usize::from(spki[1])];
        if algorithm == alg_id::ECDSA_P256.as_ref() {
            return "P-256".to_owned();
        }
        if algorithm == alg_id::ECDSA_P384.as_ref() {
            return "P-384".to_owned();
        }
        if algorithm == P521 {
            return "P-521".to_owned();
        }
        if algorithm != alg_id::RSA_ENCRYPTION.as_ref() {
            return format!("another algorithm: {algorithm:x?}");
        }
        // A bit string, the sequence in it, and its first number. 0x82 means two bytes of length.
        let rest = &spki[2 + algorithm.len()..];
        assert_eq!([rest[0], rest[1], rest[5], rest[6]], [3, 0x82, 0x30, 0x82]);
        assert_eq!(rest[9..11], [2, 0x82]);
        let bytes = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        // The number is one byte longer than the modulus: a leading zero, since its first bit is
        // one.
        format!("RSA-{}", (bytes - 1) * 8)
    }

    fn has_name(root: &TrustAnchor<'_>, name: &str) -> bool {
        let mut windows = root.subject.windows(name.len());
        windows.any(|window| window == name.as_bytes())
    }

    /// The certificates of a server, its intermediate and its root. `key` is the root's key.
    fn chain(key: KeyPair) -> [CertificateDer<'static>; 3] {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let root = CertifiedIssuer::self_signed(authority("Root"), key).unwrap();
        let intermediate = KeyPair::generate().unwrap();
        let intermediate =
            CertifiedIssuer::signed_by(authority("Intermediate"), intermediate, &root).unwrap();
        let server = CertificateParams::new(["api.example".to_owned()])
            .unwrap()
            .signed_by(&KeyPair::generate().unwrap(), &intermediate)
            .unwrap();
        [
            server.der().clone(),
            intermediate.der().clone(),
            root.der().clone(),
        ]
    }

    #[test]
    fn chains_below_every_kind_of_key_of_the_built_in_roots_are_accepted() {
        let rsa = |pem: &str, algorithm: &'static SignatureAlgorithm| {
            KeyPair::from_pem_and_sign_algo(pem, algorithm).unwrap()
        };
        let ec = |algorithm| KeyPair::generate_for(algorithm).unwrap();
        // (kind of the root's key, keys with their signature algorithms)
        let table = [
            (
                "RSA-2048",
                vec![
                    rsa(RSA_2048, &PKCS_RSA_SHA256),
                    rsa(RSA_2048, &PKCS_RSA_SHA384),
                    rsa(RSA_2048, &PKCS_RSA_SHA512),
                ],
            ),
            (
                "RSA-4096",
                vec![
                    rsa(RSA_4096, &PKCS_RSA_SHA256),
                    rsa(RSA_4096, &PKCS_RSA_SHA384),
                    rsa(RSA_4096, &PKCS_RSA_SHA512),
                ],
            ),
            ("P-256", vec![ec(&PKCS_ECDSA_P256_SHA256)]),
            ("P-384", vec![ec(&PKCS_ECDSA_P384_SHA384)]),
        ];
        let (unsupported, only) = UNSUPPORTED;
        let found: BTreeSet<String> = TLS_SERVER_ROOTS
            .iter()
            .filter(|root| !has_name(root, only))
            .map(|root| kind(&root.subject_public_key_info))
            .collect();
        let tried: BTreeSet<String> = table.iter().map(|(kind, _)| (*kind).to_owned()).collect();
        let other = TLS_SERVER_ROOTS
            .iter()
            .find(|root| has_name(root, only))
            .map(|root| kind(&root.subject_public_key_info));
        assert_eq!(other.as_deref(), Some(unsupported));
        assert_eq!(
            found, tried,
            "a kind of key has no row here, or a row has no root"
        );

        for (name, keys) in table {
            for key in keys {
                let how = format!("{name} {:?}", key.algorithm());
                let [server, intermediate, root] = chain(key);
                let anchor = webpki::anchor_from_trusted_cert(&root).unwrap().to_owned();
                assert_eq!(kind(&anchor.subject_public_key_info), name);
                let trust = Trust {
                    built_in: false,
                    roots: vec![anchor],
                    named: Vec::new(),
                };
                let verifier = Verifier {
                    trust,
                    algorithms: provider().signature_verification_algorithms,
                    other: Other::Refused,
                };
                let name = ServerName::try_from("api.example").unwrap();
                let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
                let chain = [intermediate];
                let outcome = verifier.verify_server_cert(&server, &chain, &name, &[], now);
                assert!(outcome.is_ok(), "{how}: {outcome:?}");

                // The same chain with one bit of the root's signature changed.
                let mut damaged = chain[0].to_vec();
                *damaged.last_mut().unwrap() ^= 1;
                let outcome =
                    verifier.verify_server_cert(&server, &[damaged.into()], &name, &[], now);
                assert!(outcome.is_err(), "{how}: a damaged signature is accepted");
            }
        }
    }
}
