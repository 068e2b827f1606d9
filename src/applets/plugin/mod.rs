//! Metric plugins: each adds values to those that are printed.

pub(super) mod conntrack;
pub(super) mod docker;
pub(super) mod inode;
pub(super) mod linux;
pub(super) mod mmc_wear;
pub(super) mod multicore;
pub(super) mod pressure;
pub(super) mod proc_fd;
pub(super) mod raspberrypi;
pub(super) mod temperature;
pub(super) mod uptime;
pub(super) mod wifi;
