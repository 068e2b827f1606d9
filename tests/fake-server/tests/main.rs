//! The fake server itself, driven by a client that takes nothing for granted.

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
