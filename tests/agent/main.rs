//! The built binary from outside: what goes over the wire, how it ends, the words that matter.
//!
//! `AGENT_BIN` is the binary to test if not the one just built, `AGENT_RUNNER` what to put before
//! it, e.g. `qemu-arm-static -cpu arm1176`. Tests that wait long by their nature are named `slow_`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the doors are the agent's; a failed expectation is a panic here"
)]

mod fuse;
mod kin;
mod process;
mod sandbox;

mod cloud;
mod config;
mod configtest;
mod growth;
mod health;
mod help;
mod hosts;
mod hung;
mod image;
mod init;
mod install;
mod keys;
mod limits;
mod log;
mod notify;
mod once;
mod orphans;
mod outage;
mod plugins;
mod post;
mod register;
mod reload;
mod resolver;
mod retire;
mod sidecar;
mod signals;
mod spool;
mod strange;
mod supervise;
mod tls;
mod traps;
mod upgrade;
