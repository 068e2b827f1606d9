//! Digests by ring, which is already linked for TLS.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// The last byte of the SHA-1 digest of `text`.
pub(crate) fn sha1_last_byte(text: &str) -> u8 {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().last().copied().unwrap_or_default()
}

/// A SHA-256 digest.
pub(crate) type Digest = [u8; 32];

/// The SHA-256 digest of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let mut copy = Digest::default();
    let digest = digest(&SHA256, bytes);
    copy.iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    copy
}

/// Whether `sha256` is the SHA-256 digest of `bytes`.
pub(crate) fn is_sha256(sha256: &[u8], bytes: &[u8]) -> bool {
    digest(&SHA256, bytes).as_ref() == sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, B.1.
    #[test]
    fn sha256_agrees_with_the_standard() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = crate::parse::manifest::hex(expected).unwrap();
        assert!(is_sha256(&expected, b"abc"));
        assert!(!is_sha256(&expected, b"abd"));
        assert!(!is_sha256(&expected[1..], b"abc"));
        assert_eq!(sha256(b"abc").as_slice(), expected);
    }

    /// Vector 57 of the behaviour reference.
    #[test]
    fn sha1_last_byte_agrees_with_the_go_agent() {
        let table = [
            ("246PUVUngPo", 160),
            ("21GZjCE5Etb", 135),
            ("xyzabc12345", 249),
            ("HOSTID123", 105),
            ("xxx1234567890", 72),
        ];
        for (id, byte) in table {
            assert_eq!(sha1_last_byte(id), byte, "{id}");
        }
    }
}
