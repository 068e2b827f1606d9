//! Keys, hostile input, and traps among the files.

mod keys;
mod limits;
mod relro;
mod traps;
