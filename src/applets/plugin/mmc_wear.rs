//! `mackerel-plugin-mmc-wear`: wear of eMMC chips as they report it, and what is written to memory
//! cards, eMMC and NVMe.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::counters::Counters;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-mmc-wear",
    help: packed!(
        "print the wear of eMMC, and what is written to flash memory
  -metric-key-prefix=NAME   begin of the metrics' names (default: mmc-wear)
  -tempfile=PATH            the file for the counters of the last run
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.life":{"label":"eMMC Life Used, at most","unit":"percentage","metrics":[{"name":"*","label":"%1","stacked":false}]},"$.pre_eol":{"label":"eMMC Reserve (1 normal, 2 80 percent used, 3 90 percent used)","unit":"integer","metrics":[{"name":"*","label":"%1","stacked":false}]},"$.written":{"label":"Bytes Written per Minute","unit":"bytes","metrics":[{"name":"*","label":"%1","stacked":false}]}}}"#
        )),
        measure,
    }),
};

const BLOCKS: &str = "/sys/block";
/// Bytes of a sector of `/sys/block/DEVICE/stat`, for every device.
const SECTOR: u64 = 512;
/// The position of the number of written sectors there.
const WRITTEN: usize = 6;
/// The two kinds of memory cells of which eMMC reports the life.
const KINDS: [&str; 2] = ["_a", "_b"];
/// Percent that a step of `life_time` stands for. 11 steps: more than the chip is made for.
const STEP: u64 = 10;

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let prefix = arguments.text("metric-key-prefix");
    let Some(mut counters) = Counters::of_arguments(arguments, host, prefix) else {
        return Ok(());
    };
    let mut is_there = false;
    for name in host.names(BLOCKS.as_ref(), "") {
        if !is_flash(&name) {
            continue;
        }
        let name = &*name;
        is_there = true;
        let file = |file: &str| {
            let text = host.text(&[BLOCKS, "/", name, "/", file].concat());
            text.unwrap_or_default()
        };
        let life = file("device/life_time");
        for (kind, word) in KINDS.iter().zip(life.split_ascii_whitespace()) {
            // 0: not defined by this chip.
            if let Some(steps) = hexadecimal(word).filter(|steps| *steps > 0) {
                let name = ["life.", name, kind].concat();
                values.count(&name, steps.saturating_mul(STEP));
            }
        }
        if let Some(state) = hexadecimal(file("device/pre_eol_info").trim_ascii())
            && state > 0
        {
            values.count(&["pre_eol.", name].concat(), state);
        }
        let stat = file("stat");
        if let Some(Ok(sectors)) = stat
            .split_ascii_whitespace()
            .nth(WRITTEN)
            .map(str::parse::<u64>)
        {
            counters.rate(values, "written", name, sectors.saturating_mul(SECTOR));
        }
    }
    if !is_there {
        let why = "no eMMC, memory card or NVMe in /sys/block";
        return Err(why.into());
    }
    counters.save()
}

/// Whether a block device is a whole eMMC, memory card or NVMe, and no partition for booting.
fn is_flash(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_nvme = |rest: &str| {
        let (controller, space) = rest.split_once('n').unwrap_or_default();
        is_number(controller) && is_number(space)
    };
    name.strip_prefix("mmcblk").is_some_and(is_number)
        || name.strip_prefix("nvme").is_some_and(is_nvme)
}

/// A number like `0x0b`.
fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::is_flash;
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-mmc-wear";

    fn tree(sectors: u64) -> Tree {
        let stat = format!("  100 0 800 10 20 0 {sectors} 5 0 10 15 0 0 0 0 1 1\n");
        Tree::new(&[
            ("sys/block/mmcblk0/device/life_time", "0x01 0x0b\n"),
            ("sys/block/mmcblk0/device/pre_eol_info", "0x02\n"),
            ("sys/block/mmcblk0/stat", &*stat),
            ("sys/block/mmcblk0boot0/stat", &stat),
            ("sys/block/mmcblk1/device/life_time", "0x00 0x00\n"),
            ("sys/block/mmcblk1/device/pre_eol_info", "0x00\n"),
            ("sys/block/mmcblk1/stat", &stat),
            ("sys/block/nvme0n1/stat", &stat),
            ("sys/block/sda/stat", &stat),
        ])
    }

    #[test]
    fn plugin_mmc_wear_prints_life_and_writing() {
        let gauges = "mmc-wear.life.mmcblk0_a\t10\t1700000000\n\
                      mmc-wear.life.mmcblk0_b\t110\t1700000000\n\
                      mmc-wear.pre_eol.mmcblk0\t2\t1700000000\n";
        let first = tree(1000);
        assert_eq!(first.run(NAME, ""), said(0, gauges));
        let second = first.later(tree(1100), 30);
        let expected = gauges.to_owned()
            + "mmc-wear.written.mmcblk0\t102400.000000\t1700000000\n\
               mmc-wear.written.mmcblk1\t102400.000000\t1700000000\n\
               mmc-wear.written.nvme0n1\t102400.000000\t1700000000\n";
        let expected = expected.replace("1700000000", "1700000030");
        assert_eq!(second.run(NAME, ""), said(0, &expected));
    }

    #[test]
    fn plugin_mmc_wear_prints_what_recorded_hosts_have() {
        // (host, exit code): a card alone reports nothing, but is there.
        for (host, code) in [("pi-4/t0", 0), ("pi-1/t0", 0), ("two-core/t0", 1)] {
            let printed = Tree::recorded(host).run(NAME, "");
            assert_eq!((printed.code, &*printed.output), (code, ""), "{host}");
        }
    }

    #[test]
    fn plugin_mmc_wear_knows_whole_devices_by_name() {
        for (name, expected) in [
            ("mmcblk0", true),
            ("mmcblk10", true),
            ("mmcblk0boot0", false),
            ("mmcblk0rpmb", false),
            ("mmcblk", false),
            ("nvme0n1", true),
            ("nvme0c0n1", false),
            ("nvme0", false),
            ("sda", false),
        ] {
            assert_eq!(is_flash(name), expected, "{name}");
        }
    }

    #[test]
    fn plugin_mmc_wear_defines_graphs() {
        let (graphs, _) = Tree::new(&[]).graphs(NAME, "");
        let expected = ["life", "pre_eol", "written"];
        assert_eq!(
            graphs,
            expected.map(|name| format!("custom.mmc-wear.{name}"))
        );
    }
}
