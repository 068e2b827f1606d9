//! One exposition: reads each kernel file at that moment and renders it as Prometheus text. Keeps
//! nothing of the rounds, whose rates it must not disturb.

use std::borrow::Cow;
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
        let text = text_of(&self.root, &mut self.buffer, "/proc/stat");
        let cpu = !text.is_empty() && self.cpus.expose(&text, out);
        let mut success = [("cpu", cpu); FILES.len() + 4];
        let [_, files @ .., pressure, network, filesystem] = &mut success;
        for (has_succeeded, (name, path, render)) in files.iter_mut().zip(&FILES) {
            *has_succeeded = (
                name,
                render(&text_of(&self.root, &mut self.buffer, path), out),
            );
        }
        *pressure = ("pressure", false);
        for resource in RESOURCES {
            let path = ["/proc/pressure/", resource].concat();
            let text = text_of(&self.root, &mut self.buffer, &path);
            pressure.1 |= prometheus::pressure(resource, &text, out);
        }
        let path = [self.root.network(), "/dev"].concat();
        let text = text_of(&self.root, &mut self.buffer, &path);
        *network = ("netdev", prometheus::interfaces(&text, out));
        // The files below /sys are those of this process's own network.
        if !self.root.is_elsewhere() {
            let mut up = Vec::new();
            for name in prometheus::interface_names(&text) {
                let path = ["/sys/class/net/", &name, "/operstate"].concat();
                let is_up = self.root.text_if_present(path).ok().flatten();
                let is_up = is_up.is_some_and(|state| state.trim_ascii() == "up");
                up.push((name, is_up));
            }
            prometheus::interfaces_up(&up, out);
        }
        *filesystem = ("filesystem", self.filesystems(out));
        prometheus::time(wall, out);
        if let Ok(uname) = uname() {
            prometheus::uname(&uname, out);
        }
        prometheus::collectors(&success, out);
    }

    /// Appends the mounted filesystems. Returns whether the mount table can be read.
    fn filesystems(&mut self, out: &mut Exposition) -> bool {
        let Scraper {
            root,
            stats,
            buffer,
            ..
        } = self;
        let own = root.own_mounts();
        let Ok((table, _)) = root.mounts(buffer) else {
            return false;
        };
        let Ok(mounts) = mountinfo::parse(table) else {
            return false;
        };
        let mut all: Vec<Mounted> = Vec::new();
        for (mount, point) in mountinfo::reachable(&mounts, &root.path("/"), own.as_deref(), false)
        {
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
}

/// The text of a file; empty if it cannot be read.
fn text_of<'b>(root: &Root, buffer: &'b mut Vec<u8>, path: &str) -> Cow<'b, str> {
    match root.table(path, buffer) {
        Ok((text, _)) => text,
        Err(_) => Cow::default(),
    }
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
