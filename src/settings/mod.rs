//! The settings there are: one table, and everything that is derived from it.
//!
//! A setting is a field of [`Config`](crate::config::Config) and a row of the table (`table.rs`, for
//! plugins `table/plugin.rs`). A row says the key, what a value looks like and where it is stored,
//! the flag, what a reload does, and the description. Derived from the rows are:
//!
//! - `file.rs` and `plugin.rs`: the decoder of the file. It walks the TOML (`config/walk.rs`) and
//!   stores each value by the [`Kind`](kind::Kind) of its row.
//! - `environment.rs`: the variables. The same kinds store their values.
//! - `overlay.rs`: the flags, which win over both.
//! - `unknown_keys.rs`: what was probably meant by a key that no row has.
//! - `restart.rs`: which changes a running agent takes over, and which need a restart.
//! - `reference.rs` (tests only): `docs/configuration.md` and the sample
//!   `packaging/mackerel-agent.conf`. They are files of the repository; the test fails when they
//!   differ from the table, and writes them if `BLESS` is set. Descriptions are compiled into the
//!   tests only, and `install` carries the sample.
//!
//! The other half reads the host: `load` reads the configuration file and those that it includes,
//! `resolve` puts the environment and the flags over it, finds the API key (`key`) and what the host
//! is known by (`identity`), and collects everything that is wrong. `configtest` prints that, and
//! `reload` accepts a new configuration only without it. `connection` and `apply` turn a `Config`
//! into what a process needs: the link to the API, the log level, the pid file, the state directory.

pub(crate) mod apply;
pub(crate) mod child;
mod command;
pub(crate) mod configtest;
pub(crate) mod connection;
mod environment;
mod file;
mod identity;
pub(crate) mod key;
mod kind;
pub(crate) mod load;
pub(crate) mod opening;
mod overlay;
mod plugin;
#[cfg(test)]
mod reference;
pub(crate) mod reload;
pub(crate) mod resolve;
mod restart;
mod row;
mod table;
pub(crate) mod tags;
mod unknown_keys;

pub(crate) use configtest::configtest;

pub(crate) use environment::Variables;
#[cfg(test)]
pub(crate) use reference::flags;
pub(crate) use restart::as_far_as_possible;
