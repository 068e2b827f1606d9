//! The part of a URL that says whom to talk to, how, and as whom.

use std::net::Ipv6Addr;

use crate::base::text::percent_decoded;

/// How a peer is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

/// `scheme://user:password@host:port` of a URL. Not `Debug`: it may hold a password.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    /// In lower case, an IPv6 address without its brackets. ASCII without blanks.
    pub(super) host: String,
    pub(super) port: u16,
    login: Option<Login>,
}

#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

impl Origin {
    /// Reads a URL; its path, if it has one, is ignored. A URL without a scheme is one of `http`.
    ///
    /// Fails with what is wrong with it, in words that do not repeat it.
    pub(super) fn parse(url: &str) -> Result<Origin, &'static str> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" | "socks5h" => Scheme::Socks5,
            _ => return Err("its scheme is none of http, https and socks5"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (Some(Login::parse(login)?), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place);
        let port = match port.unwrap_or_default() {
            "" => scheme.default_port(),
            digits => digits.parse().map_err(|_| "its port is no port number")?,
        };
        let strange = |c: char| !c.is_ascii_graphic() || "<>\"\\^`{|}[]%".contains(c);
        let is_v6 = host.parse::<Ipv6Addr>().is_ok();
        if host.is_empty() || host.contains(strange) || (host.contains(':') && !is_v6) {
            return Err("its host is no host name");
        }
        Ok(Origin {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
            login,
        })
    }

    /// The host as it is written before a port.
    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// `host:port`
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    /// `host:port`, without a port that the scheme implies.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.bracketed()
        } else {
            self.address()
        }
    }

    /// User and password, decoded.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The value of an `Authorization` header, if there is a user.
    pub(super) fn basic(&self) -> Option<String> {
        let Login { user, password } = self.login()?;
        Some(format!("Basic {}", base64(&format!("{user}:{password}"))))
    }
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 => 1080,
        }
    }
}

impl Login {
    fn parse(text: &str) -> Result<Login, &'static str> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |text| percent_decoded(text).ok_or("its user or password is badly encoded");
        Ok(Login {
            user: decode(user)?,
            password: decode(password)?,
        })
    }
}

/// Splits `host:port`, `[v6]:port`, `host` or `[v6]`; a bare `v6` has no port.
pub(super) fn split_port(place: &str) -> (&str, Option<&str>) {
    if let Some(rest) = place.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => (place, None),
        };
    }
    match place.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (place, None),
    }
}

/// Base64 with padding (RFC 4648).
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS[(bits >> shift & 63) as usize];
            encoded.push(if at <= chunk.len() { digit.into() } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_whom_to_talk_to() {
        use Scheme::{Http, Https, Socks5};
        // (why this row exists, url, scheme, address, authority)
        let table = [
            (
                "the default API",
                "https://api.mackerelio.com",
                Https,
                "api.mackerelio.com:443",
                "api.mackerelio.com",
            ),
            (
                "a port of its own",
                "http://127.0.0.1:8080",
                Http,
                "127.0.0.1:8080",
                "127.0.0.1:8080",
            ),
            ("no scheme", "proxy:3128", Http, "proxy:3128", "proxy:3128"),
            ("nothing but a host", "proxy", Http, "proxy:80", "proxy"),
            (
                "IPv6",
                "http://[2001:DB8::1]:81/x",
                Http,
                "[2001:db8::1]:81",
                "[2001:db8::1]:81",
            ),
            (
                "IPv6 without port",
                "https://[::1]",
                Https,
                "[::1]:443",
                "[::1]",
            ),
            (
                "path, query, @ in the path",
                "HTTP://Host/a@b?c#d",
                Http,
                "host:80",
                "host",
            ),
            ("empty port", "http://host:/", Http, "host:80", "host"),
            ("SOCKS", "socks5h://u:p@host", Socks5, "host:1080", "host"),
        ];
        for (why, url, scheme, address, authority) in table {
            let origin = Origin::parse(url).ok().unwrap();
            assert_eq!(origin.scheme, scheme, "{why}");
            assert_eq!(origin.address(), address, "{why}");
            assert_eq!(origin.authority(), authority, "{why}");
        }
    }

    #[test]
    fn says_what_is_wrong_without_the_password() {
        // (url, what is wrong)
        let table = [
            ("ftp://u:secret@host", "scheme"),
            ("http://u:secret@", "host"),
            ("http://u:secret@ho st", "host"),
            ("http://u:secret@host\r\nX", "host"),
            ("http://u:secret@höst", "host"),
            ("http://u:secret@[::1", "host"),
            ("http://u:secret@a:b:c", "host"),
            ("http://u:secret@host:99999", "port"),
            ("http://u:secret%@host", "password"),
            ("http://u:secret%fe@host", "password"),
            ("", "host"),
        ];
        for (url, wrong) in table {
            let error = Origin::parse(url).err().unwrap();
            assert!(error.contains(wrong), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}");
        }
    }

    #[test]
    fn logins_are_decoded_and_encoded() {
        // (why this row exists, user information, header; RFC 4648 gives the first three)
        let table = [
            ("two bytes of padding", "foob:", Some("Basic Zm9vYjo=")),
            (
                "the example of RFC 7617",
                "Aladdin:open%20sesame",
                Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ),
            ("no password", "ab", Some("Basic YWI6")),
            (
                "a password with : and @",
                "u:a:b%40",
                Some("Basic dTphOmJA"),
            ),
        ];
        for (why, login, header) in table {
            let origin = Origin::parse(&format!("https://{login}@host"))
                .ok()
                .unwrap();
            assert_eq!(origin.basic().as_deref(), header, "{why}");
        }
        assert!(
            Origin::parse("https://host")
                .ok()
                .unwrap()
                .basic()
                .is_none()
        );
    }

    #[test]
    fn never_panics() {
        let good = "https://us%65r:p@[2001:db8::1]:8443/path";
        crate::parse::survives_damage(good, |url| drop(Origin::parse(url)));
    }
}
