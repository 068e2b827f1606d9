//! The manifest of a release: a version, the first and last day of validity, the SHA-256 of each
//! file in the format of `sha256sum`, and an Ed25519 signature of all text above its line.

use super::ParseError;

/// Length of a digest in bytes.
const DIGEST: usize = 32;
/// Length of a signature in bytes.
const SIGNATURE: usize = 64;
/// Prefix of the first line.
const TITLE: &str = "mackerel-agent ";
/// Prefix of the second line: the day on which the manifest was signed.
const ISSUED: &str = "issued ";
/// Prefix of the third line: the last day on which it is valid.
const EXPIRES: &str = "expires ";
/// Prefix of the last line.
const SIGNED: &str = "signature ";

/// The contents of a manifest.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Manifest<'a> {
    pub(crate) version: Version,
    /// The first and the last day of validity, in UTC, e.g. `2026-01-31`.
    pub(crate) issued: &'a str,
    pub(crate) expires: &'a str,
    /// The signed text.
    pub(crate) signed: &'a str,
    pub(crate) signature: [u8; SIGNATURE],
}

/// A version of this program: three numbers, `major.minor.patch`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version([u32; 3]);

/// Parses a manifest. The caller must verify the signature.
///
/// Fails if the first line has no version, one of the next two no day, or the last one no
/// signature.
pub(crate) fn parse(text: &str) -> Result<Manifest<'_>, ParseError> {
    let error = |wanted, line| ParseError::new("manifest", wanted, line);
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let version = first
        .strip_prefix(TITLE)
        .and_then(Version::parse)
        .ok_or_else(|| error("version", first))?;
    let mut day = |name, wanted| {
        let line = lines.next().unwrap_or_default();
        let day = line.strip_prefix(name).filter(|day| is_day(day));
        day.ok_or_else(|| error(wanted, line))
    };
    let issued = day(ISSUED, "day of issue")?;
    let expires = day(EXPIRES, "expiry date")?;
    let whole = text.trim_end_matches(['\r', '\n']);
    let last = whole.rfind('\n').map_or(0, |end| end + 1);
    let (signed, last) = whole.split_at(last);
    let signature = last
        .strip_prefix(SIGNED)
        .and_then(hex)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| error("signature", last))?;
    Ok(Manifest {
        version,
        issued,
        expires,
        signed,
        signature,
    })
}

impl Manifest<'_> {
    /// The SHA-256 of the file `name`; `None` if the manifest does not list it.
    pub(crate) fn sha256(&self, name: &str) -> Option<Vec<u8>> {
        listed(self.signed, name)
    }
}

/// The SHA-256 of the file `name` in lines of `sha256sum`; `None` if they do not list it.
pub(crate) fn listed(text: &str, name: &str) -> Option<Vec<u8>> {
    let line = text.lines().find_map(|line| {
        let (digits, rest) = line.split_once(' ')?;
        // The second character tells text from binary, which are the same on Linux.
        let rest = rest.strip_prefix([' ', '*'])?;
        (rest.strip_prefix("./").unwrap_or(rest) == name).then_some(digits)
    });
    hex(line?).filter(|digest| digest.len() == DIGEST)
}

impl Version {
    /// Parses `1.2.3`.
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let mut parts = text.split('.').map(|part| match part.as_bytes() {
            // Excludes a sign, which Rust's parser accepts.
            [b'0'..=b'9', ..] => part.parse().ok(),
            _ => None,
        });
        let mut next = || parts.next().flatten();
        let version = Version([next()?, next()?, next()?]);
        parts.next().is_none().then_some(version)
    }

    /// The version in the output of `mackerel-agent version`.
    pub(crate) fn reported(line: &str) -> Option<Version> {
        let rest = line.strip_prefix("mackerel-agent version ")?;
        Version::parse(rest.split(' ').next()?)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// Whether `text` has the form of a day. Days of this form sort as strings.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    let fits = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    bytes.len() == "2026-01-31".len() && bytes.iter().enumerate().all(fits)
}

/// Decodes pairs of hexadecimal digits; `None` if there is any other character.
pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(value(*high)? << 4 | value(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    fn sample() -> String {
        let (digest, signature) = ("0a".repeat(32), "fF".repeat(64));
        format!(
            "mackerel-agent 1.20.3\nissued 2026-11-28\nexpires 2027-05-27\n\
             {digest}  agent_a\n00  agent_b\nsignature {signature}\n"
        )
    }

    #[test]
    fn a_manifest_has_a_version_digests_and_a_signature() {
        let text = sample();
        let manifest = parse(&text).unwrap();
        assert_eq!(manifest.version.to_string(), "1.20.3");
        assert_eq!(
            (manifest.issued, manifest.expires),
            ("2026-11-28", "2027-05-27")
        );
        assert_eq!(manifest.sha256("agent_a"), Some(vec![10; 32]));
        for absent in ["agent_b", "agent", "", "agent_a "] {
            assert_eq!(manifest.sha256(absent), None, "{absent}");
        }
        assert_eq!(manifest.signature, [255; 64]);
        assert!(manifest.signed.ends_with("  agent_b\n"));
        assert!(text.starts_with(manifest.signed));
    }

    #[test]
    fn manifest_error_names_the_missing_part() {
        let good = sample();
        // (replaced text, replacement, start of the error)
        let table = [
            ("mackerel-agent", "", r#"manifest: no version in "#),
            ("1.20.3", "1.20", r#"manifest: no version in "#),
            // Manifests without days, as they once were.
            (
                "issued 2026-11-28\nexpires 2027-05-27\n",
                "",
                r#"manifest: no day of issue in "#,
            ),
            (
                "expires 2027-05-27\n",
                "",
                r#"manifest: no expiry date in "#,
            ),
            // A day that sorts wrongly, or that is not a day, would never expire.
            ("2027-05-27", "2027-5-27", r#"manifest: no expiry date in "#),
            ("2027-05-27", "20270527", r#"manifest: no expiry date in "#),
            (
                "2027-05-27",
                "+027-05-27",
                r#"manifest: no expiry date in "#,
            ),
            ("2027-05-27", "never", r#"manifest: no expiry date in "#),
            (
                "2027-05-27",
                "2027-05-27T00",
                r#"manifest: no expiry date in "#,
            ),
            ("2027-05-27", "", r#"manifest: no expiry date in "#),
            // The days are outside the signed part, or in another order.
            (
                "issued 2026-11-28\nexpires 2027-05-27",
                "expires 2027-05-27\nissued 2026-11-28",
                r#"manifest: no day of issue in "#,
            ),
            ("signature", "signed", r#"manifest: no signature in "#),
            ("fF", "f", r#"manifest: no signature in "#),
            ("fFfF\n", "fFfF\nmore\n", r#"manifest: no signature in "#),
        ];
        for (what, by, expected) in table {
            let error = parse(&good.replace(what, by)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let version = |text| Version::parse(text).unwrap();
        assert!(version("0.10.0") > version("0.9.99"));
        assert!(version("1.0.0") > version("0.10.0"));
        assert_eq!(version("01.2.3"), version("1.2.3"));
        for wrong in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "1.2.3-rc1",
            "+1.2.3",
            "1..3",
        ] {
            assert_eq!(Version::parse(wrong), None, "{wrong}");
        }
        let line = "mackerel-agent version 0.87.0 (rev 8d2fb58) [linux amd64 go1.25.1] \n";
        assert_eq!(Version::reported(line), Some(version("0.87.0")));
        assert_eq!(Version::reported("mackerel-agentx version 1.2.3 "), None);
    }

    #[test]
    fn never_panics() {
        survives_damage(&sample(), |text| {
            drop(parse(text).map(|manifest| manifest.sha256("agent_a")));
        });
    }
}
