//! The address of the API.

use super::APIBASE;
use crate::base::url::Url;

/// Scheme, user information, host and port of an address, without the rest. An empty address gives
/// [`APIBASE`]. Fails if it is no HTTP or HTTPS URL.
pub(crate) fn apibase(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(APIBASE.to_owned());
    }
    // The address may contain a password, so messages do not show it.
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url.base()),
        _ => Err(format!(
            "not the address of an HTTP server; write one like {APIBASE}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_to_its_server() {
        let table = [
            ("", Some(APIBASE)),
            ("https://api.example/", Some("https://api.example")),
            ("HTTP://u:p@a:8/x?y#z", Some("http://u:p@a:8")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("http://[::1]", Some("http://[::1]")),
            ("http://a?b", Some("http://a")),
            ("http://198.18.0.16", Some("http://198.18.0.16")),
            ("https://api.example/a b", Some("https://api.example")),
            ("api.example", None),
            ("ftp://a", None),
            ("http://", None),
            ("http:///path", None),
            ("http://a b", None),
            ("http://a:b", None),
            ("http://a:65536", None),
            ("http://::1", None),
            ("http://u:secret@", None),
        ];
        for (text, expected) in table {
            let result = apibase(text);
            assert_eq!(result.as_deref().ok(), expected, "{text}");
            assert!(result.is_ok() || !result.unwrap_err().contains("secret"));
        }
    }

    #[test]
    fn never_panics() {
        crate::config::damage::survives_damage("https://u:p@[::1]:80/x?y#z", |text| {
            drop(apibase(&String::from_utf8_lossy(text)));
        });
    }
}
