//! The head of an answer: the status line and the headers, up to the blank line.
//!
//! ureq refuses heads that other programs accept: folded headers, a space before a colon, more than
//! 128 headers, long headers. So ureq receives a short head that has only the headers in use.

use crate::sys::log::escaped;

/// Maximum size of an accepted head, in bytes.
pub(crate) const LIMIT: usize = 64 << 10;
/// Maximum size of all used headers together, in bytes. The rest of ureq's buffer is for the body.
const USED_LIMIT: usize = 8 << 10;
/// Maximum number of bytes of a line in an error.
const SHOWN: usize = 60;

/// The headers that ureq or the users of this module read. All others are dropped.
const USED: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "location",
    "retry-after",
    "transfer-encoding",
];

/// Length of the head in bytes, including the blank line; `None` if there is no blank line yet. The
/// search for the end of the blank line starts at `from`. Lines end with LF or CR LF.
pub(crate) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let ends = (from..bytes.len()).filter(|&at| bytes.get(at) == Some(&b'\n'));
    ends.map(|at| at + 1).find(|&end| {
        let before = bytes.get(..end - 1).unwrap_or_default();
        before
            .strip_suffix(b"\r")
            .unwrap_or(before)
            .ends_with(b"\n")
    })
}

/// Fails if `bytes` cannot be the start of an answer in HTTP/1. The error text shows the line.
pub(crate) fn begins(bytes: &[u8]) -> Result<(), String> {
    let expected = b"HTTP/1.";
    let length = bytes.len().min(expected.len());
    if bytes.get(..length) == expected.get(..length) {
        Ok(())
    } else {
        Err(format!(
            "the answer is no HTTP; it begins with {}",
            shown(bytes)
        ))
    }
}

/// The status code of a head; `None` if its first line is not a status line.
pub(crate) fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?.get(1..)?;
    let status = str::from_utf8(rest.get(..4)?).ok()?;
    status.strip_prefix(' ')?.parse().ok()
}

/// The head for ureq: the status line and the used headers, each on one line.
///
/// Fails on a line that is not a header. Also fails if a used header has a control character, or if
/// the used headers exceed [`USED_LIMIT`]. The error text shows the line.
pub(crate) fn plain(head: &[u8]) -> Result<Vec<u8>, String> {
    let mut lines = head
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii_end);
    let first = lines.next().unwrap_or_default();
    if status(first).is_none() {
        return Err(format!("status line not understood: {}", shown(first)));
    }
    let mut out = first.to_vec();
    // Whether the header that a folded line continues is used; `None` before the first header.
    let mut is_used = None;
    for line in lines.filter(|line| !line.is_empty()) {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            match is_used {
                Some(true) => {
                    out.push(b' ');
                    out.extend(line.trim_ascii_start());
                }
                Some(false) => {}
                None => return Err(format!("header without a name: {}", shown(line))),
            }
        } else {
            let Some(colon) = line.iter().position(|&byte| byte == b':') else {
                return Err(format!("header without a colon: {}", shown(line)));
            };
            let (name, value) = line.split_at(colon);
            let name = name.trim_ascii_end();
            let used = USED
                .iter()
                .find(|used| name.eq_ignore_ascii_case(used.as_bytes()));
            is_used = Some(used.is_some());
            if let Some(name) = used {
                out.extend_from_slice(b"\r\n");
                out.extend(name.as_bytes());
                out.extend(value);
            }
        }
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if is_used == Some(true) && line.iter().any(is_control) {
            return Err(format!("header with a control character: {}", shown(line)));
        }
        if out.len() > USED_LIMIT {
            return Err(format!("header is too long: {}", shown(line)));
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
    Ok(out)
}

/// Error text for a head longer than [`LIMIT`], with the line at which it exceeds the limit.
pub(crate) fn too_long(head: &[u8]) -> String {
    let last = head.split(|&byte| byte == b'\n').next_back();
    format!(
        "the headers are longer than {} kB; they reach that in the line {}",
        LIMIT >> 10,
        shown(last.unwrap_or_default())
    )
}

/// Start of a line, at most [`SHOWN`] bytes, in quotes, with control characters escaped.
fn shown(line: &[u8]) -> String {
    let start = line.get(..SHOWN).unwrap_or(line);
    let first = start
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let text = String::from_utf8_lossy(first.trim_ascii_end());
    format!("\"{}\"", escaped(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &str) -> String {
        match plain(head.as_bytes()) {
            Ok(plain) => String::from_utf8(plain).unwrap(),
            Err(error) => error,
        }
    }

    #[test]
    fn head_that_other_programs_accept_becomes_a_plain_one() {
        let many: String = (0..1000)
            .map(|number| format!("X-{number}: y\r\n"))
            .chain(["Content-Length: 2\r\n".to_owned()])
            .collect();
        let long = format!("X: {}\r\nContent-Length: 2\r\n", "y".repeat(60_000));
        let length = "content-length: 2\r\n";
        // (why this row exists, headers, the plain ones)
        let table = [
            ("none", "", ""),
            ("used", "Content-Length: 2\r\n", length),
            ("not used", "Server: x\r\nX: y\r\n", ""),
            (
                "space before the colon",
                "Content-Length : 2\r\n",
                "content-length: 2\r\n",
            ),
            (
                "tab before the colon",
                "Content-Length\t:2\r\n",
                "content-length:2\r\n",
            ),
            (
                "lines that end with LF",
                "Server: x\nContent-Length: 2\n",
                length,
            ),
            (
                "folded",
                "Location: /a\r\n  b\r\n\tc\r\n",
                "location: /a b c\r\n",
            ),
            (
                "folded at once",
                "Content-Length:\r\n 2\r\n",
                "content-length: 2\r\n",
            ),
            (
                "folded, and not used",
                "X: y\r\n z: 1\r\nContent-Length: 2\r\n",
                length,
            ),
            ("a thousand headers", &many, length),
            ("a long header", &long, length),
            ("no value", "Location:\r\n", "location:\r\n"),
            ("no name", ": x\r\nContent-Length: 2\r\n", length),
            (
                "a name that is none",
                "a b\x01c: x\r\nContent-Length: 2\r\n",
                length,
            ),
            ("not UTF-8", "X: \u{ff}\r\nContent-Length: 2\r\n", length),
            ("twice", "Date: a\r\nDate: b\r\n", "date: a\r\ndate: b\r\n"),
        ];
        for (why, headers, expected) in table {
            let head = told(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
            assert_eq!(head, format!("HTTP/1.1 200 OK\r\n{expected}\r\n"), "{why}");
        }
    }

    #[test]
    fn head_that_is_invalid_is_reported() {
        let long = format!("Location: /{}\r\n", "x".repeat(9 << 10));
        let begin = "x".repeat(49);
        let long_shown = format!("header is too long: \"Location: /{begin}\"");
        // (why this row exists, head, the error)
        let table = [
            (
                "no colon",
                "HTTP/1.1 200 OK\r\nhello\r\n",
                "header without a colon: \"hello\"",
            ),
            (
                "folded first",
                "HTTP/1.1 200 OK\r\n x: y\r\n",
                "header without a name: \" x: y\"",
            ),
            (
                "control character in a used header",
                "HTTP/1.1 200 OK\r\nLocation: a\x1b[2Jb\r\n",
                "header with a control character: \"Location: a\\u{1b}[2Jb\"",
            ),
            (
                "no status",
                "HTTP/1.1 OK\r\n",
                "status line not understood: \"HTTP/1.1 OK\"",
            ),
            (
                "a used header that is long",
                &format!("HTTP/1.1 200\r\n{long}"),
                &long_shown,
            ),
        ];
        for (why, head, expected) in table {
            assert_eq!(told(&format!("{head}\r\n")), expected, "{why}");
        }
        let much = format!(
            "HTTP/1.1 200 OK\r\nA: b\r\nSet-Cookie: {}",
            "x".repeat(LIMIT)
        );
        let expected =
            "the headers are longer than 64 kB; they reach that in the line \"Set-Cookie: x";
        assert!(too_long(much.as_bytes()).starts_with(expected));
    }

    #[test]
    fn head_ends_with_a_blank_line() {
        // (bytes, where it ends)
        let table: [(&[u8], Option<usize>); 8] = [
            (b"HTTP/1.1 200\r\n\r\nbody", Some(16)),
            (b"HTTP/1.1 200\n\nbody", Some(14)),
            (b"HTTP/1.1 200\r\n\n", Some(15)),
            (b"HTTP/1.1 200\n\r\n", Some(15)),
            (b"HTTP/1.1 200\r\n\r", None),
            (b"HTTP/1.1 200\r\nA: b\r\n", None),
            (b"HTTP/1.1 200\r\r\n", None),
            (b"", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(end(bytes, 0), expected, "{}", bytes.escape_ascii());
            // Part by part, as the bytes arrive.
            let mut seen = 0;
            let found = (0..=bytes.len()).find_map(|length| {
                let found = end(&bytes[..length], seen);
                seen = length.saturating_sub(1);
                found
            });
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn head_that_is_not_http_is_refused_at_once() {
        // (bytes, what is wrong)
        let table: [(&[u8], &str); 6] = [
            (b"", ""),
            (b"HT", ""),
            (b"HTTP/1.0 200", ""),
            (
                b"SSH-2.0-x\r\n",
                "the answer is no HTTP; it begins with \"SSH-2.0-x\"",
            ),
            (
                b"HTTP/2 200\r\n",
                "the answer is no HTTP; it begins with \"HTTP/2 200\"",
            ),
            (
                b"\x15\x03",
                "the answer is no HTTP; it begins with \"\\u{15}\\u{3}\"",
            ),
        ];
        for (bytes, expected) in table {
            assert_eq!(begins(bytes).err().unwrap_or_default(), expected);
        }
    }

    #[test]
    fn never_panics() {
        let good = "HTTP/1.1 200 OK\r\nDate : x\r\n y\r\nLocation: /\r\n\r\nbody";
        crate::parse::survives_damage(good, |text| {
            let bytes = text.as_bytes();
            drop(begins(bytes));
            if let Some(end) = end(bytes, 0) {
                drop(plain(&bytes[..end]));
            }
            drop(too_long(bytes));
        });
    }
}
