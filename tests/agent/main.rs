//! Tests of the built binary from outside: requests, exit codes, and important messages.
//!
//! `AGENT_BIN` is the binary to test; without it, the one just built. `AGENT_RUNNER` is put before
//! it, e.g. `qemu-arm-static -cpu arm1176`. Tests that take long by their nature are named `slow_`;
//! `make test-slow` runs them.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the doors are the agent's; a failed expectation is a panic here"
)]

#[macro_use]
extern crate fake_server;

mod fuse;
mod process;
mod process_tree;
mod sandbox;

mod config;
mod container;
mod delivery;
mod diagnose;
mod host;
mod network;
mod packages;
mod plugins;
mod security;
mod service;
