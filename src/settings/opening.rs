//! Writes an API key into the text of a configuration file.

use std::path::Path;

use super::load::told;
use crate::config::{Config, opening};

/// The byte order mark with which some editors begin a file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The new content of the file at `path`: the lines for `key` and, unless it is empty, `apibase`,
/// and then `old`, the old content. Fails if the new content is not a valid configuration.
pub(crate) fn with_key(
    path: &Path,
    old: &[u8],
    key: &str,
    apibase: &str,
) -> Result<Vec<u8>, String> {
    let new = with_opening(old, &opening(key, apibase));
    // The agent must be able to read the file that is written.
    match Config::default().read(&new) {
        Ok(_) => Ok(new),
        Err(error) => {
            let place = path.display().to_string();
            let problems = told(&place, &error);
            Err(format!(
                "{place} would not be a configuration: {}",
                problems.join("\n")
            ))
        }
    }
}

/// `opening` and then `old`, byte for byte. A byte order mark stays at the beginning.
fn with_opening(old: &[u8], opening: &str) -> Vec<u8> {
    let (mark, rest) = match old.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => (&[][..], old),
    };
    [mark, opening.as_bytes(), rest].concat()
}
