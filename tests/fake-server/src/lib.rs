//! A server that implements Mackerel's API v0 as far as an agent uses it, over HTTP and TLS, with
//! faults on demand.
//!
//! It is a program (`cargo run -p fake-server`), and the server for tests of the agent's parts and
//! of the built program. The crate is for tests alone.
//!
//! [`FakeServer`] answers as the API does. [`steps`] is a server that follows a list of bytes, for
//! tests of HTTP and TLS below the API. [`h2`] speaks gRPC over HTTP/2, by the rules or against
//! them. Unlike the agent, the servers keep one state behind one lock: tests read it from outside,
//! at any time.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "side effects are restricted in the agent alone; a failed expectation is a panic here"
)]

pub mod h2;
mod require;
pub mod steps;

mod api;
mod connection;
mod document;
mod http;
mod link;
mod model;
mod otlp;
mod print;
mod record;
mod script;
mod server;
mod shared;
mod table;
mod tls;
mod values;

pub use self::{
    http::{Answer, Request},
    model::{Host, Model},
    otlp::{points, times},
    print::Printer,
    record::Recorder,
    require::{is_ci, skip},
    script::{Act, Fault, Rule},
    server::{FakeServer, KEY, Settings},
    shared::{Counts, Door, Seen},
    tls::{Flaw, KeyKind},
};
