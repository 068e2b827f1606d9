//! Digests, by ring, which is linked for TLS already.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// The last byte of the SHA-1 digest of `text`.
pub(crate) fn sha1_last_byte(text: &str) -> u8 {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector 57 of the behaviour reference.
    #[test]
    fn agrees_with_the_go_agent_about_host_ids() {
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
