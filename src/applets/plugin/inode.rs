//! `mackerel-plugin-inode`: used and free inodes of each disk.

use std::sync::Arc;

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::base::text::metric_segment;
use crate::parse::mountinfo;
use crate::sys::device::device_name;
use crate::sys::fsstat::{FsStats, Point};

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-inode",
    help: packed!(
        "print the used and free inodes of each disk
  -metric-key-prefix=NAME   begin of the metrics' names (default: inode)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r##"{"graphs":{"$.count.#":{"label":"Inode","unit":"integer","metrics":[{"name":"used","label":"used","stacked":false},{"name":"free","label":"free","stacked":false},{"name":"total","label":"total","stacked":false}]},"$.percentage.#":{"label":"Inode Percentage","unit":"percentage","metrics":[{"name":"used","label":"used %","stacked":false}]}}}"##
        )),
        measure,
    }),
};

/// Names of Docker's devices, which come and go.
const DOCKER: &str = "mapper/docker-";

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let root = &host.root;
    let own = root.own_mounts();
    let mut buffer = Vec::new();
    let mounts = root.mounts(&mut buffer);
    let (table, _) = mounts.map_err(|error| Failure::of(&error))?;
    let parsed = mountinfo::parse(table).map_err(|error| Failure::of(&error))?;
    let mut devices = Vec::new();
    let mut points = Vec::new();
    for mounted in mountinfo::local(&parsed, &root.path("/"), own.as_deref()) {
        let device = device_name(root, mounted.device);
        if let Some(device) = device.to_string_lossy().strip_prefix("/dev/")
            && !device.starts_with(DOCKER)
        {
            devices.push(metric_segment(device));
            points.push(Point::from(root.path(mounted.point)));
        }
    }
    let usage = FsStats::new(root).usage(&Arc::from(points));
    for (device, usage) in devices.iter().zip(usage) {
        if let Some(usage) = usage {
            add(values, device, usage.files, usage.files_free);
        }
    }
    Ok(())
}

/// Adds the values of a device. `df` shows none of a filesystem without a fixed number of inodes.
fn add(values: &mut Values, device: &str, total: u64, free: u64) {
    if total == 0 {
        return;
    }
    let used = total.saturating_sub(free);
    for (name, count) in [("used", used), ("free", free), ("total", total)] {
        values.count(&["count.", device, ".", name].concat(), count);
    }
    let share = used as f64 * 100.0 / total as f64;
    values.number(&["percentage.", device, ".used"].concat(), share);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::testing::Tree;

    const NAME: &str = "mackerel-plugin-inode";

    #[test]
    fn plugin_inode_prints_numbers_and_a_share() {
        // (why this row exists, total, free, lines)
        let table = [
            (
                "ext4",
                1_310_720,
                1_179_523,
                "inode.count.sda1.used 131197\ninode.count.sda1.free 1179523\n\
                 inode.count.sda1.total 1310720\ninode.percentage.sda1.used 10.009537\n",
            ),
            ("vfat and btrfs have no inodes", 0, 0, ""),
            (
                "full",
                10,
                0,
                "inode.count.sda1.used 10\ninode.count.sda1.free 0\n\
                 inode.count.sda1.total 10\ninode.percentage.sda1.used 100.000000\n",
            ),
        ];
        for (why, total, free, expected) in table {
            let mut values = Values::new("inode", 1);
            add(&mut values, "sda1", total, free);
            let found = values.lines.replace("\t1\n", "\n").replace('\t', " ");
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn plugin_inode_asks_the_disks_of_the_mount_table() {
        // The mount points of recorded hosts are not mounted here: the top directory alone exists.
        for (host, devices) in [
            ("pi-4/t0", "mmcblk0p2"),
            ("two-core/t0", "sda1"),
            ("nvme-crypt-lvm-raid/t0", "mapper_vg0-root"),
        ] {
            let printed = Tree::recorded(host).run(NAME, "");
            assert_eq!((printed.code, &*printed.error), (0, ""), "{host}");
            let mut found = Vec::new();
            for line in printed.output.lines() {
                let name = line.split('\t').next().unwrap();
                found.extend(name.strip_prefix("inode.percentage."));
            }
            assert_eq!(found.join(" "), format!("{devices}.used"), "{host}");
        }
        assert_eq!(Tree::new(&[]).run(NAME, "").code, 1);
    }

    #[test]
    fn plugin_inode_defines_graphs() {
        let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "");
        assert_eq!(
            graphs,
            ["custom.inode.count.#", "custom.inode.percentage.#"]
        );
        assert_eq!(metrics.len(), 4);
    }
}
