//! HTTP/1.1 as far as the fake server speaks it: requests whose body has a `Content-Length`, and
//! answers.

use std::io::{self, Read};
use std::time::Instant;

use serde_json::{Value, json};

/// Largest number of bytes of a request line and its headers together.
const HEAD_LIMIT: usize = 64 << 10;
/// Largest number of bytes of a request's body. A day of a busy host's metrics is well below.
const BODY_LIMIT: usize = 16 << 20;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// Counted from 1 over all connections.
    pub number: usize,
    /// The connection it came on, counted from 1.
    pub connection: usize,
    /// When its last byte was read.
    pub at: Instant,
    /// The same, in seconds since the epoch.
    pub time: u64,
    pub head: Head,
    pub body: Vec<u8>,
    /// Status of its answer. `None` if it was not answered.
    pub status: Option<u16>,
}

impl Request {
    /// Whether it has this method and path. The query does not count.
    pub fn is(&self, method: &str, path: &str) -> bool {
        self.head.method == method && self.head.path == path
    }

    /// The body; `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A request line and its headers.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The part after `?`. Empty if there is none.
    pub query: String,
    /// e.g. `HTTP/1.1`
    pub version: String,
    /// Name and value, in the order of arrival.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(have, _)| have.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// Whether the connection may carry another request.
    pub(super) fn keeps_alive(&self) -> bool {
        self.version == "HTTP/1.1"
            && !self
                .header("Connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Why no request was read.
#[derive(Debug)]
pub(super) enum Broken {
    /// The client has closed the connection, or was silent for too long.
    Gone,
    /// The client sent an invalid request. The answer says why.
    Malformed(Answer),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Gone
    }
}

/// Reads a request's head from `link`. Bytes that follow it stay in `ahead`.
pub(super) fn read_head(link: &mut impl Read, ahead: &mut Vec<u8>) -> Result<Head, Broken> {
    let end = loop {
        if let Some(at) = ahead.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if ahead.len() > HEAD_LIMIT {
            return Err(malformed(431, "headers too large"));
        }
        read_some(link, ahead)?;
    };
    let rest = ahead.split_off(end + 4);
    let text = String::from_utf8_lossy(&std::mem::replace(ahead, rest)).into_owned();
    parse_head(&text).ok_or_else(|| malformed(400, "not an HTTP request"))
}

/// Reads the body that `head` announces from `link`.
pub(super) fn read_body(
    link: &mut impl Read,
    ahead: &mut Vec<u8>,
    head: &Head,
) -> Result<Vec<u8>, Broken> {
    if head.header("Transfer-Encoding").is_some() {
        return Err(malformed(411, "a Content-Length is required"));
    }
    let length = match head.header("Content-Length") {
        None => 0,
        Some(text) => match text.parse() {
            Err(_) => return Err(malformed(400, "Content-Length is not a number")),
            Ok(length) if length > BODY_LIMIT => return Err(malformed(413, "body too large")),
            Ok(length) => length,
        },
    };
    while ahead.len() < length {
        read_some(link, ahead)?;
    }
    let rest = ahead.split_off(length);
    Ok(std::mem::replace(ahead, rest))
}

fn read_some(link: &mut impl Read, ahead: &mut Vec<u8>) -> Result<(), Broken> {
    let mut chunk = [0; 4096];
    match link.read(&mut chunk)? {
        0 => Err(Broken::Gone),
        some => {
            ahead.extend_from_slice(&chunk[..some]);
            Ok(())
        }
    }
}

fn parse_head(text: &str) -> Option<Head> {
    let mut lines = text.trim_end().split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return None;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    });
    Some(Head {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        version: version.to_owned(),
        headers: headers.collect::<Option<_>>()?,
    })
}

fn malformed(status: u16, message: &str) -> Broken {
    Broken::Malformed(Answer::error(status, message))
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with a status and a body, and no header beyond the length.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// 200 and a document.
    pub fn json(document: &Value) -> Answer {
        Answer::new(200, document.to_string()).header("Content-Type", "application/json")
    }

    /// 200 and `{"success":true}`.
    pub fn success() -> Answer {
        Answer::json(&json!({"success": true}))
    }

    /// Mackerel's error document.
    pub fn error(status: u16, message: &str) -> Answer {
        let document = json!({"error": {"message": message}});
        Answer {
            status,
            ..Answer::json(&document)
        }
    }

    /// The answer of a captive portal to every request: 200 and a login page.
    pub fn portal() -> Answer {
        let page = "<!DOCTYPE html><html><title>Welcome</title><form>Room number?</form></html>";
        Answer::new(200, page).header("Content-Type", "text/html; charset=utf-8")
    }

    /// A compressed success, which no client has asked for.
    pub fn gzip() -> Answer {
        let mut answer = Answer::new(200, "").header("Content-Encoding", "gzip");
        answer.body = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0".to_vec();
        answer
    }

    /// The whole answer with 150 more headers before it: one folded, one with a space before its
    /// colon (as the one with the length has), and one of 20 kB.
    pub(super) fn odd(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for number in 0..150 {
            text.push_str(&format!("X-{number}: y\r\n"));
        }
        let long = "x".repeat(20 << 10);
        text.push_str(&format!(
            "Server: a\r\n  b\r\nVia : c\r\nSet-Cookie: {long}\r\n"
        ));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name} : {value}\r\n"));
        }
        text.push_str(&format!("Content-Length : {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The same with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Status line and headers, with the empty line. They announce a body of `length` bytes, or a
    /// chunked one if there is none.
    pub(super) fn head(&self, length: Option<usize>) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&match length {
            Some(length) => format!("Content-Length: {length}\r\n\r\n"),
            None => "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
        });
        text.into_bytes()
    }

    /// The whole answer as it is sent.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head(Some(self.body.len()));
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The reason phrase of a status code. It has no meaning for clients.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}

/// Decodes `%41` and, in a query, `+`. Sequences that are not UTF-8 become U+FFFD.
pub(super) fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) if plus => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
