//! All settings: one table, and everything that is derived from it.
//!
//! A setting is a field of [`Config`](crate::config::Config) and a row of the table (`table.rs`, for
//! tables that may be repeated `table/plugin.rs` and `table/outputs.rs`). A row holds the key, the
//! type of the value and its field, the flag, the effect of a reload, and the description. Derived
//! from the rows are:
//!
//! - `file.rs`, `plugin.rs`, `outputs.rs` and `pairs.rs`: the decoder of the file. It walks the TOML
//!   (`config/walk.rs`) and stores each value by the [`Kind`](kind::Kind) of its row.
//! - `environment.rs` and `otel.rs`: the variables. The same kinds store their values.
//! - `overlay.rs`: the flags, which win over both.
//! - `unknown_keys.rs`: suggestions for keys that no row has.
//! - `restart.rs`: which changes a running agent applies, and which need a restart.
//! - `reference.rs` (tests only): `docs/configuration.md` and the sample
//!   `packaging/mackerel-agent.conf`. They are files of the repository. The tests fail if they
//!   differ from the table, and write them if `BLESS` is set. Descriptions are compiled into the
//!   tests only, and `install` contains the sample.
//!
//! The other half reads the host. `load` reads the configuration file and the files that it
//! includes. `resolve` applies the environment and the flags, and finds the API key (`key`), the
//! secrets of the other outputs (`secrets`) and the custom identifier (`identity`). It also collects
//! everything that is wrong. `configtest` prints the result, and `reload` accepts a new
//! configuration only if nothing is wrong. `connection` and `apply` turn a `Config` into what a
//! process needs: the connection to the API, the log level, the pid file, the state directory.

pub(crate) mod apply;
pub(crate) mod child;
mod command;
pub(crate) mod configtest;
pub(crate) mod connection;
mod draft;
mod environment;
mod file;
mod identity;
pub(crate) mod key;
mod kind;
pub(crate) mod load;
pub(crate) mod opening;
pub(crate) mod organizations;
mod otel;
mod outputs;
mod overlay;
mod pairs;
mod plugin;
#[cfg(test)]
pub(crate) mod reference;
pub(crate) mod reload;
pub(crate) mod resolve;
mod restart;
mod row;
mod secrets;
mod table;
mod unknown_keys;

pub(crate) use configtest::configtest;

pub(crate) use environment::Variables;
pub(crate) use restart::as_far_as_possible;
