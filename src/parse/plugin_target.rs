//! What `plugin-install` is to install: an operand of the command line.

use super::manifest::hex;
use crate::base::fault::Fault;

/// Beginning of the part that pins an archive.
const PIN: &str = "#sha256=";
/// Length of a SHA-256 digest in bytes.
const DIGEST: usize = 32;
/// Maximum length of an owner, a repository, a name or a tag in bytes.
const LENGTH: usize = 128;
/// Endings of a file name by which an archive is recognised.
const ARCHIVES: [&str; 3] = [".zip", ".tar.gz", ".tgz"];

/// Something to be installed.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) from: From,
    /// The release; empty for the newest one.
    pub(crate) tag: String,
    /// The SHA-256 of the archive in lower-case digits; empty if it is not pinned.
    pub(crate) sha256: String,
}

/// Where an archive comes from.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum From {
    /// A repository of GitHub: `owner/repo`.
    Repository(String),
    /// A name of Mackerel's plugin registry.
    Registry(String),
    /// A URL of https or http.
    Url(String),
    /// A path.
    File(String),
}

/// Parses `owner/repo[@tag]`, `name[@tag]`, a URL or a path, each with `#sha256=DIGEST` or without.
///
/// The error names the operand. Fails for a URL of http without a digest.
pub(crate) fn parse(text: &str) -> Result<Target, Fault> {
    let wrong = |why: &str| Err(format!("{text}: {why}").into());
    let (place, sha256) = match text.split_once(PIN) {
        None => (text, String::new()),
        Some((place, digits)) if is_sha256(digits) => (place, digits.to_ascii_lowercase()),
        Some(_) => return wrong("the digest after #sha256= is not of 64 hexadecimal digits"),
    };
    let owned = place.to_owned();
    let parts = place.split_once("://");
    if parts.is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|at| at.contains('@'))) {
        // Not repeated: it may be a secret.
        return Err("a URL with a user or a password would be recorded; use one without".into());
    }
    let is_archive = ARCHIVES.iter().any(|end| place.ends_with(end));
    let mut tag = String::new();
    let from = match parts {
        Some(("http", _)) if sha256.is_empty() => {
            return wrong("http does not protect the archive; use https, or append #sha256=DIGEST");
        }
        Some(("https" | "http", _)) => From::Url(owned),
        Some(("file", path)) if path.starts_with('/') => From::File(path.to_owned()),
        Some(_) => return wrong("use a URL of https or http, or file:///PATH"),
        None if is_archive || place.starts_with(['/', '.']) => From::File(owned),
        None => {
            let mut name = place;
            if let Some((before, after)) = place.split_once('@') {
                if !is_tag(after) {
                    return wrong("the tag after @ has a character that tags do not have");
                }
                (name, tag) = (before, after.to_owned());
            }
            match name.split_once('/') {
                Some(_) if is_repository(name) => From::Repository(name.to_owned()),
                None if is_name(name) => From::Registry(name.to_owned()),
                _ => return wrong("use owner/repo[@tag], name[@tag], a URL or a path"),
            }
        }
    };
    Ok(Target { from, tag, sha256 })
}

/// Whether `text` is `owner/repo`.
pub(crate) fn is_repository(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether `text` can be the tag of a release. Such a tag is safe in a URL but for `/`.
pub(crate) fn is_tag(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+=,!/@".contains(&byte);
    !text.is_empty() && text.len() <= LENGTH && !text.contains("..") && text.bytes().all(fits)
}

/// Whether `text` is a SHA-256 digest in hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    hex(text).is_some_and(|digest| digest.len() == DIGEST)
}

/// Whether `text` can be the name of a file that is installed: a check or a metric plugin.
pub(crate) fn is_plugin(text: &str) -> bool {
    let is_kind = text.starts_with("check-") || text.starts_with("mackerel-plugin-");
    is_kind && is_name(text) && !ARCHIVES.iter().any(|end| text.ends_with(end))
}

/// Whether `text` can be an owner, a repository, or a name in a directory.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= LENGTH && text.bytes().all(fits) && text.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    #[test]
    fn plugin_target_has_a_source_a_tag_and_a_digest() {
        let digest = "0aF".repeat(22)[..64].to_owned();
        let low = digest.to_ascii_lowercase();
        let repository = |name: &str| From::Repository(name.to_owned());
        let registry = |name: &str| From::Registry(name.to_owned());
        let url = |url: &str| From::Url(url.to_owned());
        let file = |path: &str| From::File(path.to_owned());
        let pin = |place: &str| format!("{place}#sha256={digest}");
        // (why this row exists, operand, source, tag, whether it is pinned)
        let table = [
            ("plain", "a/b".to_owned(), repository("a/b"), "", false),
            (
                "a tag",
                "a/b-c.d@v1.2.3".into(),
                repository("a/b-c.d"),
                "v1.2.3",
                false,
            ),
            (
                "a tag with a slash",
                "a/b@x/v1".into(),
                repository("a/b"),
                "x/v1",
                false,
            ),
            (
                "a tag with @",
                "a/b@x@1".into(),
                repository("a/b"),
                "x@1",
                false,
            ),
            ("pinned", pin("a/b@v1"), repository("a/b"), "v1", true),
            (
                "pinned without a tag",
                pin("a/b"),
                repository("a/b"),
                "",
                true,
            ),
            (
                "the registry",
                "check-x".into(),
                registry("check-x"),
                "",
                false,
            ),
            (
                "the registry, a tag",
                "x@v1".into(),
                registry("x"),
                "v1",
                false,
            ),
            (
                "a URL",
                "https://h/a@b.zip".into(),
                url("https://h/a@b.zip"),
                "",
                false,
            ),
            (
                "a URL, pinned",
                pin("https://h/a#b"),
                url("https://h/a#b"),
                "",
                true,
            ),
            (
                "without TLS, but pinned",
                pin("http://h/a"),
                url("http://h/a"),
                "",
                true,
            ),
            (
                "a file's URL",
                "file:///a b.zip".into(),
                file("/a b.zip"),
                "",
                false,
            ),
            ("a path", "/tmp/x".into(), file("/tmp/x"), "", false),
            ("a relative path", "./x".into(), file("./x"), "", false),
            (
                "an archive here",
                "x.tar.gz".into(),
                file("x.tar.gz"),
                "",
                false,
            ),
            (
                "an archive below",
                pin("dir/x.zip"),
                file("dir/x.zip"),
                "",
                true,
            ),
        ];
        for (why, text, from, tag, is_pinned) in table {
            let sha256 = if is_pinned {
                low.clone()
            } else {
                String::new()
            };
            let tag = tag.to_owned();
            assert_eq!(parse(&text), Ok(Target { from, tag, sha256 }), "{why}");
        }
    }

    #[test]
    fn plugin_target_error_says_what_is_wrong() {
        // (operand, part of the error)
        let table = [
            ("", "use owner/repo"),
            ("a/b/c", "use owner/repo"),
            ("a/", "use owner/repo"),
            ("a/..", "use owner/repo"),
            ("a b/c", "use owner/repo"),
            ("a%2fb", "use owner/repo"),
            ("-x", ""),
            ("a/b@", "the tag after @"),
            ("a/b@v1?x", "the tag after @"),
            ("a/b@../x", "the tag after @"),
            ("a/b#sha256=12", "the digest after #sha256="),
            ("a/b#x", "use owner/repo"),
            ("http://h/a.zip", "http does not protect the archive"),
            ("ftp://h/a.zip", "use a URL of https"),
            ("file://h/a.zip", "use a URL of https"),
        ];
        for (text, expected) in table {
            match parse(text) {
                Ok(target) => assert!(expected.is_empty(), "{text}: {target:?}"),
                Err(error) => {
                    assert!(error.starts_with(&format!("{text}: {expected}")), "{error}");
                }
            }
        }
    }

    #[test]
    fn plugin_target_error_does_not_repeat_a_password() {
        let error = parse("https://u:secret@h/a.zip").unwrap_err();
        assert!(
            error.starts_with("a URL with a user or a password"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
        assert!(parse("https://h/a@b.zip").is_ok());
    }

    #[test]
    fn plugin_name_is_a_check_or_a_metric_plugin() {
        for good in ["check-x", "mackerel-plugin-a_b.c"] {
            assert!(is_plugin(good), "{good}");
        }
        for other in [
            "",
            "check",
            "checkx",
            "check-a b",
            "check-a\n",
            "check-a/b",
            "check-x.zip",
        ] {
            assert!(!is_plugin(other), "{other}");
        }
        assert!(!is_plugin(&format!("check-{}", "x".repeat(LENGTH))));
    }

    #[test]
    fn never_panics() {
        survives_damage("a/b@v1#sha256=00", |text| drop(parse(text)));
    }
}
