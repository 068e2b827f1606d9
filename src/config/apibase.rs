//! The address of the API.

use super::APIBASE;

/// The part of an address that counts: scheme, user information, host and port. An empty address
/// is the default one.
pub(crate) fn apibase(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(APIBASE.to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let server = authority
        .rsplit_once('@')
        .map_or(authority, |(_, server)| server);
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (server, ""),
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c);
    let is_address = ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        && !host.is_empty()
        && host.contains(':') == (host.starts_with('[') && host.ends_with(']'))
        && port.bytes().all(|b| b.is_ascii_digit())
        && !authority.contains(odd);
    // The address may hold a password, so it is not shown.
    match is_address {
        true => Ok(format!("{}://{authority}", scheme.to_ascii_lowercase())),
        false => Err(format!(
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
            ("api.example", None),
            ("ftp://a", None),
            ("http://", None),
            ("http:///path", None),
            ("http://a b", None),
            ("http://a:b", None),
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
