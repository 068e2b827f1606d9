//! Starts the program and maps its outcome to an exit code.
#![allow(
    dead_code,
    reason = "the skeleton: removed with the first working round"
)]

mod base;
mod cli;
mod collect;
mod config;
mod describe;
mod parse;
mod run;
mod sys;
mod wire;

fn main() {}
