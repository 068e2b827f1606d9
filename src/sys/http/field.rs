//! Which headers a configuration can add to requests.

use super::error::SetupError;

/// The name of the header in lower case. `at` is its position, from 0.
///
/// Fails on a header that the client itself sets, or that cannot be sent.
pub(super) fn checked(at: usize, name: &str, value: &str) -> Result<String, SetupError> {
    let name = name.to_ascii_lowercase();
    let wrong = if !is_name(&name) {
        "its name has a character that no name of a header can have"
    } else if is_reserved(&name) {
        "the client itself sets this one, or HTTP/2 has none such"
    } else if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        "its value has a character other than those of printable ASCII"
    } else {
        return Ok(name);
    };
    // A name that is none may be a secret out of place.
    let what = if is_name(&name) {
        name
    } else {
        (at + 1).to_string()
    };
    let what = format!("header {what}");
    Err(SetupError::Metadata { what, wrong })
}

/// Whether this can be the name of a header (RFC 9110, 5.6.2), in lower case.
fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_good)
}

fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    name.starts_with("grpc-") || NAMES.contains(&name)
}
