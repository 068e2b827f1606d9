//! `check-memory`: memory that programs can still get. The official set has no such check.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::limit;
use crate::base::packed::packed;
use crate::base::report;
use crate::parse::meminfo::{self, Meminfo};

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-memory",
    help: packed!(
        "check the available memory
  -w, --warning=N|N%        WARNING if less than N bytes or N% are available;
                            N may end with K, M or G
  -c, --critical=N|N%       CRITICAL if less than N bytes or N% are available
"
    ),
    work: Work::Check("Memory", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let memory = meminfo(host)?;
    let older = || {
        let cached = memory.buffers_bytes?.checked_add(memory.cached_bytes?)?;
        memory.free_bytes?.checked_add(cached)
    };
    let available = match memory.tells_available {
        true => memory.available_bytes,
        false => older(),
    };
    match (memory.total_bytes, available) {
        (Some(total @ 1..), Some(available)) => {
            limit::judged(arguments, total, available.min(total))
        }
        _ => Err(incomplete(&memory)),
    }
}

/// The host's memory.
pub(super) fn meminfo(host: &Host<'_>) -> Result<Meminfo, Failure> {
    let parsed = meminfo::parse(&host.text("/proc/meminfo")?);
    parsed.map_err(|error| Failure::of(&error))
}

/// Why `/proc/meminfo` lacks what is needed.
pub(super) fn incomplete(memory: &Meminfo) -> Failure {
    let damage = memory.damage.as_ref();
    let why = damage.map(|damage| report(damage));
    Failure::unknown(why.unwrap_or_else(|| "/proc/meminfo: impossible numbers".to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_memory_compares_what_is_available() {
        let tree = Tree::new(&[(
            "proc/meminfo",
            "MemTotal: 1024000 kB\nMemFree: 100 kB\nMemAvailable: 256000 kB\nBuffers: 1 kB\n",
        )]);
        let text = "Total: 1000.00 MB, Used: 750.00 MB, Available: 250.00 MB, \
            Available percentage: 25.00\n";
        // (arguments, exit code, status)
        let table = [
            ("", 0, "OK"),
            ("-w 25%", 0, "OK"),
            ("-w 25.1%", 1, "WARNING"),
            ("-w 250M", 0, "OK"),
            ("-w 251M", 1, "WARNING"),
            ("-w 1G -c 262144001", 2, "CRITICAL"),
            ("--warning=262144000 --critical=1K", 0, "OK"),
        ];
        for (arguments, code, status) in table {
            let expected = format!("Memory {status}: {text}");
            let found = tree.run("check-memory", arguments);
            assert_eq!(found, said(code, &expected), "{arguments}");
        }
        let wrong = "Memory UNKNOWN: --warning: 1X; write a number, NK, NM, NG or N%\n";
        assert_eq!(tree.run("check-memory", "-w 1X"), said(3, wrong));
    }

    #[test]
    fn check_memory_of_hosts() {
        // (host, what is printed)
        let table = [
            (
                "pi-1/t0",
                "OK: Total: 432.98 MB, Used: 109.54 MB, \
                 Available: 323.45 MB, Available percentage: 74.70",
            ),
            (
                "pi-4/t0",
                "OK: Total: 3793.38 MB, Used: 369.81 MB, \
                 Available: 3423.56 MB, Available percentage: 90.25",
            ),
            (
                "openvz/t0",
                "OK: Total: 512.00 MB, Used: 70.19 MB, \
                 Available: 441.81 MB, Available percentage: 86.29",
            ),
            (
                "kernel-2.6.32-kvm/t0",
                "OK: Total: 996.27 MB, Used: 239.04 MB, \
                 Available: 757.22 MB, Available percentage: 76.01",
            ),
            (
                "lxc-lxcfs/t0",
                "OK: Total: 2048.00 MB, Used: 142.52 MB, \
                 Available: 1905.48 MB, Available percentage: 93.04",
            ),
            (
                "damaged/text",
                "UNKNOWN: /proc/meminfo: no MemTotal line in \"\"",
            ),
        ];
        for (host, expected) in table {
            let found = Tree::recorded(host).run("check-memory", "-w 10% -c 5%");
            assert_eq!(found.output, format!("Memory {expected}\n"), "{host}");
        }
    }
}
