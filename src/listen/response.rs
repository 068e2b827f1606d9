//! Answers: status line, headers, body.

/// What other answers may load, if a browser shows one.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// How a request ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    Stranger,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    BodyNotAllowed,
    Misdirected,
    HeadTooLong,
    Unavailable,
    VersionNotSupported,
}

impl Status {
    /// Code and reason, and what the body of a refusal says.
    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Status::Ok => ("200 OK", ""),
            Status::BadRequest => ("400 Bad Request", "not a request of HTTP/1.1"),
            Status::Unauthorized => (
                "401 Unauthorized",
                "send the token of listen_token_file: Authorization: Bearer TOKEN",
            ),
            Status::Forbidden => ("403 Forbidden", "requests of other sites are refused"),
            Status::Stranger => (
                "403 Forbidden",
                "answers only root and the user of the agent",
            ),
            Status::NotFound => ("404 Not Found", "nothing is here; see /metrics"),
            Status::MethodNotAllowed => ("405 Method Not Allowed", "use GET or HEAD"),
            Status::NotAcceptable => (
                "406 Not Acceptable",
                "the page is sent in gzip alone; use a browser, or curl --compressed",
            ),
            Status::BodyNotAllowed => ("413 Content Too Large", "send no body"),
            Status::Misdirected => (
                "421 Misdirected Request",
                "unknown name in Host; use an address, or add the name to listen_hosts",
            ),
            Status::HeadTooLong => (
                "431 Request Header Fields Too Large",
                "send at most 4096 bytes",
            ),
            Status::Unavailable => ("503 Service Unavailable", "try again later"),
            Status::VersionNotSupported => ("505 HTTP Version Not Supported", "use HTTP/1.1"),
        }
    }

    /// The answer that refuses a request.
    pub(super) fn refusal(self) -> Vec<u8> {
        let (_, why) = self.texts();
        response(
            self,
            "text/plain; charset=utf-8",
            &[why, "\n"].concat(),
            false,
        )
    }
}

/// An answer. One to HEAD has the headers alone.
pub(super) fn response(status: Status, content_type: &str, body: &str, is_head: bool) -> Vec<u8> {
    let length = body.len().to_string();
    let length = ["Content-Length: ", &length, "\r\n"].concat();
    let mut answer = head(status, content_type, &length, POLICY);
    if !is_head {
        answer.extend_from_slice(body.as_bytes());
    }
    answer
}

/// The head of an answer whose end is that of the connection.
pub(super) fn endless(content_type: &str) -> Vec<u8> {
    head(Status::Ok, content_type, "", POLICY)
}

/// A head. `length` has the headers that describe the body.
pub(super) fn head(status: Status, content_type: &str, length: &str, policy: &str) -> Vec<u8> {
    let (line, _) = status.texts();
    let more = match status {
        Status::Unauthorized => "WWW-Authenticate: Bearer\r\n",
        Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        Status::Unavailable => "Retry-After: 5\r\n",
        _ => "",
    };
    let parts = [
        "HTTP/1.1 ",
        line,
        "\r\nContent-Type: ",
        content_type,
        "\r\n",
        length,
        more,
        "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: ",
        policy,
        "\r\n\r\n",
    ];
    parts.concat().into_bytes()
}
