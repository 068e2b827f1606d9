//! Tunnels through proxies: `CONNECT` of HTTP (RFC 9110, 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

use std::io::{self, ErrorKind};
use std::net::IpAddr;

use super::head;
use super::link::Link;
use super::url::Origin;
use crate::base::clock::Deadline;

/// Turns a connection to an HTTP proxy into one to `target`.
///
/// Fails if the proxy answers with another status than 2xx, and on any invalid answer.
pub(super) fn connect(
    link: &mut dyn Link,
    proxy: &Origin,
    target: &Origin,
    user_agent: &str,
    by: Deadline,
) -> io::Result<()> {
    let to = target.address();
    let mut head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {user_agent}\r\n");
    if let Some(login) = proxy.basic() {
        head.push_str(&format!("Proxy-Authorization: {login}\r\n"));
    }
    head.push_str("\r\n");
    link.write(head.as_bytes(), by)?;
    match head::status(&head_of_answer(link, by)?) {
        Some(200..300) => Ok(()),
        Some(407) => Err(io::Error::other(
            "407, it requires another user or password",
        )),
        Some(status) => Err(io::Error::other(format!("it answers {status}"))),
        None => Err(invalid(
            "status line of the proxy not understood".to_owned(),
        )),
    }
}

/// Reads an answer up to the blank line. Reads byte by byte, since the bytes after the blank line
/// come from the target.
fn head_of_answer(link: &mut dyn Link, by: Deadline) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head::end(&head, head.len().saturating_sub(1)).is_none() {
        if head.len() > head::LIMIT {
            return Err(invalid(head::too_long(&head)));
        }
        head.extend(exactly::<1>(link, by)?);
        if head.len() >= b"HTTP/1.".len() {
            head::begins(&head).map_err(invalid)?;
        }
    }
    Ok(head)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

/// Turns a connection to a SOCKS 5 proxy into one to `target`, whose name the proxy looks up.
pub(super) fn socks5(
    link: &mut dyn Link,
    proxy: &Origin,
    target: &Origin,
    by: Deadline,
) -> io::Result<()> {
    let login = proxy.login();
    // Version, number of methods, methods: no login (0) and, with a login, user and password (2).
    let methods: &[u8] = if login.is_some() {
        &[5, 2, 0, 2]
    } else {
        &[5, 1, 0]
    };
    link.write(methods, by)?;
    match (exactly(link, by)?, login) {
        ([5, 0], _) => {}
        ([5, 2], Some(login)) => {
            let mut message = vec![1];
            put(&mut message, &login.user)?;
            put(&mut message, &login.password)?;
            link.write(&message, by)?;
            let [_, status] = exactly(link, by)?;
            if status != 0 {
                return Err(io::Error::other("it refuses user and password"));
            }
        }
        ([5, _], _) => return Err(io::Error::other("it requires another kind of login")),
        _ => return Err(no_socks()),
    }

    // Version, command `CONNECT`, reserved; then the address with its type, and the port.
    let mut message = vec![5, 1, 0];
    match target.host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend(address.octets());
        }
        Err(_) => {
            message.push(3);
            put(&mut message, &target.host)?;
        }
    }
    message.extend(target.port.to_be_bytes());
    link.write(&message, by)?;

    let [version, reply, _, kind] = exactly(link, by)?;
    if version != 5 {
        return Err(no_socks());
    }
    if reply != 0 {
        return Err(io::Error::other(reason(reply)));
    }
    // The address and port that the proxy uses. They are read, but not needed.
    match kind {
        1 => exactly::<6>(link, by).map(drop),
        4 => exactly::<18>(link, by).map(drop),
        3 => {
            let [length] = exactly(link, by)?;
            (0..u16::from(length) + 2).try_for_each(|_| exactly::<1>(link, by).map(drop))
        }
        _ => Err(no_socks()),
    }
}

/// Appends a text after its length in one byte. Fails if the text exceeds 255 bytes.
fn put(message: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u8::try_from(text.len())
        .map_err(|_| io::Error::other("host, user or password is longer than SOCKS allows"))?;
    message.push(length);
    message.extend(text.as_bytes());
    Ok(())
}

fn exactly<const N: usize>(link: &mut dyn Link, by: Deadline) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        let count = link.read(rest, by)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        rest = rest.get_mut(count..).unwrap_or_default();
    }
    Ok(bytes)
}

/// Text for a SOCKS 5 reply code (RFC 1928, section 6).
fn reason(reply: u8) -> &'static str {
    match reply {
        2 => "it does not allow this",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "timed out on the way",
        _ => "it fails",
    }
}

fn no_socks() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "it does not speak SOCKS 5")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A proxy that sends `says` and records what it receives in `heard`.
    #[derive(Default)]
    struct Proxy {
        says: Vec<u8>,
        heard: Vec<u8>,
    }

    impl Link for Proxy {
        fn read(&mut self, into: &mut [u8], _: Deadline) -> io::Result<usize> {
            let length = self.says.len().min(into.len());
            for (to, from) in into.iter_mut().zip(self.says.drain(..length)) {
                *to = from;
            }
            Ok(length)
        }

        fn write(&mut self, bytes: &[u8], _: Deadline) -> io::Result<()> {
            self.heard.extend(bytes);
            Ok(())
        }
    }

    /// The bytes that the proxy received, and the outcome.
    fn through(url: &str, target: &str, says: &[u8]) -> (Vec<u8>, String) {
        let mut link = Proxy {
            says: says.to_vec(),
            ..Proxy::default()
        };
        let by = Deadline::after(Duration::ZERO);
        let proxy = Origin::parse(url).ok().unwrap();
        let target = Origin::parse(target).ok().unwrap();
        let end = if url.starts_with("socks") {
            socks5(&mut link, &proxy, &target, by)
        } else {
            connect(&mut link, &proxy, &target, "agent/1", by)
        };
        let rest = if link.says.is_empty() {
            ""
        } else {
            ", more to read"
        };
        let end = end.map_or_else(|error| error.to_string(), |()| "open".to_owned());
        (link.heard, end + rest)
    }

    #[test]
    fn http_proxy_receives_connect() {
        let (heard, end) = through(
            "http://u:p@proxy:3128",
            "https://api.example",
            b"HTTP/1.0 200 Connection established\r\nX: y\r\n\r\n",
        );
        assert_eq!(end, "open");
        assert_eq!(
            String::from_utf8(heard).unwrap(),
            "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\
             User-Agent: agent/1\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
        );
    }

    #[test]
    fn http_proxy_refusals_are_named() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(70_000));
        let long_end = format!(
            "the headers are longer than 64 kB; they reach that in the line \"X: {}\", more to read",
            "x".repeat(57)
        );
        let large = format!(
            "HTTP/1.1 200 OK\r\nX : {}\r\n y\r\n\r\n",
            "x".repeat(20_000)
        );
        // (answer, outcome)
        let table = [
            (large.as_str(), "open"),
            ("HTTP/1.0 200\n\n", "open"),
            (&long, &long_end),
            (
                "HTTP/1.1 OK\r\n\r\n",
                "status line of the proxy not understood",
            ),
            (
                "HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n",
                "407, it requires another user or password",
            ),
            ("HTTP/1.1 503 X\r\n\r\n", "it answers 503"),
            (
                "SSH-2.0-x\r\n\r\n",
                "the answer is no HTTP; it begins with \"SSH-2.0\", more to read",
            ),
            ("", "unexpected end of file"),
        ];
        for (answer, expected) in table {
            let (_, end) = through(
                "http://u:secret@proxy",
                "https://x.example",
                answer.as_bytes(),
            );
            assert_eq!(end, expected);
        }
    }

    #[test]
    fn socks_proxy_receives_the_target() {
        type Bytes = &'static [u8];
        // (why this row exists, proxy, target, bytes from the proxy, bytes to the proxy)
        let table: [(&str, &str, &str, Bytes, Bytes); 4] = [
            (
                "a name stays a name",
                "socks5://p",
                "https://a.example",
                b"\x05\0\x05\0\0\x01\x0a\0\0\x01\x1f\x90",
                b"\x05\x01\0\x05\x01\0\x03\x09a.example\x01\xbb",
            ),
            (
                "IPv4, answered with a name",
                "socks5://p",
                "http://192.0.2.1",
                b"\x05\0\x05\0\0\x03\x02ab\0\x50",
                b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x01\0\x50",
            ),
            (
                "IPv6, answered with one",
                "socks5://p",
                "http://[::1]:81",
                b"\x05\0\x05\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50",
                b"\x05\x01\0\x05\x01\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x51",
            ),
            (
                "user and password",
                "socks5://u:pw@p",
                "http://192.0.2.1",
                b"\x05\x02\x01\0\x05\0\0\x01\x0a\0\0\x01\0\x50",
                b"\x05\x02\0\x02\x01\x01u\x02pw\x05\x01\0\x01\xc0\0\x02\x01\0\x50",
            ),
        ];
        for (why, proxy, target, says, hears) in table {
            let (heard, end) = through(proxy, target, says);
            assert_eq!(end, "open", "{why}");
            assert_eq!(heard, hears, "{why}");
        }
    }

    #[test]
    fn socks_proxy_refusals_are_named() {
        // (bytes from the proxy, outcome)
        let table: [(&[u8], &str); 7] = [
            (b"", "unexpected end of file"),
            (b"HTTP", "it does not speak SOCKS 5, more to read"),
            (b"\x05\xff", "it requires another kind of login"),
            (b"\x05\x02\x01\x01", "it refuses user and password"),
            (b"\x05\0\x05\x05\0\x01", "connection refused"),
            (b"\x05\0\x05\0\0\x09", "it does not speak SOCKS 5"),
            (b"\x05\0\x05\0\0\x03\xff", "unexpected end of file"),
        ];
        for (says, expected) in table {
            let (_, end) = through("socks5://u:secret@p", "https://a.example", says);
            assert_eq!(end, expected);
        }
        let long = format!("socks5://{}:p@p", "u".repeat(256));
        let (_, end) = through(&long, "https://a.example", b"\x05\x02");
        assert_eq!(end, "host, user or password is longer than SOCKS allows");
    }
}
