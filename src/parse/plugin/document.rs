//! The JSON document printed by a metadata plugin.

use std::error::Error;
use std::fmt::{self, Write};

use crate::base::json::{Json, JsonError};

/// Maximum size of a document in the API, in bytes.
const LIMIT: usize = 100 << 10;

/// The JSON value in a plugin's output, serialised again, so that documents with equal values are
/// equal texts.
///
/// Fails if there is no value, or more than one, or if the text is larger than the API's limit.
pub(crate) fn document(stdout: &[u8]) -> Result<String, DocumentError> {
    let value = Json::parse(&String::from_utf8_lossy(stdout)).map_err(DocumentError::Json)?;
    let mut document = Document {
        text: String::new(),
        bytes: 0,
    };
    // Writing to memory cannot fail.
    let _ = write!(document, "{value}");
    match document.bytes {
        ..=LIMIT => Ok(document.text),
        bytes => Err(DocumentError::TooLarge(bytes)),
    }
}

/// A writer that stores at most [`LIMIT`] bytes. Escaping can make a text six times as long as the
/// plugin's output.
struct Document {
    text: String,
    /// Length of the whole document.
    bytes: usize,
}

impl fmt::Write for Document {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes += text.len();
        if self.bytes <= LIMIT {
            self.text.push_str(text);
        }
        Ok(())
    }
}

/// Reasons why there is no document.
#[derive(Debug)]
pub(crate) enum DocumentError {
    Json(JsonError),
    /// The size of the document in bytes; it exceeds [`LIMIT`].
    TooLarge(usize),
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DocumentError::Json(_) => f.write_str("not one JSON value"),
            DocumentError::TooLarge(bytes) => {
                write!(f, "{bytes} bytes, and the API takes {LIMIT}")
            }
        }
    }
}

impl Error for DocumentError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DocumentError::Json(error) => Some(error),
            DocumentError::TooLarge(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn metadata_that_is_escaped_is_held_as_far_as_the_api_takes_it() {
        // Each of these characters is escaped as six.
        let printed = format!("\"{}\"", "<".repeat(1 << 20));
        let error = document(printed.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} bytes, and the API takes {LIMIT}", (6 << 20) + 2)
        );
        let fits = format!("\"{}\"", "<".repeat((LIMIT - 2) / 6));
        assert_eq!(
            document(fits.as_bytes()).unwrap().len(),
            (LIMIT - 2) / 6 * 6 + 2
        );
    }

    #[test]
    fn a_document_is_one_value_of_any_kind() {
        let table = [
            ("{}", "{}"),
            ("\"foobar\"\n", "\"foobar\""),
            ("262144", "262144"),
            ("true", "true"),
            ("null", "null"),
            (
                " {\"b\":[1e3,{}],\n\"a\":\"<\"}\n",
                "{\"a\":\"\\u003c\",\"b\":[1000,{}]}",
            ),
        ];
        for (stdout, expected) in table {
            assert_eq!(document(stdout.as_bytes()).unwrap(), expected);
        }
        assert_eq!(document(b"\"\xff\"").unwrap(), "\"\u{fffd}\"");
        for stdout in [
            "foobar",
            "{\"example\": metadata\"}",
            "",
            "\n",
            "{}{}",
            "1 2",
        ] {
            let error = document(stdout.as_bytes()).unwrap_err();
            assert!(
                base::report(&error).starts_with("not one JSON value: "),
                "{stdout}"
            );
        }
    }

    #[test]
    fn document_limit_applies_to_the_serialised_text() {
        let text = |length: usize| format!("  \"{}\"  \n", "x".repeat(length));
        assert!(document(text(LIMIT - 2).as_bytes()).is_ok());
        let error = document(text(LIMIT - 1).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "102401 bytes, and the API takes 102400");
        // The length after escaping counts.
        assert!(document(format!("\"{}\"", "<".repeat(LIMIT / 6 + 1)).as_bytes()).is_err());
    }
}
