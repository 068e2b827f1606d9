//! The cryptography of TLS: ring's through rustls, and curve25519-dalek's X25519.
//!
//! This module chooses algorithms and connects crates. It has no arithmetic of its own.
//! `docs/security.md` says which algorithms are built, and how ring's P-256 is linked.

use std::fmt;
use std::sync::Arc;

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::constants::X25519_BASEPOINT;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::{cipher_suite as suite, kx_group};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret,
    SupportedKxGroup, WebPkiSupportedAlgorithms,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme, SupportedCipherSuite};
use webpki::ring as signature;

/// Accepted signature algorithms of certificates, and those that each signature scheme of TLS
/// permits.
static SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        signature::ECDSA_P256_SHA256,
        signature::ECDSA_P256_SHA384,
        signature::ECDSA_P384_SHA256,
        signature::ECDSA_P384_SHA384,
        signature::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        signature::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        signature::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        signature::RSA_PKCS1_2048_8192_SHA256,
        signature::RSA_PKCS1_2048_8192_SHA384,
        signature::RSA_PKCS1_2048_8192_SHA512,
        signature::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        signature::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        signature::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    // A scheme of TLS 1.2 does not fix the curve. Both curves are tried, the usual one first.
    mapping: &[
        (
            SignatureScheme::ECDSA_NISTP384_SHA384,
            &[signature::ECDSA_P384_SHA384, signature::ECDSA_P256_SHA384],
        ),
        (
            SignatureScheme::ECDSA_NISTP256_SHA256,
            &[signature::ECDSA_P256_SHA256, signature::ECDSA_P384_SHA256],
        ),
        (
            SignatureScheme::RSA_PSS_SHA512,
            &[signature::RSA_PSS_2048_8192_SHA512_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA384,
            &[signature::RSA_PSS_2048_8192_SHA384_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PSS_SHA256,
            &[signature::RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA512,
            &[signature::RSA_PKCS1_2048_8192_SHA512],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA384,
            &[signature::RSA_PKCS1_2048_8192_SHA384],
        ),
        (
            SignatureScheme::RSA_PKCS1_SHA256,
            &[signature::RSA_PKCS1_2048_8192_SHA256],
        ),
    ],
};

/// Cipher suites: AES-GCM only. TLS 1.3 requires it of every implementation (RFC 8446, 9.1). Every
/// server with TLS 1.2 and forward secrecy has it too. ChaCha20-Poly1305 would add 52 kB to the
/// amd64 binary.
static SUITES: &[SupportedCipherSuite] = &[
    suite::TLS13_AES_128_GCM_SHA256,
    suite::TLS13_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Key exchange groups, most preferred first.
static GROUPS: &[&dyn SupportedKxGroup] = &[&X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// The algorithms of a client that has no certificate of its own.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: SUITES.to_vec(),
        kx_groups: GROUPS.to_vec(),
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

/// Refuses every private key: the client has no certificate, and signing code stays out of the
/// binary.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no private keys".to_owned()))
    }
}

/// X25519 (RFC 7748). ring's implementation needs tables. dalek's Montgomery ladder needs none.
struct X25519;

struct X25519Key {
    secret: [u8; 32],
    public: MontgomeryPoint,
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        Random.fill(&mut secret)?;
        let public = X25519_BASEPOINT.mul_clamped(secret);
        Ok(Box::new(X25519Key { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

impl fmt::Debug for X25519 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X25519")
    }
}

impl ActiveKeyExchange for X25519Key {
    /// Fails if the peer's key has a wrong length or low order (RFC 7748, 6.1).
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = || Error::from(PeerMisbehaved::InvalidKeyShare);
        let peer = MontgomeryPoint(peer.try_into().map_err(|_| invalid())?);
        let shared = peer.mul_clamped(self.secret).to_bytes();
        if shared.iter().fold(0, |any, byte| any | byte) == 0 {
            return Err(invalid());
        }
        Ok(SharedSecret::from(shared.as_slice()))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_exchange_gives_both_sides_the_same_secret_and_refuses_other_lengths() {
        for group in GROUPS {
            let (one, other) = (group.start().unwrap(), group.start().unwrap());
            assert_ne!(one.pub_key(), other.pub_key());
            let (key_one, key_other) = (one.pub_key().to_vec(), other.pub_key().to_vec());
            let (a, b) = (one.complete(&key_other), other.complete(&key_one));
            assert_eq!(a.unwrap().secret_bytes(), b.unwrap().secret_bytes());
            for wrong in [&[][..], &[0; 32], &key_one[1..]] {
                assert!(group.start().unwrap().complete(wrong).is_err());
            }
        }
    }

    #[test]
    fn rsa_keys_of_unusual_size_are_refused() {
        // (why this row exists, bytes of the modulus, exponent)
        let table: [(&str, usize, &[u8]); 6] = [
            ("1,024 bits", 128, &[1, 0, 1]),
            ("more than 8,192 bits", 1025, &[1, 0, 1]),
            ("an exponent of one", 256, &[1]),
            ("an even exponent", 256, &[4]),
            ("a long exponent", 256, &[1, 0, 0, 0, 1]),
            ("no modulus", 0, &[3]),
        ];
        for (why, size, exponent) in table {
            let number = |bytes: &[u8]| {
                let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                [&[2, 0x82], &length[..], bytes].concat()
            };
            let inside = [
                number(&vec![0x7f; size]),
                vec![2, u8::try_from(exponent.len()).unwrap()],
                exponent.to_vec(),
            ]
            .concat();
            let length = u16::try_from(inside.len()).unwrap().to_be_bytes();
            let key = [&[0x30, 0x82], &length[..], &inside].concat();
            let algorithm = signature::RSA_PKCS1_2048_8192_SHA256;
            let outcome = algorithm.verify_signature(&key, b"", &vec![1; size]);
            assert!(outcome.is_err(), "{why}");
        }
    }
}
