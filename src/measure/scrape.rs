//! One exposition: reads each kernel file at that moment and renders it as Prometheus text. Keeps
//! nothing of the rounds, whose rates it must not disturb.

use std::time::Duration;

use crate::parse::mountinfo;
use crate::render::prometheus::{self, Cpus, Exposition, Mounted};
use crate::sys::device::device_name;
use crate::sys::fsstat::FsStats;
use crate::sys::root::Root;
use crate::sys::uname::uname;

/// Appends what the text of a file says. Returns whether it says something.
type Render = fn(&str, &mut Exposition) -> bool;

/// Files that one function renders, with the name of node_exporter's collector.
const FILES: [(&str, &str, Render); 5] = [
    ("loadavg", "/proc/loadavg", prometheus::load),
    ("meminfo", "/proc/meminfo", prometheus::memory),
    ("diskstats", "/proc/diskstats", prometheus::disks),
    ("vmstat", "/proc/vmstat", prometheus::vmstat),
    ("filefd", "/proc/sys/fs/file-nr", prometheus::open_files),
];

/// Resources with a file in `/proc/pressure`.
const RESOURCES: [&str; 4] = ["cpu", "io", "memory", "irq"];

/// Reads the host for expositions.
pub(crate) struct Scraper {
    root: Root,
    stats: FsStats,
    cpus: Cpus,
    buffer: Vec<u8>,
}

impl Scraper {
    /// Sizes are asked of `stats`, which must not be shared with another thread.
    pub(crate) fn new(root: Root, stats: FsStats) -> Scraper {
        Scraper {
            root,
            stats,
            cpus: Cpus::default(),
            buffer: Vec::new(),
        }
    }

    /// Appends what the host's files say now. A file that cannot be read or understood is named in
    /// `node_scrape_collector_success`, as node_exporter does.
    pub(crate) fn expose(&mut self, wall: Duration, out: &mut Exposition) {
        let Scraper {
            root,
            stats,
            cpus,
            buffer,
        } = self;
        let mut success = Vec::new();
        let mut file = |path: &str, render: &mut dyn FnMut(&str) -> bool| {
            let text = root.table(path, buffer);
            text.is_ok_and(|(text, _)| render(&text))
        };
        success.push((
            "cpu",
            file("/proc/stat", &mut |text| cpus.expose(text, out)),
        ));
        for (name, path, render) in FILES {
            success.push((name, file(path, &mut |text| render(text, out))));
        }
        let pressure = RESOURCES.map(|resource| {
            let path = ["/proc/pressure/", resource].concat();
            file(&path, &mut |text| prometheus::pressure(resource, text, out))
        });
        success.push(("pressure", pressure.contains(&true)));
        let path = [root.network(), "/dev"].concat();
        let mut names = Vec::new();
        let found = file(&path, &mut |text| {
            names = prometheus::interface_names(text);
            prometheus::interfaces(text, out)
        });
        success.push(("netdev", found));
        // The files below /sys are those of this process's own network.
        if !root.is_elsewhere() {
            let state = |name: String| {
                let path = ["/sys/class/net/", &name, "/operstate"].concat();
                let state = root.text_if_present(path).ok().flatten();
                (name, state.is_some_and(|state| state.trim_ascii() == "up"))
            };
            let up: Vec<_> = names.into_iter().map(state).collect();
            prometheus::interfaces_up(&up, out);
        }
        success.push(("filesystem", filesystems(root, stats, buffer, out)));
        prometheus::time(wall, out);
        if let Ok(uname) = uname() {
            prometheus::uname(&uname, out);
        }
        prometheus::collectors(&success, out);
    }
}

/// Appends the mounted filesystems. Returns whether the mount table can be read.
fn filesystems(
    root: &Root,
    stats: &mut FsStats,
    buffer: &mut Vec<u8>,
    out: &mut Exposition,
) -> bool {
    let own = root.own_mounts();
    let Ok((table, _)) = root.mounts(buffer) else {
        return false;
    };
    let Ok(mounts) = mountinfo::parse(table) else {
        return false;
    };
    let mut all: Vec<Mounted> = Vec::new();
    for (mount, point) in mountinfo::reachable(&mounts, &root.path("/"), own.as_deref()) {
        let kind = mount.kind().to_string_lossy();
        if prometheus::is_exposed(&kind, &point.to_string_lossy()) {
            all.push(Mounted {
                device: device_name(root, mount.device())
                    .to_string_lossy()
                    .into_owned(),
                point: point.to_owned(),
                kind: kind.into_owned(),
                is_read_only: mount.is_read_only(),
            });
        }
    }
    let points = all.iter().map(|mounted| root.path(&mounted.point).into());
    let points = points.collect();
    prometheus::filesystems(&all, &stats.replies(&points), out);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fsstat::Usage;

    fn exposed(tree: &str) -> String {
        let root = Root::at(["tests/fixtures/", tree].concat());
        let stats = FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)));
        let mut out = Exposition::default();
        Scraper::new(root, stats).expose(Duration::from_secs(1_700_000_000), &mut out);
        out.into_text()
    }

    #[test]
    fn scrape_reads_the_files_of_the_host() {
        let text = exposed("two-core/t0");
        // (what is there, or not)
        for line in [
            "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 5.00\n",
            "node_memory_MemTotal_bytes 1048576000\n",
            "node_disk_reads_completed_total{device=\"sda\"} 1000\n",
            "node_network_up{device=\"eth0\"} 0\n",
            "node_filesystem_size_bytes{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/\"} 1000\n",
            "node_scrape_collector_success{collector=\"diskstats\"} 1\n",
            "node_scrape_collector_success{collector=\"pressure\"} 0\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn scrape_of_each_fixture_has_each_family_once() {
        for tree in std::fs::read_dir("tests/fixtures").unwrap() {
            let name = tree.unwrap().file_name().into_string().unwrap();
            let text = exposed(&[&name, "/t0"].concat());
            let mut names: Vec<_> = text
                .lines()
                .filter(|line| line.starts_with("# TYPE"))
                .collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{name}");
        }
    }
}
