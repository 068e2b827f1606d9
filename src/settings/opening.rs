//! Writes an API key into the text of a configuration file.

use std::path::Path;

use super::load::told;
use crate::config::{Config, opening};

/// What some editors put before everything else.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What the file at `path`, which holds `old`, is to hold so that it gives the key, and the address
/// of the API unless that is empty. Fails if it would be no configuration then.
pub(crate) fn with_key(
    path: &Path,
    old: &[u8],
    key: &str,
    apibase: &str,
) -> Result<Vec<u8>, String> {
    let new = with_opening(old, &opening(key, apibase));
    // What the agent could not read is not to be left behind.
    match Config::default().read(&new) {
        Ok(_) => Ok(new),
        Err(error) => {
            let place = path.display().to_string();
            let problems: Vec<String> = told(&place, &error).collect();
            Err(format!(
                "{place} would not be a configuration: {}",
                problems.join("\n")
            ))
        }
    }
}

/// `opening`, and then what the file held before, byte for byte.
fn with_opening(old: &[u8], opening: &str) -> Vec<u8> {
    let (mark, rest) = match old.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (BYTE_ORDER_MARK, rest),
        None => (&[][..], old),
    };
    [mark, opening.as_bytes(), rest].concat()
}
