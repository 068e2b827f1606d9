//! `cpu`: one object per logical CPU, from `/proc/cpuinfo` and `/sys`.

use super::DescribeError;
use crate::base::{self, Failures};
use crate::parse::cpuinfo;
use crate::sys::root::Root;
use crate::wire::host::Cpu;

/// In kHz. Some kernels write Hz in the file; higher values are taken as Hz.
const HIGHEST_KHZ: u64 = 9_999_000;

/// The host's logical CPUs, in the kernel's order.
///
/// If `/proc/cpuinfo` has no core id, that of the topology in `/sys` is used. The CPU's maximum
/// frequency is used if known, otherwise its current frequency. Fails if `/proc/cpuinfo` cannot be
/// read or parsed.
pub(super) fn cpus(root: &Root, failures: &mut Failures) -> Result<Vec<Cpu>, DescribeError> {
    let (mut buffer, mut line) = (Vec::new(), Vec::new());
    let (text, cut) = root.table("/proc/cpuinfo", &mut buffer)?;
    failures.extend(cut.map(|error| ("cpu", base::report(&error))));
    let described = |cpu: &cpuinfo::Cpu<'_>| {
        let mut attribute = |name: &str| -> Option<String> {
            let path = format!("/sys/devices/system/cpu/cpu{}/{name}", cpu.number);
            let text = root.text(path, &mut line).ok()?;
            Some(text.lines().next()?.trim().to_owned())
        };
        let core_id = match cpu.core_id {
            "" => attribute("topology/core_id").unwrap_or_default(),
            id => id.to_owned(),
        };
        let highest = attribute("cpufreq/cpuinfo_max_freq").and_then(|khz| khz.parse().ok());
        Cpu {
            cache_size: format!("{} KB", cpu.cache_kib),
            core_id,
            cores: "1",
            family: cpu.family.to_owned(),
            mhz: highest.map_or_else(|| cpu.mhz.to_owned(), mhz),
            model: cpu.model.to_owned(),
            model_name: cpu.model_name.to_owned(),
            physical_id: cpu.physical_id.to_owned(),
            stepping: cpu.stepping.to_string(),
            vendor_id: cpu.vendor_id.to_owned(),
        }
    };
    Ok(cpuinfo::parse(&text)?.iter().map(described).collect())
}

/// A frequency in MHz, without trailing zeros.
fn mhz(khz: u64) -> String {
    let text = match khz {
        0..=HIGHEST_KHZ => format!("{}.{:03}", khz / 1000, khz % 1000),
        hz => format!("{}.{:06}", hz / 1_000_000, hz % 1_000_000),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_the_cpus_of_every_architecture() {
        // (fixture, number of CPUs, the last one: vendor, family, model, name, stepping, cache,
        // package, core, MHz)
        let table = [
            (
                "two-core",
                2,
                "GenuineIntel|6|85|Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz|4|33792 KB|0|1|2499.99",
            ),
            ("pi-zero-w", 1, "ARM||0xb76|ARM1176|7|0 KB||0|1000"),
            ("pi-3", 4, "ARM||0xd03|Cortex-A53|4|0 KB||3|1200"),
            ("pi-4", 4, "ARM||0xd08|Cortex-A72|3|0 KB||3|1500"),
            // This kernel prints the lines for all cores once, after the last core.
            ("arm-kernel-3.0", 2, "ARM||0xc09|Cortex-A9|10|0 KB|||0"),
            ("s390x", 2, "|||S390|0|0 KB|2|1|5200"),
            (
                "power9",
                2,
                "IBM|POWER|IBM pSeries (emulated by qemu)|POWER9 (architected), altivec supported|2|0 KB||8|2200",
            ),
            (
                "riscv64",
                2,
                "SiFive|0x8000000000000007|0x4210427|sifive,u74-mc|0|0 KB|2|1|1500",
            ),
        ];
        for (host, count, last) in table {
            let cpus = cpus(
                &Root::at(format!("tests/fixtures/{host}/t0")),
                &mut Failures::new(),
            )
            .unwrap();
            assert_eq!(cpus.len(), count, "{host}");
            let cpu = cpus.last().unwrap();
            let line = [
                &cpu.vendor_id,
                &cpu.family,
                &cpu.model,
                &cpu.model_name,
                &cpu.stepping,
                &cpu.cache_size,
                &cpu.physical_id,
                &cpu.core_id,
                &cpu.mhz,
            ];
            assert_eq!(line.map(String::as_str).join("|"), last, "{host}");
            assert!(cpus.iter().all(|cpu| cpu.cores == "1"), "{host}");
        }
    }

    #[test]
    fn cpu_list_is_empty_if_the_kernel_numbers_no_cpu() {
        let root = Root::at("tests/fixtures/arm-one-core-kernel-2.6/t0");
        assert_eq!(cpus(&root, &mut Failures::new()).unwrap(), []);
    }

    #[test]
    fn missing_file_is_an_error() {
        assert!(cpus(&Root::at("tests/fixtures/debian/t0"), &mut Failures::new()).is_err());
    }

    #[test]
    fn writes_frequencies_as_short_as_can_be() {
        let table = [
            (0, "0"),
            (600_000, "600"),
            (2_596_118, "2596.118"),
            (2_596_010, "2596.01"),
            (1, "0.001"),
            (9_999_000, "9999"),
            (9_999_001, "9.999001"),
            (1_500_000_000, "1500"),
            (1_512_500_000, "1512.5"),
        ];
        for (khz, expected) in table {
            assert_eq!(mhz(khz), expected, "{khz}");
        }
    }
}
