//! Issuer and dates of an X.509 certificate (RFC 5280, 4.1), for messages. Nothing is verified
//! here.

/// Tags of ASN.1.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// id-at-commonName and id-at-organizationName.
const NAMES: [&[u8]; 2] = [&[0x55, 4, 3], &[0x55, 4, 10]];
/// Bytes of an issuer's name that are kept.
const NAME: usize = 64;

/// What a certificate says of itself.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Certificate {
    /// The issuer's common name, or else its organization; empty if it has neither.
    pub(crate) issuer: String,
    /// The first and the last day on which it is valid, e.g. `2026-01-31`.
    pub(crate) from: String,
    pub(crate) until: String,
}

/// Reads a certificate in DER; `None` if it is not one.
pub(crate) fn read(der: &[u8]) -> Option<Certificate> {
    let (certificate, _) = inside(SEQUENCE, der)?;
    let (body, _) = inside(SEQUENCE, certificate)?;
    let (tag, _, after) = element(body)?;
    let serial = if tag == VERSION { after } else { body };
    let (_, _, algorithm) = element(serial)?;
    let (_, rest) = inside(SEQUENCE, algorithm)?;
    let (issuer, rest) = inside(SEQUENCE, rest)?;
    let (validity, _) = inside(SEQUENCE, rest)?;
    let (from, rest) = day(validity)?;
    let (until, _) = day(rest)?;
    Some(Certificate {
        issuer: NAMES
            .iter()
            .find_map(|wanted| name(issuer, wanted))
            .unwrap_or_default(),
        from,
        until,
    })
}

/// The first element: tag, content, and the bytes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// The content of the first element, which must have this tag, and the bytes after it.
fn inside(wanted: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// The value of the attribute `wanted` of a name.
fn name(mut sets: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((set, rest)) = inside(SET, sets) {
        let (pair, _) = inside(SEQUENCE, set)?;
        let (_, kind, value) = element(pair)?;
        if kind == wanted {
            let (_, value, _) = element(value)?;
            let value = value.get(..NAME).unwrap_or(value);
            return Some(String::from_utf8_lossy(value).into_owned());
        }
        sets = rest;
    }
    None
}

/// The day of a time, and the bytes after it.
fn day(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    let text = str::from_utf8(content).ok()?;
    let (century, text) = match tag {
        GENERALIZED_TIME => text.split_at_checked(2)?,
        UTC_TIME if text < "5" => ("20", text),
        UTC_TIME => ("19", text),
        _ => return None,
    };
    let part = |at: usize| text.get(at..at + 2);
    let day = [century, part(0)?, "-", part(2)?, "-", part(4)?].concat();
    Some((day, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};

    use super::*;

    /// A certificate with these days, whose issuer has this attribute.
    fn made(kind: Option<(DnType, &str)>, from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some((kind, value)) = kind {
            params.distinguished_name.push(kind, value);
        }
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        issuer.der().to_vec()
    }

    #[test]
    fn certificate_is_read_as_it_was_made() {
        let long = "x".repeat(300);
        // (why this row exists, issuer's attribute, issuer)
        let table = [
            ("common name", Some((DnType::CommonName, "A é")), "A é"),
            (
                "organization alone",
                Some((DnType::OrganizationName, "O")),
                "O",
            ),
            ("another attribute", Some((DnType::CountryName, "JP")), ""),
            ("no name", None, ""),
            (
                "a long name",
                Some((DnType::CommonName, &*long)),
                &long[..NAME],
            ),
        ];
        for (why, attribute, issuer) in table {
            let found = read(&made(attribute, (1999, 12, 31), (2049, 2, 1))).unwrap();
            assert_eq!(found.issuer, issuer, "{why}");
            assert_eq!((&*found.from, &*found.until), ("1999-12-31", "2049-02-01"));
        }
        let far = read(&made(None, (2020, 1, 1), (2099, 1, 2))).unwrap();
        assert_eq!((&*far.from, &*far.until), ("2020-01-01", "2099-01-02"));
    }

    #[test]
    fn certificate_that_is_damaged_never_panics() {
        let good = made(Some((DnType::CommonName, "A")), (2020, 1, 1), (2099, 1, 1));
        for at in 0..good.len() {
            drop(read(&good[..at]));
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                drop(read(&bad));
            }
        }
        assert_eq!(read(b""), None);
        assert_eq!(read(b"-----BEGIN"), None);
    }
}
