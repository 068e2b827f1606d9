//! Answers: status line, headers, body.

/// How a request ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
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
            Status::NotFound => ("404 Not Found", "nothing is here; see /metrics"),
            Status::MethodNotAllowed => ("405 Method Not Allowed", "use GET or HEAD"),
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
    let (line, _) = status.texts();
    let more = match status {
        Status::Unauthorized => "WWW-Authenticate: Bearer\r\n",
        Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
        Status::Unavailable => "Retry-After: 5\r\n",
        _ => "",
    };
    let length = body.len().to_string();
    let parts = [
        "HTTP/1.1 ",
        line,
        "\r\nContent-Type: ",
        content_type,
        "\r\nContent-Length: ",
        &length,
        "\r\n",
        more,
        "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\r\n",
        if is_head { "" } else { body },
    ];
    parts.concat().into_bytes()
}
