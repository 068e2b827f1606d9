//! The decoder against RFC 7541 and another encoder; the connection against frames of a server.

mod connection;
mod examples;
mod random;

/// The bytes of hexadecimal digits; blanks count for nothing.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}
