//! Tests of the fake server, by a client that assumes nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the doors are the agent's; a failed expectation is a panic here"
)]

mod client;
mod door;
mod endpoints;
mod faults;
mod print;
mod reports;
mod tls;
mod values;
