//! `mackerel-plugin-conntrack`: used and free entries of the table of connections.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-conntrack",
    help: packed!(
        "print the used and free entries of netfilter's table of connections
  -metric-key-prefix=NAME   begin of the metrics' names (default: conntrack)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.count":{"label":"Conntrack Count","unit":"integer","metrics":[{"name":"*","label":"%1","stacked":true}]}}}"#
        )),
        measure,
    }),
};

/// Where kernels have the number of entries, and the largest one.
const USED: [&str; 2] = [
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/ipv4/netfilter/ip_conntrack_count",
];
const MOST: [&str; 4] = [
    "/proc/sys/net/nf_conntrack_max",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/net/ipv4/ip_conntrack_max",
    "/proc/sys/net/ipv4/netfilter/ip_conntrack_max",
];

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let used = first(host, &USED)?;
    let most = first(host, &MOST)?;
    values.count("count.used", used);
    // The limit may have been lowered below the number.
    values.count("count.free", most.saturating_sub(used));
    Ok(())
}

/// The number in the first of these files that exists.
fn first(host: &Host<'_>, paths: &[&str]) -> Result<u64, Failure> {
    let why = "not there; load the kernel module nf_conntrack";
    for path in paths {
        if host.root.exists(path) {
            let number = host.text(path)?.trim_ascii().parse();
            return number.map_err(|_| Failure::unknown([path, ": holds no number"].concat()));
        }
    }
    Err(Failure::unknown([paths[0], ": ", why].concat()))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-conntrack";

    #[test]
    fn plugin_conntrack_prints_used_and_free() {
        type Files<'f> = &'f [(&'f str, &'f str)];
        // (why this row exists, files, values)
        let table: [(&str, Files<'_>, &str); 4] = [
            (
                "a kernel of today",
                &[
                    ("proc/sys/net/netfilter/nf_conntrack_count", "112\n"),
                    ("proc/sys/net/nf_conntrack_max", "65536\n"),
                    ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
                ],
                "112 65424",
            ),
            (
                "a container, which has no limit of its own",
                &[
                    ("proc/sys/net/netfilter/nf_conntrack_count", "0\n"),
                    ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
                ],
                "0 65536",
            ),
            (
                "Linux 2.6",
                &[
                    ("proc/sys/net/ipv4/netfilter/ip_conntrack_count", "7"),
                    ("proc/sys/net/ipv4/ip_conntrack_max", "10"),
                ],
                "7 3",
            ),
            (
                "a lowered limit",
                &[
                    ("proc/sys/net/netfilter/nf_conntrack_count", "12\n"),
                    ("proc/sys/net/nf_conntrack_max", "10\n"),
                ],
                "12 0",
            ),
        ];
        for (why, files, expected) in table {
            let (used, free) = expected.split_once(' ').unwrap();
            let expected = format!(
                "conntrack.count.used\t{used}\t1700000000\nconntrack.count.free\t{free}\t1700000000\n"
            );
            assert_eq!(Tree::new(files).run(NAME, ""), said(0, &expected), "{why}");
        }
    }

    #[test]
    fn plugin_conntrack_fails_without_the_module() {
        let printed = Tree::recorded("pi-4/t0").run(NAME, "");
        let expected = "mackerel-plugin-conntrack: /proc/sys/net/netfilter/nf_conntrack_count: \
                        not there; load the kernel module nf_conntrack\n";
        assert_eq!((printed.code, &*printed.error), (1, expected));
    }

    #[test]
    fn plugin_conntrack_defines_a_graph() {
        let tree = Tree::new(&[]);
        assert_eq!(tree.graphs(NAME, "").0, ["custom.conntrack.count"]);
    }
}
