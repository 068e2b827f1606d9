//! HTTP/2 (RFC 9113), the client's side, for one exchange at a time: bytes in, bytes out.
//!
//! [`Connection`] does no input or output and has no clock. Its owner writes what
//! [`Connection::take_output`] returns, passes what it has read to [`Connection::receive`], and
//! bounds every wait. The table of `size-report.md` gives its price beside that of a crate.
//!
//! Requests are encoded without any table: each field is a literal that is never indexed, so that
//! no secret is kept by either side (RFC 7541, 7.1.3). Answers may use everything that HPACK has.

mod connection;
mod frame;
pub(crate) mod hpack;
mod huffman;
#[cfg(test)]
mod tests;

pub(crate) use connection::{Answer, Connection, Outcome};
pub(crate) use hpack::Field;
