//! The end of a certificate's validity (RFC 5280, section 4.1), which TLS libraries keep to
//! themselves, and the first certificate of a file.

use super::pem;
use crate::base::clock::Unix;

/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first certificate of a file in PEM, or the file itself if it is in DER; `None` for another
/// content.
pub(crate) fn first(file: &[u8]) -> Option<Vec<u8>> {
    if file.first() == Some(&SEQUENCE) {
        return Some(file.to_vec());
    }
    let mut first = None;
    pem::certificates(file, &mut |certificate| {
        first.get_or_insert_with(|| certificate.to_vec());
    });
    first
}

/// The end of validity of a certificate in DER; 0 if it lies before 1970, and `None` if this is no
/// certificate.
pub(crate) fn not_after(certificate: &[u8]) -> Option<Unix> {
    let (SEQUENCE, certificate, _) = element(certificate)? else {
        return None;
    };
    let (SEQUENCE, mut fields, _) = element(certificate)? else {
        return None;
    };
    if let Some((VERSION, _, rest)) = element(fields) {
        fields = rest;
    }
    // Serial number, algorithm of the signature, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (SEQUENCE, validity, _) = element(fields)? else {
        return None;
    };
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    let text = str::from_utf8(text).ok()?;
    let digits = text.strip_suffix('Z').filter(|_| text.is_ascii())?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let pair = |at: usize| number(rest.get(at..at + 2)?);
    let (month, day, hour, minute, second) = (pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?);
    if year < 1970 {
        return Some(Unix(0));
    }
    let midnight = Unix::of_day(year, month, day)?;
    Some(Unix(midnight.0 + (hour * 60 + minute) * 60 + second))
}

fn number(digits: &str) -> Option<u64> {
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_digits)
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], mut rest) = bytes.split_first_chunk::<2>()?;
    let mut length = usize::from(length);
    if length >= 0x80 {
        let (digits, after) = rest.split_at_checked(length - 0x80)?;
        if digits.len() > 3 {
            return None;
        }
        length = 0;
        for digit in digits {
            length = length << 8 | usize::from(*digit);
        }
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn certificate_ends_when_its_maker_said() {
        let key = KeyPair::generate().unwrap();
        // (year, month, day, seconds since the epoch; why)
        let table = [
            (2050, 1, 1, 2_524_608_000, "the first GeneralizedTime"),
            (2049, 12, 31, 2_524_521_600, "the last UTCTime"),
            (2028, 3, 1, 1_835_481_600, "after a leap day"),
            (1999, 12, 31, 946_598_400, "the last century"),
            (1965, 6, 1, 0, "before the epoch"),
        ];
        for (year, month, day, expected, why) in table {
            let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
            params.not_before = date_time_ymd(1960, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
            let made = params.self_signed(&key).unwrap();
            assert_eq!(not_after(made.der()), Some(Unix(expected)), "{why}");
            let pem = ["text before\n", &key.serialize_pem(), &made.pem()].concat();
            for file in [pem.as_bytes(), &**made.der()] {
                assert_eq!(first(file).as_deref(), Some(&**made.der()), "{why}");
            }
        }
    }

    #[test]
    fn certificate_survives_damage() {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let made = params.self_signed(&key).unwrap();
        let good = made.der().to_vec();
        for length in 0..good.len() {
            assert_eq!(not_after(&good[..length]), None, "{length}");
        }
        for at in 0..good.len() {
            for bad in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = good.clone();
                damaged[at] = bad;
                not_after(&damaged);
            }
        }
        for other in [&b""[..], b"-----BEGIN CERTIFICATE-----\n", b"\0"] {
            assert_eq!(first(other), None);
        }
    }
}
