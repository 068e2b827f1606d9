//! Renderer for Mackerel's API: gauges of a round, and rates and shares from its counters and those
//! of the previous round. Names and units are those of the Go agent. One file per group.

pub(crate) mod agent;
pub(crate) mod container;
#[cfg(test)]
mod counters;
mod cpu;
mod disk;
mod filesystem;
#[cfg(test)]
mod gauges;
mod interface;
mod loadavg;
mod memory;
mod rates;
#[cfg(test)]
mod testing;

use crate::base::values::Values;
use crate::collect::readings::Readings;
use crate::config::Config;

/// Renders readings as values, and caches metric names.
pub(crate) struct Mackerel {
    interface: interface::InterfaceRates,
    disk: disk::DiskRates,
    filesystem: filesystem::FilesystemValues,
}

impl Mackerel {
    /// Takes the patterns and the naming from `config`.
    pub(crate) fn new(config: &Config) -> Mackerel {
        Mackerel {
            interface: interface::InterfaceRates::new(config.interfaces_ignore.clone()),
            disk: disk::DiskRates::new(
                config.disks_ignore.clone(),
                config.filesystems.use_mountpoint,
            ),
            filesystem: filesystem::FilesystemValues::new(config.filesystems.use_mountpoint),
        }
    }

    /// The values of the round `now`. Rates are those since `before`; a group missing from either
    /// round has none. `expected` is the number of values for which memory is allocated at the
    /// start.
    pub(crate) fn values(&mut self, before: &Readings, now: &Readings, expected: usize) -> Values {
        let mut out = Values::with_capacity(expected);
        loadavg::put(&mut out, now.load);
        if let (Some(before), Some(now)) = (&before.cpu, &now.cpu) {
            cpu::put(&mut out, before, now);
        }
        if let Some(now) = &now.memory {
            memory::put(&mut out, now);
        }
        if let (Some(before), Some(now)) = (&before.interfaces, &now.interfaces) {
            self.interface.put(&mut out, before, now);
        }
        if let (Some(before), Some(disks)) = (&before.disks, &now.disks) {
            self.disk
                .put(&mut out, before, disks, now.filesystems.as_ref());
        }
        if let Some(now) = &now.filesystems {
            self.filesystem.put(&mut out, now);
        }
        agent::put(&mut out, before, now);
        if let Some(now) = &now.containers {
            container::put(&mut out, before.containers.as_ref(), now);
        }
        out
    }
}

/// `share`, capped at `whole`. It may slightly exceed the whole, because the readings are taken at
/// different moments. `None` if it is more than twice the whole: a counter has jumped.
fn within(share: f64, whole: f64) -> Option<f64> {
    (share <= 2.0 * whole).then(|| share.min(whole))
}
