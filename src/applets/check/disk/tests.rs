use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use super::*;
use crate::applets::arguments::Notation;
use crate::base::channel::channel;

/// What is printed after `Disk ` for a recorded host, whose `calls.json` says the usage, as
/// described there. Filesystems have `files` inodes, three quarters of which are free.
fn on(host: &str, arguments: &str, files: u64) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(host);
    let calls = fs::read(directory.join("calls.json")).unwrap();
    let calls: Value = serde_json::from_slice(&calls).unwrap();
    let top = directory.join("t0");
    let (hold, held) = channel();
    let asked = top.clone();
    let ask = move |path: &Path| {
        let point = Path::new("/").join(path.strip_prefix(&asked).unwrap());
        match &calls["statvfs"][point.to_str().unwrap()] {
            Value::Null => Err(io::ErrorKind::NotFound.into()),
            Value::String(text) if text == "EACCES" => Err(io::ErrorKind::PermissionDenied.into()),
            Value::String(_) => {
                hold.send(()).unwrap();
                loop {
                    std::thread::park();
                }
            }
            numbers => {
                let number = |at: usize| numbers[at].as_u64().unwrap();
                let usage = Usage::new(number(0), number(1), number(2), number(3));
                Ok(usage.map(|usage| Usage {
                    files,
                    files_free: files / 4 * 3,
                    ..usage
                }))
            }
        }
    };
    let words: Vec<OsString> = arguments.split_whitespace().map(OsString::from).collect();
    let arguments = Arguments::read(APPLET.help(), Notation::Options, &words).unwrap();
    let mut stats = FsStats::patient_until(ask, held);
    match judged(&arguments, &Root::at(top), &mut stats) {
        Ok(found) => [found.status.word(), ": ", &found.message].concat(),
        Err(failure) => {
            assert!(!failure.is_usage(), "{failure:?}");
            ["UNKNOWN: ", failure.why()].concat()
        }
    }
}

#[test]
fn check_disk_compares_space_and_inodes() {
    // 29580 MB, of which 4926.875 are used, and 23401 are free: 82.6 %.
    let all = "All: 29580.00 MB, Used: 4926.88 MB, Free: 23401.19 MB";
    // (why this row exists, arguments, status, numbers of the message)
    let table = [
        ("no limit", "", "OK", all),
        ("percent", "-w 82.6% -c 5%", "OK", all),
        ("percent", "-w 82.7% -c 5%", "WARNING", all),
        ("megabytes", "-w 23401 -c 5", "OK", all),
        ("megabytes", "-w 23402", "WARNING", all),
        ("critical wins", "-w 90% -c 90%", "CRITICAL", all),
        ("critical alone", "-w 1% -c 90%", "CRITICAL", all),
        ("a suffix", "-w 23G", "WARNING", all),
        ("inodes", "-W 75% -K 75%", "OK", all),
        ("inodes", "-W 75.1%", "WARNING", all),
        ("inodes", "-K 75.1% -w 90%", "CRITICAL", all),
        (
            "gigabytes",
            "-u GB -w 22.9",
            "WARNING",
            "All: 28.89 gb, Used: 4.81 gb, Free: 22.85 gb",
        ),
        (
            "kilobytes are 1024 bytes",
            "-u kB -w 23962816 -c 23962815",
            "OK",
            "All: 30289920.00 kb, Used: 5045120.00 kb, Free: 23962816.00 kb",
        ),
        (
            "bytes",
            "-u bytes",
            "OK",
            "All: 31016878080.00 bytes, Used: 5166202880.00 bytes, Free: 24537923584.00 bytes",
        ),
        (
            "terabytes",
            "-u tb",
            "OK",
            "All: 0.03 tb, Used: 0.00 tb, Free: 0.02 tb",
        ),
        ("the default, named", "-u mb", "OK", all),
    ];
    for (why, arguments, status, numbers) in table {
        let expected =
            format!("{status}: Path: /, {numbers}, Free percentage: 82.61 (inodes 75.00)");
        assert_eq!(on("pi-4", arguments, 1_000), expected, "{why}: {arguments}");
    }
}

#[test]
fn check_disk_selects_mounts() {
    let host = "mounts-of-every-kind";
    // (why this row exists, arguments, mount points of the message in its order, or the error)
    let table = [
        ("a path", "-p /srv", "/srv"),
        ("two paths, fullest first", "-p / -p /srv", "/srv /"),
        ("a path twice", "-p /srv -p /srv", "/srv"),
        ("a device", "-p /dev/loop0", "/snap/core/17200"),
        ("a subvolume by its device", "-p /dev/sdb1", "/srv /home"),
        ("the upper one of two mounts", "-p /media/usb", "/media/usb"),
        ("a type", "-N btrfs -N zfs", "/srv /home /pool /pool/home"),
        ("a type without some", "-N btrfs -x /home", "/srv"),
        (
            "a device to leave out",
            "-N btrfs -N squashfs -x /dev/sdb1",
            "/snap/core/17200",
        ),
        ("a type not to check", "-p /srv -X ext4", "/srv"),
        (
            "without those that hang, are gone or forbidden",
            "-X fuse -X autofs",
            "/snap/core/17200 /srv /home / /mnt/merged /media/usb /pool /pool/home",
        ),
        (
            "one that hangs",
            "-X ext4",
            "UNKNOWN: /mnt/hangs[type=fuse]: Failed to fetch disk usage: it does not answer",
        ),
        (
            "all, also one that hangs",
            "-A -X fuse",
            "UNKNOWN: /mnt/hangs[type=fuse]: Failed to fetch disk usage: it does not answer",
        ),
        (
            "forbidden, but named",
            "-p /mnt/forbidden",
            "UNKNOWN: /mnt/forbidden[type=fuse.gvfsd-fuse]: Failed to fetch disk usage: \
             permission denied",
        ),
        (
            "gone, but named",
            "-p / -p /mnt/nfs",
            "UNKNOWN: /mnt/nfs[type=nfs4]: Failed to fetch disk usage: entity not found",
        ),
        (
            "no mount point",
            "-p /srv -p /none",
            "UNKNOWN: Failed to fetch partitions: No device found for the specified *Mountpoint*",
        ),
        (
            "never asked: it would be mounted",
            "-p /net/auto",
            "UNKNOWN: Failed to fetch partitions: No device found for the specified *Mountpoint*",
        ),
        (
            "no such type",
            "-N xfs",
            "UNKNOWN: Failed to fetch partitions: No device found for the specified *FsType*",
        ),
        (
            "nothing left",
            "-N zfs -X zfs",
            "UNKNOWN: Failed to fetch partitions: No device found",
        ),
        (
            "both",
            "-p / -x /srv",
            "UNKNOWN: Invalid arguments: -x does not work with -p",
        ),
    ];
    for (why, arguments, expected) in table {
        let found = on(host, arguments, 0);
        let shown = match found.strip_prefix("OK: ") {
            None => found,
            Some(message) => {
                let lines = message.split(";\n");
                let paths = lines.map(|line| {
                    let rest = line.strip_prefix("Path: ").unwrap();
                    rest.split(',').next().unwrap()
                });
                paths.collect::<Vec<_>>().join(" ")
            }
        };
        assert_eq!(shown, expected, "{why}: {arguments}");
    }
}

#[test]
fn check_disk_without_inodes() {
    let usage = "Path: /, All: 29580.00 MB, Used: 4926.88 MB, Free: 23401.19 MB, \
        Free percentage: 82.61";
    // (why this row exists, arguments, inodes, what is printed)
    let table = [
        ("nobody asked for them", "-W 10% -K 5%", 0, ["OK: ", usage]),
        (
            "the others count",
            "-K 10% -c 90%",
            0,
            ["CRITICAL: ", usage],
        ),
        (
            "named",
            "-p / -W 10%",
            0,
            [
                "UNKNOWN: ",
                "/: Failed to check disk status: Disk / does not have inodes",
            ],
        ),
        (
            "named, but critical",
            "-p / -W 10% -c 90%",
            0,
            ["CRITICAL: ", usage],
        ),
        (
            "no percentage",
            "-W 10",
            8,
            [
                "UNKNOWN: ",
                "/: Failed to check disk status: -W, -K value should be N%",
            ],
        ),
        (
            "no number",
            "-w x",
            8,
            [
                "UNKNOWN: ",
                "--warning: x; write a number, NK, NM, NG or N%",
            ],
        ),
        (
            "no unit",
            "-u PB",
            8,
            [
                "UNKNOWN: ",
                "Failed to check disk status: Invalid argument flag '-u, --units'",
            ],
        ),
    ];
    for (why, arguments, files, expected) in table {
        assert_eq!(
            on("pi-4", arguments, files),
            expected.concat(),
            "{why}: {arguments}"
        );
    }
}

#[test]
fn check_disk_of_hosts() {
    // (host, what is printed)
    let table = [
        (
            "pi-1",
            "OK: Path: /, All: 14679.00 MB, Used: 4479.00 MB, \
                 Free: 9534.00 MB, Free percentage: 68.04;\n\
                 Path: /boot, All: 254.99 MB, Used: 51.24 MB, \
                 Free: 203.75 MB, Free percentage: 79.91;\n\
                 Path: /dev, All: 212.50 MB, Used: 0.00 MB, \
                 Free: 212.50 MB, Free percentage: 100.00",
        ),
        (
            "openwrt",
            // Without `/rom`, which the overlay hides.
            "OK: Path: /overlay, All: 99.61 MB, Used: 17.58 MB, Free: 76.56 MB, \
                 Free percentage: 81.33;\n\
                 Path: /, All: 99.61 MB, Used: 17.58 MB, Free: 76.56 MB, Free percentage: 81.33",
        ),
        (
            "nvme-crypt-lvm-raid",
            "OK: Path: /backup, All: 468750.00 MB, Used: 390625.00 MB, \
                 Free: 54257.81 MB, Free percentage: 12.20;\n\
                 Path: /home, All: 817646.00 MB, Used: 390625.00 MB, \
                 Free: 427021.00 MB, Free percentage: 52.23;\n\
                 Path: /, All: 100221.00 MB, Used: 22052.22 MB, \
                 Free: 73046.88 MB, Free percentage: 76.81;\n\
                 Path: /boot/efi, All: 510.98 MB, Used: 5.90 MB, \
                 Free: 505.08 MB, Free percentage: 98.84;\n\
                 Path: /dev, All: 32043.01 MB, Used: 0.00 MB, \
                 Free: 32043.01 MB, Free percentage: 100.00",
        ),
        (
            "alpine",
            "CRITICAL: Path: /.modloop, All: 17.50 MB, Used: 17.50 MB, \
                 Free: 0.00 MB, Free percentage: 0.00;\n\
                 Path: /, All: 3984.38 MB, Used: 859.38 MB, \
                 Free: 2929.69 MB, Free percentage: 77.32",
        ),
    ];
    for (host, expected) in table {
        assert_eq!(on(host, "-w 10% -c 5% -X tmpfs", 0), expected, "{host}");
    }
}
