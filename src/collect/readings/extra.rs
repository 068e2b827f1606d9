//! Readings that only OTLP destinations receive, and which of them are wanted.

use crate::config::{Config, Families};
use crate::parse::diskstats::NUMBERS;
use crate::parse::stat::GUEST;
use crate::parse::vmstat::Paging;

/// A set of readings: those that one of the OTLP destinations receives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted(u8);

impl Wanted {
    /// What every destination receives.
    const BASE: Wanted = Wanted(1);
    /// CPU time of each core.
    pub(crate) const PER_CPU: Wanted = Wanted(2);
    /// Packets, errors and drops of interfaces.
    pub(crate) const TRAFFIC: Wanted = Wanted(4);
    /// `/proc/vmstat`.
    pub(crate) const PAGING: Wanted = Wanted(8);

    /// What the destinations of `config` receive together; nothing without destinations.
    pub(crate) fn of(config: &Config) -> Wanted {
        let mut wanted = Wanted(0);
        for otlp in &config.otlp {
            let has_any = |families: &[Families]| {
                families.iter().any(|family| otlp.metrics.contains(*family))
            };
            let traffic = [
                Families::NETWORK_PACKETS,
                Families::NETWORK_ERRORS,
                Families::NETWORK_DROPPED,
            ];
            let paging = [Families::PAGING_FAULTS, Families::PAGING_OPERATIONS];
            for (part, is_wanted) in [
                (Wanted::BASE, true),
                (Wanted::PER_CPU, otlp.per_cpu),
                (Wanted::TRAFFIC, has_any(&traffic)),
                (Wanted::PAGING, has_any(&paging)),
            ] {
                if is_wanted {
                    wanted.0 |= part.0;
                }
            }
        }
        wanted
    }

    /// Room for the readings; `None` if none are wanted.
    pub(crate) fn room(self) -> Option<Box<Extra>> {
        (self.0 != 0).then(|| {
            Box::new(Extra {
                wanted: self,
                ..Extra::default()
            })
        })
    }
}

/// Readings that only OTLP destinations receive. What was not wanted or could not be read is empty.
#[derive(Default)]
pub(crate) struct Extra {
    wanted: Wanted,
    pub(crate) cpus: Vec<CpuTicks>,
    /// Bytes of the kernel's objects that can be freed, and of those that cannot.
    pub(crate) slab_bytes: [Option<u64>; 2],
    pub(crate) swaps: Vec<SwapUsage>,
    /// For each disk of [`super::Readings::disks`], in its order.
    pub(crate) disks: Vec<[u64; NUMBERS]>,
    /// For each interface of [`super::Readings::interfaces`], in its order: packets, errors and
    /// drops received, then those sent.
    pub(crate) interfaces: Vec<[u64; 6]>,
    pub(crate) paging: Paging,
}

impl Extra {
    /// Whether `part` is wanted.
    pub(crate) fn wants(&self, part: Wanted) -> bool {
        self.wanted.0 & part.0 != 0
    }
}

/// CPU time of one core since boot.
pub(crate) struct CpuTicks {
    /// `cpu0` and so on.
    pub(crate) name: Box<str>,
    /// By [`crate::parse::stat::STATES`] before `guest`, which `user` contains.
    pub(crate) ticks: [Option<u64>; GUEST],
}

/// A device or file used for swapping.
pub(crate) struct SwapUsage {
    pub(crate) device: Box<str>,
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Otlp;

    #[test]
    fn wanted_is_the_union_of_all_destinations() {
        let plain = Otlp::default();
        let per_cpu = Otlp {
            per_cpu: true,
            ..Otlp::default()
        };
        let of = |metrics| Otlp {
            metrics,
            ..Otlp::default()
        };
        // (destinations, bits)
        let table: [(Vec<Otlp>, u8); 6] = [
            (vec![], 0),
            (vec![plain.clone()], 1),
            (vec![plain, per_cpu.clone()], 3),
            (vec![of(Families::NETWORK_ERRORS)], 5),
            (vec![of(Families::PAGING_FAULTS), per_cpu], 11),
            // Their columns are in what every destination receives.
            (
                vec![of(Families::DISK_MERGED), of(Families::FILESYSTEM_INODES)],
                1,
            ),
        ];
        for (otlp, bits) in table {
            let config = Config {
                otlp,
                ..Config::default()
            };
            assert_eq!(Wanted::of(&config), Wanted(bits));
            assert_eq!(Wanted(bits).room().is_some(), bits != 0);
        }
    }
}
