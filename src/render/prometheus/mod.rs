//! Kernel files as Prometheus text, under the names of node_exporter. One function per file; each
//! takes the text of the file and appends families to an [`Exposition`]. Nothing is computed that
//! a query can compute.
//!
//! Names, kinds and scales are those of node_exporter 1.12. `docs/prometheus.md` lists the
//! differences.

mod agent;
mod cpu;
mod devices;
mod exposition;
mod filesystem;
mod lists;
#[cfg(test)]
mod tests;

pub(crate) use agent::{AgentState, agent, custom};
pub(crate) use cpu::Cpus;
pub(crate) use devices::{disks, interface_names, interfaces, interfaces_up};
pub(crate) use exposition::Exposition;
pub(crate) use filesystem::{Mounted, filesystems, is_exposed};
pub(crate) use lists::{collectors, load, memory, open_files, pressure, time, uname, vmstat};

/// Type of an HTTP answer that holds an exposition. Prometheus 3 refuses a target without it.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
