//! The origin of a URL: scheme, login, host and port.

use base64::prelude::{BASE64_STANDARD, Engine};

use crate::base::url::{Url, percent_decoded};

/// Protocol that a peer uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

/// `scheme://user:password@host:port` of a URL. Not `Debug`, since it may hold a password.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    /// In lower case; ASCII without blanks. An IPv6 address is stored without brackets.
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
    /// Parses a URL and ignores its path. A URL without a scheme is one of `http`.
    ///
    /// Fails with a reason that does not repeat the URL, which may hold a password.
    pub(super) fn parse(text: &str) -> Result<Origin, &'static str> {
        let url = if text.contains("://") {
            Url::parse(text)?
        } else {
            Url::parse(&format!("http://{text}"))?
        };
        let scheme = match url.scheme().to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" | "socks5h" => Scheme::Socks5,
            _ => return Err("its scheme is none of http, https and socks5"),
        };
        let login = match url.login() {
            Some(login) => {
                Some(Login::decode(login).ok_or("its user or password is badly encoded")?)
            }
            None => None,
        };
        Ok(Origin {
            scheme,
            host: url.host.to_ascii_lowercase(),
            port: url.port.unwrap_or(scheme.default_port()),
            login,
        })
    }

    /// The host as it is written before a port: an IPv6 address has brackets.
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

    /// `host:port`, but without the scheme's default port.
    pub(super) fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.bracketed()
        } else {
            self.address()
        }
    }

    /// User and password, percent-decoded.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Value of an `Authorization` header; `None` without a login.
    pub(super) fn basic(&self) -> Option<String> {
        let Login { user, password } = self.login()?;
        Some(basic(&[user, ":", password].concat()))
    }
}

/// Value of an `Authorization` header for `user:password`, or for `user` with an empty password.
pub(super) fn basic(login: &str) -> String {
    let colon = if login.contains(':') { "" } else { ":" };
    format!("Basic {}", BASE64_STANDARD.encode([login, colon].concat()))
}

impl Scheme {
    /// What a URL begins with that has this scheme, HTTP's or HTTPS's.
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Scheme::Https => "https://",
            _ => "http://",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 => 1080,
        }
    }
}

impl Login {
    fn decode((user, password): (&str, &str)) -> Option<Login> {
        Some(Login {
            user: percent_decoded(user)?,
            password: percent_decoded(password)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_parsed() {
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
    fn origin_errors_do_not_show_the_password() {
        // (url, word in the error)
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
