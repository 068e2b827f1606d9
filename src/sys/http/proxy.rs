//! Selection of the proxy for a URL by the environment variables that Go programs, curl and others
//! read: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, each also in lower case.

use std::net::IpAddr;

use super::SetupError;
use super::url::{Origin, Scheme};
use crate::base::url::host_and_port;

/// The proxies set in the environment. The default is no proxy.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    http: Option<String>,
    https: Option<String>,
    except: String,
    /// Whether these proxies also serve this host's own addresses.
    is_for_all: bool,
}

impl Rules {
    /// The rules in the variables that `variable` returns.
    ///
    /// An upper-case variable takes precedence over a lower-case one. An empty variable counts as
    /// unset. `HTTP_PROXY` is ignored if `REQUEST_METHOD` is set: under CGI, any client could set
    /// it by a `Proxy` header in its request.
    pub(crate) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Rules {
        let one = |name: &str| variable(name).filter(|value| !value.is_empty());
        let either = |name: &str| one(name).or_else(|| one(&name.to_ascii_lowercase()));
        let is_cgi = one("REQUEST_METHOD").is_some();
        Rules {
            http: either("HTTP_PROXY").filter(|_| !is_cgi),
            https: either("HTTPS_PROXY"),
            except: either("NO_PROXY").unwrap_or_default(),
            is_for_all: false,
        }
    }

    /// The rules that send everything through the proxy at `url`.
    pub(crate) fn always(url: &str) -> Rules {
        Rules {
            http: Some(url.to_owned()),
            https: Some(url.to_owned()),
            except: String::new(),
            is_for_all: true,
        }
    }

    /// The proxy for `target`; `None` for a direct connection.
    ///
    /// Fails if the variable does not hold a proxy's URL.
    pub(super) fn serving(&self, target: &Origin) -> Result<Option<Origin>, SetupError> {
        let (what, proxy) = match target.scheme {
            Scheme::Https => ("HTTPS_PROXY", &self.https),
            _ => ("HTTP_PROXY", &self.http),
        };
        match proxy {
            Some(url) if self.is_for_all || !self.is_excepted(target) => Origin::parse(url.trim())
                .map(Some)
                .map_err(|wrong| SetupError::Url { what, wrong }),
            _ => Ok(None),
        }
    }

    fn is_excepted(&self, target: &Origin) -> bool {
        let address = target.host.parse().ok().map(|ip: IpAddr| ip.to_canonical());
        target.host == "localhost"
            || address.is_some_and(|address| address.is_loopback())
            || self.except.split(',').any(|entry| {
                let entry = entry.trim().to_ascii_lowercase();
                entry == "*" || covers(&entry, target, address)
            })
    }
}

/// Whether one entry of `NO_PROXY` matches the target. An entry is a network (`10.0.0.0/8`), an
/// address or a domain. An address or domain may have a port. `a.example` matches the domain and
/// its subdomains. `.a.example` and `*.a.example` match only the subdomains.
fn covers(entry: &str, target: &Origin, address: Option<IpAddr>) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        return match (network.parse(), bits.parse(), address) {
            (Ok(network), Ok(bits), Some(address)) => is_within(address, network, bits),
            _ => false,
        };
    }
    let (host, port) = match entry.parse::<IpAddr>() {
        Ok(_) => (entry.to_owned(), None),
        Err(_) => host_and_port(entry).unwrap_or_default(),
    };
    if port.is_some_and(|port| port != target.port) {
        return false;
    }
    if let Ok(named) = host.parse::<IpAddr>() {
        return address == Some(named.to_canonical());
    }
    let host = host
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(&host);
    let domain = host.strip_prefix('.').unwrap_or(host);
    if domain.is_empty() || address.is_some() {
        return false;
    }
    match target.host.strip_suffix(domain) {
        Some("") => domain == host,
        Some(below) => below.ends_with('.'),
        None => false,
    }
}

/// Whether the first `bits` bits of both addresses are equal. False for different families.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (difference, length) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(a.to_bits() ^ n.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits() ^ n.to_bits(), 128),
        _ => return false,
    };
    match u32::checked_sub(length, bits) {
        Some(host_bits) => difference.checked_shr(host_bits).unwrap_or(0) == 0,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables<'a> = &'a [(&'a str, &'a str)];

    /// The address of the proxy for `target`; `-` if there is none.
    fn proxy(environment: Variables<'_>, target: &str) -> String {
        let rules = Rules::read(&|name| {
            let found = environment.iter().find(|(have, _)| *have == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let target = Origin::parse(target).ok().unwrap();
        match rules.serving(&target) {
            Ok(Some(proxy)) => proxy.address(),
            Ok(None) => "-".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_variable() {
        let both = [("HTTP_PROXY", "a"), ("HTTPS_PROXY", "b:1")];
        // (why this row exists, environment, target, proxy)
        let table: [(&str, Variables<'_>, &str, &str); 11] = [
            ("nothing set", &[], "https://x.example", "-"),
            ("http", &both, "http://x.example", "a:80"),
            ("https", &both, "https://x.example", "b:1"),
            (
                "one does not stand for the other",
                &both[..1],
                "https://x.example",
                "-",
            ),
            (
                "lower case",
                &[("https_proxy", "c")],
                "https://x.example",
                "c:80",
            ),
            (
                "upper case wins",
                &[("https_proxy", "c"), ("HTTPS_PROXY", "d")],
                "https://x.example",
                "d:80",
            ),
            (
                "empty is not set",
                &[("HTTPS_PROXY", ""), ("https_proxy", "c")],
                "https://x.example",
                "c:80",
            ),
            (
                "CGI",
                &[("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")],
                "http://x.example",
                "-",
            ),
            (
                "CGI does not touch https",
                &[("HTTPS_PROXY", "a"), ("REQUEST_METHOD", "GET")],
                "https://x.example",
                "a:80",
            ),
            (
                "SOCKS",
                &[("HTTPS_PROXY", "socks5://s")],
                "https://x.example",
                "s:1080",
            ),
            (
                "the error does not show the password",
                &[("HTTPS_PROXY", "gopher://u:secret@g")],
                "https://x.example",
                "HTTPS_PROXY is no usable URL: its scheme is none of http, https and socks5",
            ),
        ];
        for (why, environment, target, expected) in table {
            assert_eq!(proxy(environment, target), expected, "{why}");
        }
    }

    #[test]
    fn no_proxy_excepts_what_it_names() {
        // (why this row exists, NO_PROXY, target, whether the connection is direct)
        let table = [
            ("nothing", "", "http://a.example", false),
            ("everything", "*", "http://a.example", true),
            (
                "everything, among others",
                "b.example, *",
                "http://1.2.3.4",
                true,
            ),
            ("itself", "a.example", "http://a.example", true),
            ("what lies below", "a.example", "http://b.a.example", true),
            (
                "not what only ends alike",
                "a.example",
                "http://ba.example",
                false,
            ),
            ("dot: below", ".a.example", "http://b.a.example", true),
            ("dot: not itself", ".a.example", "http://a.example", false),
            ("star: below", "*.a.example", "http://b.a.example", true),
            ("star: not itself", "*.a.example", "http://a.example", false),
            (
                "case and blanks",
                " x , A.Example ",
                "http://a.EXAMPLE",
                true,
            ),
            ("port that fits", "a.example:443", "https://a.example", true),
            (
                "port that does not",
                "a.example:80",
                "https://a.example",
                false,
            ),
            ("address", "192.0.2.1", "http://192.0.2.1", true),
            ("another address", "192.0.2.1", "http://192.0.2.11", false),
            ("no suffix of an address", "2.1", "http://192.0.2.1", false),
            (
                "address and port",
                "192.0.2.1:81",
                "http://192.0.2.1:81",
                true,
            ),
            (
                "address and other port",
                "192.0.2.1:81",
                "http://192.0.2.1",
                false,
            ),
            ("IPv6", "2001:db8::1", "http://[2001:db8:0::1]", true),
            (
                "IPv6 and port",
                "[2001:db8::1]:80",
                "http://[2001:db8::1]",
                true,
            ),
            ("network", "192.0.2.0/24", "http://192.0.2.200", true),
            (
                "beside the network",
                "192.0.2.0/24",
                "http://192.0.3.200",
                false,
            ),
            ("all of IPv4", "0.0.0.0/0", "http://192.0.2.1", true),
            (
                "the other family",
                "0.0.0.0/0",
                "http://[2001:db8::1]",
                false,
            ),
            (
                "IPv6 network",
                "2001:db8::/32",
                "http://[2001:db8:1::1]",
                true,
            ),
            ("all of IPv6", "::/0", "http://[2001:db8:1::1]", true),
            ("no such network", "192.0.2.0/33", "http://192.0.2.1", false),
            (
                "a network has no names",
                "192.0.2.0/24",
                "http://a.example",
                false,
            ),
            ("empty entries", ",,:80,.", "http://a.example", false),
            ("never localhost", "", "http://localhost:8080", true),
            ("never loopback", "", "http://127.1.2.3", true),
            ("never loopback of IPv6", "", "https://[::1]:443", true),
            ("nor mapped", "", "https://[::ffff:127.0.0.1]", true),
        ];
        for (why, except, target, direct) in table {
            let environment = [
                ("HTTP_PROXY", "p"),
                ("HTTPS_PROXY", "p"),
                ("NO_PROXY", except),
            ];
            let expected = if direct { "-" } else { "p:80" };
            assert_eq!(proxy(&environment, target), expected, "{why}");
        }
    }

    #[test]
    fn never_panics() {
        let good = "*.a.example:443,[2001:db8::1]:80,192.0.2.0/24";
        crate::parse::survives_damage(good, |except| {
            for target in [
                "http://192.0.2.1",
                "https://[2001:db8::1]",
                "http://a.example",
            ] {
                proxy(&[("HTTP_PROXY", "p"), ("NO_PROXY", except)], target);
            }
        });
    }
}
