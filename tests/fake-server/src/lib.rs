//! A server that speaks Mackerel's API v0 as far as an agent uses it, over HTTP and real TLS, and
//! that fails on demand. A program of its own (`cargo run --example standin`) and the other side of
//! the agent's tests.
//!
//! Unlike the agent it keeps one state behind one lock: tests look at it from outside, at any time.

#![allow(
    dead_code,
    reason = "each of the programs that share this module uses a part of it"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the doors are the agent's; a failed expectation is a panic here"
)]

mod api;
mod connection;
mod document;
mod http;
mod link;
mod model;
mod print;
mod script;
mod server;
mod shared;
mod table;
mod tls;
mod values;

#[allow(
    unused_imports,
    reason = "each of the programs that share this module uses a part of it"
)]
pub(crate) use self::{
    http::{Answer, Request},
    model::{Host, Model},
    print::Printer,
    script::{Act, Fault, Rule},
    server::{KEY, Settings, Standin},
    shared::{Counts, Door, Seen},
    tls::Flaw,
};
