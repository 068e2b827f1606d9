//! A question in HTTP to a server of this host that listens at a socket's file, such as Docker.

use std::io::{self, Read, Write};
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::agent_socket::connect;
use crate::base::clock::Deadline;

/// Time limit for the whole answer.
const LIMIT: Duration = Duration::from_secs(5);
/// Maximum number of bytes of an answer.
const LONGEST: usize = 4 << 20;

/// The body of the answer to `GET path`. HTTP/1.0: the answer ends with the connection.
///
/// Fails if nothing listens at `socket`, if the answer takes longer than [`LIMIT`], is longer than
/// [`LONGEST`] or has another status than 200.
pub(crate) fn get(socket: &Path, path: &str) -> io::Result<String> {
    let mut stream = connect(SocketAddr::from_pathname(socket)?, None)?;
    let deadline = Deadline::after(LIMIT);
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(
        ["GET ", path, " HTTP/1.0\r\nHost: localhost\r\n\r\n"]
            .concat()
            .as_bytes(),
    )?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let ahead = deadline.remaining();
        if ahead.is_zero() || answer.len() > LONGEST {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(ahead))?;
        match stream.read(&mut buffer)? {
            0 => break,
            more => answer.extend_from_slice(buffer.get(..more).unwrap_or_default()),
        }
    }
    let answer = String::from_utf8(answer).map_err(|_| io::ErrorKind::InvalidData)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::InvalidData)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(io::Error::other(head.lines().next().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn local_http_returns_the_body_of_a_good_answer() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let kind = get(&socket, "/").unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::NotFound);
        let listener = UnixListener::bind(&socket).unwrap();
        // (answer, body, or what the error says)
        let table = [
            ("HTTP/1.0 200 OK\r\nA: b\r\n\r\n[]", Ok("[]")),
            (
                "HTTP/1.0 404 Not Found\r\n\r\nno",
                Err("HTTP/1.0 404 Not Found"),
            ),
            ("", Err("invalid data")),
            ("HTTP/1.0 200 OK\r\n\r\n\u{fffd}", Ok("\u{fffd}")),
        ];
        let answers = table.map(|(answer, _)| answer);
        let server = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 256];
                let length = stream.read(&mut asked).unwrap();
                let asked = str::from_utf8(&asked[..length]).unwrap();
                assert_eq!(asked, "GET /x HTTP/1.0\r\nHost: localhost\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        for (answer, expected) in table {
            let found = get(&socket, "/x").map_err(|error| error.to_string());
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{answer}");
        }
        server.join().unwrap();
    }
}
