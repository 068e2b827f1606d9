//! Questions to a running agent over its socket, in HTTP/1.1.

use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{LIMIT, NAME, abstract_address, connect, file_address, own_user, peer};
use crate::base::clock::Deadline;

/// Maximum number of bytes of the head of an answer.
const HEAD: usize = 4 << 10;
/// Maximum number of bytes of a whole answer.
const WHOLE: u64 = 4 << 20;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Response {
    /// 200 if the question was answered.
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Response {
    /// The body. Fails with what the agent says if it has refused the question.
    pub(crate) fn accepted(self) -> io::Result<String> {
        if self.status == 200 {
            return Ok(self.body);
        }
        let why = format!("status {}: {}", self.status, self.body.trim_ascii());
        let is_invalid = self.status == 400;
        let kind = if is_invalid {
            io::ErrorKind::InvalidInput
        } else {
            io::ErrorKind::Other
        };
        Err(io::Error::new(kind, why))
    }
}

/// The body of an answer that goes on, such as an event stream.
pub(crate) struct Body {
    /// What was read behind the head.
    begun: io::Cursor<Vec<u8>>,
    stream: UnixStream,
}

impl Read for Body {
    /// Fails with [`io::ErrorKind::WouldBlock`] after the time limit of [`open`] without a byte.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.begun.read(buffer)? {
            0 => self.stream.read(buffer),
            length => Ok(length),
        }
    }
}

impl AsRawFd for Body {
    /// The socket. Bytes may be there to be read although it is not readable, until a read has
    /// returned bytes of it.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.stream.as_raw_fd()
    }
}

/// The answer to `GET path` of the agent whose directory is `root`. It has at most 4 MiB, and comes
/// within 5 seconds.
///
/// Fails with [`io::ErrorKind::PermissionDenied`] if the agent does not answer this user, and if the
/// server runs as another user; with another kind if no agent runs.
pub(crate) fn get(root: &Path, path: &str) -> io::Result<Response> {
    whole(ask(root, "GET", path, &[], LIMIT)?)
}

/// The answer to `POST path` with these headers and no body. Fails as [`get`] does.
pub(crate) fn post(root: &Path, path: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
    whole(ask(root, "POST", path, headers, LIMIT)?)
}

/// Reads an answer to its end, within 5 seconds.
fn whole((status, length, mut body): (u16, Option<u64>, Body)) -> io::Result<Response> {
    let deadline = Deadline::after(LIMIT);
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    while length.is_none_or(|length| (bytes.len() as u64) < length) {
        if deadline.remaining().is_zero() || bytes.len() as u64 > WHOLE {
            return Err(io::Error::other(
                "the answer takes too long, or is too long",
            ));
        }
        match body.read(&mut buffer)? {
            0 if length.is_some() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            more => bytes.extend_from_slice(buffer.get(..more).unwrap_or_default()),
        }
    }
    let body = String::from_utf8(bytes).map_err(|_| io::Error::other("the answer is no UTF-8"))?;
    Ok(Response { status, body })
}

/// Asks for a stream: the status of the answer, and its body. Each read waits up to `pause`: an
/// event stream has a byte every 15 seconds at least. `headers` are pairs of name and value.
///
/// Fails as [`get`] does. A status other than 200 is no error: the body says why.
pub(crate) fn open(
    root: &Path,
    path: &str,
    headers: &[(&str, &str)],
    pause: Duration,
) -> io::Result<(u16, Body)> {
    let (status, _, body) = ask(root, "GET", path, headers, pause)?;
    Ok((status, body))
}

/// Sends a request and reads the head of the answer: status, length of the body if it is known, and
/// the body.
fn ask(
    root: &Path,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    pause: Duration,
) -> io::Result<(u16, Option<u64>, Body)> {
    let mut stream = reach(root)?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut request = [method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n"].concat();
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    // A server that refuses this user answers without reading, so that writing may fail.
    let sent = stream.write_all(request.as_bytes());
    let deadline = Deadline::after(LIMIT);
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let more = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            read => read?,
        };
        if more == 0 {
            sent?;
            return Err(io::Error::other(
                "no answer; ask as root or as the agent's user",
            ));
        }
        bytes.extend_from_slice(buffer.get(..more).unwrap_or_default());
        if bytes.len() > HEAD || deadline.remaining().is_zero() {
            return Err(odd());
        }
    };
    let begun = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).map_err(|_| odd())?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(odd)?;
    let length = head.lines().find_map(|line| {
        let value = line.strip_prefix("Content-Length: ")?;
        value.trim_ascii().parse().ok()
    });
    if status == 403 {
        let why = String::from_utf8_lossy(&begun);
        let why = format!("{}; ask as root or as the agent's user", why.trim_ascii());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    stream.set_read_timeout(Some(pause))?;
    let begun = io::Cursor::new(begun);
    Ok((status, length, Body { begun, stream }))
}

fn odd() -> io::Error {
    io::Error::other("the answer is no HTTP/1.1; another program has the agent's socket")
}

/// Connects to the agent whose directory is `root`.
fn reach(root: &Path) -> io::Result<UnixStream> {
    let by_file =
        file_address(root).and_then(|(directory, address)| connect(address, Some(directory)));
    let is_by_file = by_file.is_ok();
    let stream = match by_file {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let why = format!("{error}; ask as root or as the agent's user");
            return Err(io::Error::new(error.kind(), why));
        }
        Err(_) => connect(abstract_address(root)?, None)?,
        Ok(stream) => stream,
    };
    let user = peer(stream.as_raw_fd())?;
    let owner = fs::metadata(root).ok().map(|found| found.uid());
    if user != 0 && user != own_user() && Some(user) != owner {
        let why = format!("the user {user} has its socket; ask as that user if it is the agent's");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    // A link of another user may lead to a socket that only root may connect to.
    if user == 0 && is_by_file && !is_roots(fs::symlink_metadata(root.join(NAME))) {
        let why = format!("{NAME} leads to a socket of root's and is not root's own; remove it");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(stream)
}

/// Whether the socket's file is root's, with one name. If it cannot be inspected, it is not: the
/// other user may have removed the link by now.
fn is_roots(found: io::Result<Metadata>) -> bool {
    found.is_ok_and(|found| found.uid() == 0 && found.nlink() == 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn agent_socket_of_roots_is_believed_only_by_roots_own_file() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let _listeners =
            ["own", "twice", "given"].map(|name| UnixListener::bind(at(name)).unwrap());
        fs::hard_link(at("twice"), at("hard")).unwrap();
        symlink("own", at("link")).unwrap();
        for name in ["given", "link"] {
            fake_server::require!(
                lchown(at(name), Some(4242), None).is_ok(),
                "only root can give a file away"
            );
        }
        // (why this row exists, name of the file, whether it is believed)
        let table = [
            ("of an agent that runs as root", "own", true),
            ("a hard link of root's socket", "hard", false),
            ("a link of another user", "link", false),
            ("a file of another user", "given", false),
            ("a link that was removed by now", "none", false),
        ];
        for (why, name, expected) in table {
            assert_eq!(is_roots(fs::symlink_metadata(at(name))), expected, "{why}");
        }
    }
}
