//! `check-swap`: free swap space. The official set has no such check.

use super::memory::{incomplete, meminfo};
use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::limit;
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-swap",
    help: packed!(
        "check the free swap space
  -w, --warning=N|N%        WARNING if less than N bytes or N% are free;
                            N may end with K, M or G
  -c, --critical=N|N%       CRITICAL if less than N bytes or N% are free
      --required            CRITICAL if the host has no swap; it is OK otherwise
"
    ),
    work: Work::Check("Swap", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let memory = meminfo(host)?;
    match (memory.swap_total_bytes, memory.swap_free_bytes) {
        (Some(0), _) => {
            let is_critical = arguments.is_on("required");
            let message = "no swap is configured".to_owned();
            Ok(Finding::of_limits(false, is_critical, message))
        }
        (Some(total), Some(free)) => limit::judged(arguments, total, free.min(total)),
        _ => Err(incomplete(&memory)),
    }
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_swap_compares_what_is_free() {
        let tree = Tree::new(&[(
            "proc/meminfo",
            "MemTotal: 1024000 kB\nSwapTotal: 102400 kB\nSwapFree: 81920 kB\n",
        )]);
        let text = "Total: 100.00 MB, Used: 20.00 MB, Available: 80.00 MB, \
            Available percentage: 80.00\n";
        // (arguments, exit code, status)
        let table = [
            ("", 0, "OK"),
            ("--required -w 80%", 0, "OK"),
            ("-w 81%", 1, "WARNING"),
            ("-w 81% -c 81M", 2, "CRITICAL"),
        ];
        for (arguments, code, status) in table {
            let expected = format!("Swap {status}: {text}");
            let found = tree.run("check-swap", arguments);
            assert_eq!(found, said(code, &expected), "{arguments}");
        }
    }

    #[test]
    fn check_swap_of_a_host_without_swap() {
        let none = "SwapTotal: 0 kB\nSwapFree: 0 kB\n";
        // (lines about swap, arguments, exit code, status)
        let table = [
            (none, "-c 50%", 0, "OK"),
            (none, "-c 50% --required", 2, "CRITICAL"),
            ("", "--required", 2, "CRITICAL"),
        ];
        for (swap, arguments, code, status) in table {
            let memory = ["MemTotal: 1024000 kB\n", swap].concat();
            let found = Tree::new(&[("proc/meminfo", &memory)]).run("check-swap", arguments);
            let expected = format!("Swap {status}: no swap is configured\n");
            assert_eq!(found, said(code, &expected), "{arguments}");
        }
    }

    #[test]
    fn check_swap_of_hosts() {
        // (host, what is printed)
        let table = [
            (
                "pi-1/t0",
                "OK: Total: 100.00 MB, Used: 0.25 MB, \
                 Available: 99.75 MB, Available percentage: 99.75",
            ),
            (
                "pi-4/t0",
                "OK: Total: 100.00 MB, Used: 0.00 MB, \
                 Available: 100.00 MB, Available percentage: 100.00",
            ),
            (
                "openvz/t0",
                "OK: Total: 256.00 MB, Used: 0.00 MB, \
                 Available: 256.00 MB, Available percentage: 100.00",
            ),
            (
                "two-core/t0",
                "OK: Total: 500.00 MB, Used: 100.00 MB, \
                 Available: 400.00 MB, Available percentage: 80.00",
            ),
            (
                "damaged/empty",
                "UNKNOWN: /proc/meminfo: no MemTotal line in \"\"",
            ),
        ];
        for (host, expected) in table {
            let found = Tree::recorded(host).run("check-swap", "-w 50% -c 20%");
            assert_eq!(found.output, format!("Swap {expected}\n"), "{host}");
        }
    }
}
