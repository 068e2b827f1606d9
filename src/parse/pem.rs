//! Certificates in PEM (RFC 7468). The reader of the crate pki-types, which knows more kinds of
//! sections and decodes keys in constant time, is 4,400 bytes of amd64.

use rustls::pki_types::CertificateDer;

use crate::base::base64;

/// What begins and what ends a certificate, on lines of their own.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Calls `each` with every certificate in `text`. Skips sections of other kinds, and certificates
/// that are not base64 or have no end.
pub(crate) fn certificates(text: &[u8], each: &mut dyn FnMut(CertificateDer<'static>)) {
    let mut section: Option<Vec<u8>> = None;
    for line in text.split(|&byte| byte == b'\n' || byte == b'\r') {
        let line = line.trim_ascii();
        if line == BEGIN {
            section = Some(Vec::new());
        } else if line == END {
            let bytes = section.take().and_then(|text| base64::decode(&text));
            if let Some(bytes) = bytes {
                each(bytes.into());
            }
        } else if let Some(text) = &mut section {
            text.extend_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn pem_agrees_with_the_crate() {
        let one = "-----BEGIN CERTIFICATE-----\nAAEC\nAwQF\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nBBBB\n-----END PRIVATE KEY-----\n";
        // (why this row exists, text)
        let table = [
            ("nothing", String::new()),
            ("one", one.to_owned()),
            ("no line end after it", one.trim_end().to_owned()),
            ("comments around", format!("a comment\n{one}another\n")),
            ("two", format!("{one}{one}")),
            ("a key between", format!("{one}{key}{one}")),
            ("lines of Windows", one.replace('\n', "\r\n")),
            ("lines of old Macs", one.replace('\n', "\r")),
            ("white space at its ends", one.replace('\n', " \n")),
            ("padding", one.replace("AwQF", "Aw==")),
            ("not base64", one.replace("AwQF", "A*QF")),
            ("not whole bytes", one.replace("AwQF", "AwQFB")),
            ("no end", one.replace("END", "FIN")),
            ("an end alone", one.replace("BEGIN", "FIRST")),
            (
                "a second try",
                format!("{}{one}", one.replace("AwQF", "A*QF")),
            ),
        ];
        for (why, text) in table {
            let expected: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
                .filter_map(Result::ok)
                .collect();
            let mut found = Vec::new();
            certificates(text.as_bytes(), &mut |certificate| found.push(certificate));
            assert_eq!(found, expected, "{why}");
        }
    }
}
