//! Digests by ring, which is already linked for TLS.

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// The last byte of the SHA-1 digest of `text`.
pub(crate) fn sha1_last_byte(text: &str) -> u8 {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().last().copied().unwrap_or_default()
}

/// The SHA-1 digest of `text` in hexadecimal, as older programs name files after it.
pub(crate) fn sha1_hex(text: &str) -> String {
    hex_of(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

/// The bytes in hexadecimal.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(half.into(), 16));
        }
    }
    hex
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

/// The SHA-256 digest of bytes that come in parts.
pub(crate) struct Sha256(Context);

impl Sha256 {
    pub(crate) fn new() -> Sha256 {
        Sha256(Context::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all parts, in hexadecimal digits of lower case.
    pub(crate) fn hex(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

/// Bytes in hexadecimal digits of lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
    }
    text
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
        let mut parts = Sha256::new();
        parts.update(b"a");
        parts.update(b"bc");
        assert_eq!(crate::parse::manifest::hex(&parts.hex()).unwrap(), expected);
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
