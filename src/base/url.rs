//! URLs: `http::Uri`, and what it lacks: user information, and a host and a port for connecting.

use std::net::{Ipv6Addr, SocketAddr};

use http::Uri;
use http::uri::Authority;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

const NO_URL: &str = "not of the form scheme://host:port";

/// ASCII characters that are not allowed in a URL. `%` is not among them: text that is already
/// encoded stays the same.
const STRANGE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// ASCII characters that are not allowed in a path.
const STRANGE_IN_PATH: &AsciiSet = &STRANGE.add(b'#');

/// An absolute URL. It does not implement `Debug`, because it may contain a password.
pub(crate) struct Url {
    uri: Uri,
    /// As written, but without the brackets of an IPv6 address. ASCII without blanks, not empty.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl Url {
    /// Parses a URL. Invalid characters are percent-encoded first; a fragment is dropped.
    ///
    /// The error is the reason. It does not repeat the text.
    pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
        let encoded = utf8_percent_encode(text, STRANGE).to_string();
        let uri = Uri::try_from(encoded).map_err(|_| NO_URL)?;
        let is_absolute = uri.scheme_str().is_some_and(|scheme| !scheme.is_empty());
        let authority = uri.authority().filter(|_| is_absolute);
        let (host, port) = place(authority.ok_or(NO_URL)?)?;
        Ok(Url { uri, host, port })
    }

    /// `http` and `https` in lower case, other schemes as written.
    pub(crate) fn scheme(&self) -> &str {
        self.uri.scheme_str().unwrap_or_default()
    }

    /// User and password as written, not decoded; see [`percent_decoded`].
    pub(crate) fn login(&self) -> Option<(&str, &str)> {
        let (login, _) = self.authority().rsplit_once('@')?;
        Some(login.split_once(':').unwrap_or((login, "")))
    }

    /// The URL without path and query.
    pub(crate) fn base(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority())
    }

    /// Path and query; `/` if the path is empty.
    pub(crate) fn path(&self) -> String {
        let path = self.uri.path_and_query();
        path.map_or_else(String::new, ToString::to_string)
    }

    /// The URL that `reference`, such as the target of a redirect, means on the page of this one
    /// (RFC 3986, section 5.2).
    pub(crate) fn join(&self, reference: &str) -> String {
        if reference.starts_with("//") {
            return [self.scheme(), ":", reference].concat();
        }
        if !is_relative(reference) {
            return reference.to_owned();
        }
        let own = self.path();
        let own = own.split('?').next().unwrap_or_default();
        let (path, query) =
            reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
        let mut whole = match (path, query) {
            ("", "") => return [&*self.base(), &self.path()].concat(),
            ("", _) => own.to_owned(),
            (path, _) if path.starts_with('/') => path.to_owned(),
            (path, _) => [
                own.rsplit_once('/').map_or("", |(above, _)| above),
                "/",
                path,
            ]
            .concat(),
        };
        if whole.contains("/.") {
            whole = without_dots(&whole);
        }
        [&*self.base(), &whole, query].concat()
    }

    fn authority(&self) -> &str {
        self.uri.authority().map_or("", Authority::as_str)
    }
}

/// Whether `reference`, such as the target of a redirect, is on the server of its page.
pub(crate) fn is_relative(reference: &str) -> bool {
    let start = reference.split(['/', '?', '#']).next().unwrap_or_default();
    !start.contains(':') && !reference.starts_with("//")
}

/// A path without its segments `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_directory = false;
    for segment in path.split('/').skip(1) {
        is_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let end = if is_directory && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    ["/", &kept.join("/"), end].concat()
}

/// Host and port of `host:port`, `[v6]:port`, `host` or `[v6]`; `None` if malformed.
pub(crate) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let authority = Authority::try_from(text).ok();
    place(&authority.filter(|_| !text.contains('@'))?).ok()
}

/// The address and port of `127.0.0.1:80` or `[::1]:80`; `None` if either is missing or malformed.
pub(crate) fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = host_and_port(text)?;
    Some(SocketAddr::new(host.parse().ok()?, port?))
}

fn place(authority: &Authority) -> Result<(String, Option<u16>), &'static str> {
    let (host, text) = (authority.host(), authority.as_str());
    // `Authority::port` is also `None` for an invalid port.
    let port = match text
        .rsplit('@')
        .next()
        .and_then(|text| text.strip_prefix(host))
    {
        None | Some("" | ":") => None,
        Some(port) => {
            let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
            Some(port.ok_or("its port is no port number")?)
        }
    };
    let v6 = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if host.is_empty() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_err()) {
        return Err("its host is no host name");
    }
    Ok((v6.unwrap_or(host).to_owned(), port))
}

/// A URL without parts that may be secret: user and password, and the query, which may hold a token.
/// If `text` is not a URL, the result is the text after its last `@`, without a query.
pub(crate) fn without_secrets(text: &str) -> String {
    let after_login = |text: &str| text.rsplit('@').next().unwrap_or_default().to_owned();
    let mut shown = match Url::parse(text) {
        Ok(url) => {
            let path = Some(url.path()).filter(|path| path != "/");
            let host = after_login(url.authority());
            format!("{}://{host}{}", url.scheme(), path.unwrap_or_default())
        }
        Err(_) => after_login(text),
    };
    shown.truncate(shown.find('?').unwrap_or(shown.len()));
    shown
}

/// Percent-encodes the characters of a path that are not allowed in a URL.
pub(crate) fn encoded_path(path: &str) -> String {
    utf8_percent_encode(path, STRANGE_IN_PATH).to_string()
}

/// Decodes percent-encoding. `None` if a `%` is not followed by two hexadecimal digits, or if the
/// result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let is_encoding =
        |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let mut after = text.as_bytes().split(|byte| *byte == b'%').skip(1);
    let decoded = percent_decode_str(text).decode_utf8().ok();
    decoded.filter(|_| after.all(is_encoding)).map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_parts() {
        // (why this row exists, URL, base, login, host, port, path)
        let table = [
            (
                "plain",
                "https://a.example",
                "https://a.example",
                None,
                "a.example",
                None,
                "/",
            ),
            (
                "everything",
                "HTTP://u:p@A:8/x/?y=1#z",
                "http://u:p@A:8",
                Some(("u", "p")),
                "A",
                Some(8),
                "/x/?y=1",
            ),
            (
                "IPv6",
                "http://[::1]:80/",
                "http://[::1]:80",
                None,
                "::1",
                Some(80),
                "/",
            ),
            (
                "no port after a colon",
                "http://a:/b",
                "http://a:",
                None,
                "a",
                None,
                "/b",
            ),
            (
                "query alone",
                "http://a?b",
                "http://a",
                None,
                "a",
                None,
                "/?b",
            ),
            (
                "@ in the path",
                "http://a/b@c",
                "http://a",
                None,
                "a",
                None,
                "/b@c",
            ),
            (
                "no password",
                "http://u@a",
                "http://u@a",
                Some(("u", "")),
                "a",
                None,
                "/",
            ),
            (
                "two @, two colons",
                "http://u@v:p:q@a",
                "http://u@v:p:q@a",
                Some(("u@v", "p:q")),
                "a",
                None,
                "/",
            ),
            (
                "what has to be encoded",
                "http://u:p^@a/b c|\u{e9}",
                "http://u:p%5E@a",
                Some(("u", "p%5E")),
                "a",
                None,
                "/b%20c%7C%C3%A9",
            ),
            (
                "what is encoded",
                "http://a/%20",
                "http://a",
                None,
                "a",
                None,
                "/%20",
            ),
            (
                "another scheme",
                "socks5h://a",
                "socks5h://a",
                None,
                "a",
                None,
                "/",
            ),
        ];
        for (why, text, base, login, host, port, path) in table {
            let url = Url::parse(text).unwrap_or_else(|wrong| panic!("{why}: {wrong}"));
            let found = (
                url.base(),
                url.login(),
                url.host.as_str(),
                url.port,
                url.path(),
            );
            assert_eq!(
                found,
                (base.into(), login, host, port, path.into()),
                "{why}"
            );
        }
    }

    #[test]
    fn url_error_does_not_repeat_the_url() {
        // (text, what is wrong)
        let table = [
            ("", NO_URL),
            ("a", NO_URL),
            ("a:80", NO_URL),
            ("/a", NO_URL),
            ("http://", NO_URL),
            ("http:///a", NO_URL),
            ("://a", NO_URL),
            ("http://secret@", NO_URL),
            ("http://secret@a b", NO_URL),
            ("http://secret@a%20b", NO_URL),
            ("http://secret@a\r\nX: y", NO_URL),
            ("http://secret@h\u{f6}st", NO_URL),
            ("http://secret@[::1", NO_URL),
            ("http://::1", NO_URL),
            ("http://a:1:2", NO_URL),
            ("http://[::1%251]", "its host is no host name"),
            ("http://[a]", "its host is no host name"),
            ("http://secret@:80", "its host is no host name"),
            ("http://a:b", "its port is no port number"),
            ("http://a:-1", "its port is no port number"),
            ("http://a:65536", "its port is no port number"),
            ("http://[::1]80", "its port is no port number"),
        ];
        for (text, wrong) in table {
            assert_eq!(Url::parse(text).err(), Some(wrong), "{text}");
        }
    }

    #[test]
    fn host_and_port_are_read_without_a_scheme() {
        let table = [
            ("a", Some(("a", None))),
            ("a:80", Some(("a", Some(80)))),
            ("[::1]:80", Some(("::1", Some(80)))),
            ("[::1]", Some(("::1", None))),
            ("*.a.example:1", Some(("*.a.example", Some(1)))),
            ("::1", None),
            ("a:b", None),
            (":80", None),
            ("u@a", None),
            ("a/b", None),
            ("", None),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_and_port(text), expected, "{text}");
        }
    }

    #[test]
    fn url_joins_what_is_relative_to_it() {
        // (reference, URL; why)
        let table = [
            ("http://b.example:1/x", "http://b.example:1/x", "absolute"),
            ("HTTPS:x", "HTTPS:x", "another scheme"),
            ("//b.example/x", "https://b.example/x", "another host"),
            ("/x?y#z", "https://u:p@a.example:8/x?y#z", "from the root"),
            ("x", "https://u:p@a.example:8/b/c/x", "beside it"),
            ("./x", "https://u:p@a.example:8/b/c/x", "beside it"),
            ("../x:y/", "https://u:p@a.example:8/b/x:y/", "above it"),
            ("..", "https://u:p@a.example:8/b/", "the directory above"),
            (
                "../../../../x",
                "https://u:p@a.example:8/x",
                "above the root",
            ),
            (
                "?x=/../y",
                "https://u:p@a.example:8/b/c/d?x=/../y",
                "another query",
            ),
            ("", "https://u:p@a.example:8/b/c/d?e", "itself"),
        ];
        let Ok(url) = Url::parse("https://u:p@a.example:8/b/c/d?e") else {
            panic!("a URL");
        };
        for (reference, expected, why) in table {
            assert_eq!(url.join(reference), expected, "{why}");
        }
    }

    #[test]
    fn secrets_of_a_url_are_not_shown() {
        let table = [
            ("https://api.mackerelio.com", "https://api.mackerelio.com"),
            ("http://u:p@w@host:80/a@b", "http://host:80/a@b"),
            ("http://u:p/w@host", "host"),
            ("http://u:secret@ho st/", "ho st/"),
            ("u:secret@host", "host"),
            ("no url", "no url"),
            ("http://host/a?t=secret", "http://host/a"),
            ("http://u:pass?word@host/?t", "host/"),
            ("u:secret@host?t=secret", "host"),
        ];
        for (url, expected) in table {
            assert_eq!(without_secrets(url), expected);
        }
    }

    #[test]
    fn percent_encoding_is_undone() {
        let table = [
            ("", Some("")),
            ("a+b%20c%2f%E3%81%82", Some("a+b c/\u{3042}")),
            ("%", None),
            ("%2", None),
            ("%2x", None),
            ("a%%20", None),
            ("%fe", None),
        ];
        for (text, expected) in table {
            assert_eq!(percent_decoded(text).as_deref(), expected, "{text}");
        }
        assert_eq!(
            encoded_path("/a b#%2F?c=\u{3042}"),
            "/a%20b%23%2F?c=%E3%81%82"
        );
    }
}
