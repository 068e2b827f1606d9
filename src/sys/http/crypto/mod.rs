//! The cryptography of TLS, as far as a client needs it that has no certificate.
//!
//! Ciphers and digests are ring's. What is done once a connection, certificates' signatures and the
//! exchange of keys, is done without ring's tables and its code for each kind of processor, which are made
//! for servers that do it thousands of times a second.

mod curve;
mod der;
mod ecdsa;
mod exchange;
mod modular;
mod rsa;

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::cipher_suite as suite;
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, SignatureScheme, SupportedCipherSuite};

/// How certificates may be signed, and which of them a scheme of TLS means.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        &ecdsa::P256_SHA256,
        &ecdsa::P256_SHA384,
        &ecdsa::P384_SHA256,
        &ecdsa::P384_SHA384,
        &rsa::PSS_SHA256,
        &rsa::PSS_SHA384,
        &rsa::PSS_SHA512,
        &rsa::PKCS1_SHA256,
        &rsa::PKCS1_SHA384,
        &rsa::PKCS1_SHA512,
        &rsa::PKCS1_SHA256_ABSENT,
        &rsa::PKCS1_SHA384_ABSENT,
        &rsa::PKCS1_SHA512_ABSENT,
    ],
    // TLS 1.2 leaves the curve open, so that both are tried.
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[&ecdsa::P384_SHA384, &ecdsa::P256_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[&ecdsa::P256_SHA256, &ecdsa::P384_SHA256],
        ),
        (SignatureScheme::RSA_PSS_SHA512, &[&rsa::PSS_SHA512]),
        (SignatureScheme::RSA_PSS_SHA384, &[&rsa::PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA256, &[&rsa::PSS_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[&rsa::PKCS1_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[&rsa::PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[&rsa::PKCS1_SHA256]),
    ],
};

/// AES-GCM alone: the one that TLS 1.3 demands of everyone (RFC 8446, 9.1), and what every server has that
/// speaks TLS 1.2 with forward secrecy. ChaCha20-Poly1305 would be quicker without instructions for AES, and
/// is 52 kB of amd64.
static SUITES: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: SUITES.to_vec(),
        kx_groups: exchange::GROUPS.to_vec(),
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Random,
        key_provider: &NoKeys,
    })
}

#[derive(Debug)]
struct Random;

impl SecureRandom for Random {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new()
            .fill(buffer)
            .map_err(|_| GetRandomFailed)
    }
}

/// Nothing is ever signed.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no private keys".to_owned()))
    }
}
