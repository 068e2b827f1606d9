//! Probes of a service that the agent waits for: does it accept a connection, and with which status
//! does it answer?

use std::io;
use std::time::Duration;

use super::link::{Link, Tcp};
use super::lookup::Lookup;
use super::url::Origin;
use crate::base::clock::Deadline;
use crate::base::url::{Url, host_and_port};

/// Bytes of an answer up to the end of its status code, as in `HTTP/1.1 200`.
const STATUS: usize = 12;

/// Connects to `place`, a host and a port. Fails if nothing listens there.
pub(crate) fn connect(place: &str, limit: Duration) -> io::Result<()> {
    let (host, port) = host_and_port(place)
        .and_then(|(host, port)| Some((host, port?)))
        .ok_or_else(|| invalid("not of the form host:port"))?;
    open(&host, port, Deadline::after(limit)).map(drop)
}

/// Status code of the answer to `GET url`; `url` begins with `http://`. Does not follow redirects.
pub(crate) fn status(url: &str, limit: Duration) -> io::Result<u16> {
    let by = Deadline::after(limit);
    let path = Url::parse(url).map_err(invalid)?.path();
    let origin = Origin::parse(url).map_err(invalid)?;
    let mut tcp = open(&origin.host, origin.port, by)?;
    let authority = origin.authority();
    let request = [
        "GET ",
        &path,
        " HTTP/1.1\r\nHost: ",
        &authority,
        "\r\nUser-Agent: mackerel-agent\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    ];
    tcp.write(request.concat().as_bytes(), by)?;
    let mut answer = [0; STATUS];
    let mut length = 0;
    while let Some(room) = answer.get_mut(length..).filter(|room| !room.is_empty()) {
        match tcp.read(room, by)? {
            0 => break,
            more => length += more,
        }
    }
    let code = match answer.split_at(9) {
        ([b'H', b'T', b'T', b'P', b'/', ..], code) => std::str::from_utf8(code).ok(),
        _ => None,
    };
    let status = code.and_then(|code| code.parse().ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no answer in HTTP"))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn open(host: &str, port: u16, by: Deadline) -> io::Result<Tcp> {
    let addresses = Lookup::new().find(host, port, by)?;
    Tcp::connect(&addresses, None, by).map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let served = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut seen = [0; 512];
            let length = socket.read(&mut seen).unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&seen[..length]).into_owned()
        });
        (place, served)
    }

    #[test]
    fn status_is_that_of_the_answer() {
        // (answer, status, path, the first line of the request)
        let table = [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200), "", "GET / HTTP/1.1"),
            (
                "HTTP/1.0 503 No\r\n\r\n",
                Some(503),
                "/a?b",
                "GET /a?b HTTP/1.1",
            ),
            (
                "HTTP/1.1 302 Resolved\r\n\r\n",
                Some(302),
                "?b",
                "GET /?b HTTP/1.1",
            ),
            ("SSH-2.0-x", None, "/", "GET / HTTP/1.1"),
            ("", None, "/", "GET / HTTP/1.1"),
        ];
        for (answer, expected, path, line) in table {
            let (place, served) = answering(answer);
            let found = status(&format!("http://{place}{path}"), LIMIT);
            assert_eq!(found.ok(), expected, "{answer}");
            let request = served.join().unwrap();
            assert!(request.starts_with(line), "{request}");
            assert!(
                request.contains(&format!("\r\nHost: {place}\r\n")),
                "{request}"
            );
        }
    }

    #[test]
    fn connect_fails_if_nothing_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        connect(&place, LIMIT).unwrap();
        drop(listener);
        connect(&place, LIMIT).unwrap_err();
        connect("[::1]:1", LIMIT).unwrap_err();
    }
}
