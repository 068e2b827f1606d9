//! Encodes values that are not UTF-8 for argh, which accepts only `&str`. File names on Linux may
//! contain any byte but NUL.
//!
//! A byte that is not UTF-8 is encoded as NUL and the character with the byte's number. This is
//! reversible, because no word of a command line contains NUL.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// `value` as text, unchanged if it is UTF-8.
pub(super) fn encode(value: &OsStr) -> Cow<'_, str> {
    if let Some(text) = value.to_str() {
        return text.into();
    }
    let mut text = String::new();
    for chunk in value.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.extend(['\0', char::from(*byte)]);
        }
    }
    text.into()
}

/// The original value of a text from [`encode`]. Never fails; argh requires a `Result`.
pub(super) fn os_string(text: &str) -> Result<OsString, String> {
    let mut bytes = Vec::with_capacity(text.len());
    for (at, part) in text.split('\0').enumerate() {
        let mut rest = part.chars();
        if at > 0 {
            bytes.extend(rest.next().and_then(|byte| u8::try_from(byte).ok()));
        }
        bytes.extend(rest.as_str().as_bytes());
    }
    Ok(OsString::from_vec(bytes))
}

/// [`os_string`], as a path.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    os_string(text).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back_as_they_were() {
        let table: [&[u8]; 7] = [
            b"",
            b"/etc/x",
            "あ\u{ff}".as_bytes(),
            b"\xff",
            b"/a\xff\xfe/b\x80",
            b"\xe3\x81",
            "\u{e3}\u{81}x".as_bytes(),
        ];
        for bytes in table {
            let value = OsStr::from_bytes(bytes);
            assert_eq!(os_string(&encode(value)).unwrap(), value, "{bytes:?}");
        }
    }
}
