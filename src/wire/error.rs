//! The document with which the API refuses a request: `{"error":{"message":"…"}}` at every
//! endpoint.

use crate::base::json::Json;

/// Maximum number of characters of a message that are kept: more than the API ever sends.
const LENGTH: usize = 500;

/// Why the API refused a request, from the status and the body of its answer.
///
/// The result is the API's own message, which may be empty, cut to [`LENGTH`] characters. If the
/// body is of another kind, it is the status, e.g. `404 Not Found`.
pub(crate) fn message(status: u16, body: &str) -> String {
    match said(body) {
        Some(message) => message.chars().take(LENGTH).collect(),
        None => format!("{status} {}", reason(status)).trim_end().to_owned(),
    }
}

/// The message, which is empty if there is none; `None` if the body is of another kind.
fn said(body: &str) -> Option<String> {
    let refusal = Json::parse(body).ok()?;
    let message = match (&refusal, refusal.member("error")) {
        (Json::Object(_), None) => None,
        (_, Some(error @ Json::Object(_))) => error.member("message"),
        _ => return None,
    };
    match message {
        None => Some(String::new()),
        Some(Json::Text(message)) => Some(message.clone()),
        Some(_) => None,
    }
}

/// The reason phrase of RFC 9110, section 15; empty for a status that neither the API nor a gateway
/// before it uses.
fn reason(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_reason_or_falls_back_on_the_status() {
        // (why this row exists, status, body, message)
        let table = [
            (
                "as documented",
                400,
                r#"{"error":{"message":"name is too long"}}"#,
                "name is too long",
            ),
            (
                "more than documented",
                403,
                r#" {"id":1,"error":{"code":7,"message":"expired"}}"#,
                "expired",
            ),
            ("no error", 400, r#"{"success":false}"#, ""),
            ("null", 400, r#"{"error":null}"#, ""),
            ("no message", 400, r#"{"error":{}}"#, ""),
            (
                "a text",
                404,
                r#"{"error":"no such host"}"#,
                "404 Not Found",
            ),
            (
                "a message that is no text",
                500,
                r#"{"error":{"message":1}}"#,
                "500 Internal Server Error",
            ),
            ("a list", 400, r#"[{"message":"x"}]"#, "400 Bad Request"),
            ("a page of HTML", 502, "<html>…</html>", "502 Bad Gateway"),
            ("nothing", 503, "", "503 Service Unavailable"),
            ("cut", 429, r#"{"error":{"mess"#, "429 Too Many Requests"),
            ("a status of one's own", 599, "", "599"),
            (
                "lines, which the log escapes",
                400,
                r#"{"error":{"message":"a\nb\u001b"}}"#,
                "a\nb\u{1b}",
            ),
        ];
        for (why, status, body, expected) in table {
            assert_eq!(message(status, body), expected, "{why}");
        }
    }

    #[test]
    fn a_message_is_bounded() {
        let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(LENGTH + 1));
        assert_eq!(message(400, &long).chars().count(), LENGTH);
    }

    #[test]
    fn never_panics() {
        let good = r#"{"error":{"message":"a \"quoted\" \u00e9"}}"#;
        let survives = |body: &str| drop(message(400, body));
        (0..=good.len()).for_each(|end| survives(&good[..end]));
        for bad in [
            "\0",
            "{",
            "[[[[",
            "\"\\ud800\"",
            "{\"error\":{\"message\":\"\\",
        ] {
            survives(bad);
        }
    }
}
