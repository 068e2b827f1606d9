//! Verification of Ed25519 signatures (RFC 8032), by ring.
//!
//! curve25519-dalek, which is linked for X25519, has points and scalars but no signatures. Its
//! signature crate, ed25519-dalek, adds 21,256 bytes to the amd64 binary; ring's adds 6,144.

use ring::signature::{ED25519, UnparsedPublicKey};

/// Whether `signature` is a valid signature of `message` for `public_key`.
pub(crate) fn verify(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    key.verify(message, signature).is_ok()
}
