//! Base64 (RFC 4648, 4), decoded with padding or without.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};

/// Decodes `text`. `None` if it is not base64.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.split(|&byte| byte == b'=').next()?;
    BASE64_STANDARD_NO_PAD.decode(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_with_padding_or_without() {
        // (text, bytes)
        let table: [(&str, Option<&[u8]>); 7] = [
            ("", Some(&[])),
            ("AQID", Some(&[1, 2, 3])),
            ("AQI", Some(&[1, 2])),
            ("AQI=", Some(&[1, 2])),
            ("AQ==", Some(&[1])),
            ("AQID AQID", None),
            ("A", None),
        ];
        for (text, expected) in table {
            assert_eq!(decode(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
