//! Applets on hosts of `tests/fixtures`, on every processor, compared with golden files.
//! `make bless` renews these.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use crate::host::hosts::trees;
use crate::process::Finished;
use crate::sandbox::Sandbox;

const GOLDEN: &str = "tests/golden/applets";
/// Environment variable. If it is set, the golden files are renewed.
const BLESS: &str = "BLESS";
/// Runs of a plugin, of which one has to ask for the time in the second that its state fits.
const TURNS: usize = 100;

/// Three boards, a router, and hosts with an old and a new kernel.
const HOSTS: [&str; 6] = [
    "kernel-2.6.32-kvm",
    "kernel-6.12",
    "openwrt",
    "pi-1",
    "pi-4",
    "pi-5",
];

/// What applets read and the hosts' other readers do not: path, content, content a minute later.
/// What belongs to a device is left out on hosts without it. Times are in units of their files.
const MORE: [(&str, &str, &str); 23] = [
    (
        "proc/uptime",
        "86399.42 120000.07\n",
        "86459.42 120040.07\n",
    ),
    (
        "proc/vmstat",
        "nr_free_pages 1000\npswpin 1000\npswpout 20000\n",
        "nr_free_pages 900\npswpin 1300\npswpout 20030\n",
    ),
    (
        "proc/net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n   \
         1: 0100007F:0016 0100007F:D431 01 00000000:00000000 02:000A7214 00000000     0        0 2 4\n   \
         2: 0100007F:D431 0100007F:0016 06 00000000:00000000 03:00000D4D 00000000     0        0 0 3\n",
        "",
    ),
    (
        "proc/net/tcp6",
        "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
         0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1\n",
        "",
    ),
    (
        "proc/net/udp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n  \
         100: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4 2 0 0\n",
        "",
    ),
    (
        "proc/net/wireless",
        "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n \
         face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n \
         wlan0: 0000   54.  -56.  -256        0      0      0      0      0        0\n",
        "",
    ),
    (
        "proc/pressure/cpu",
        "some avg10=1.53 avg60=0.87 avg300=0.22 total=1000000\n",
        "some avg10=2.00 avg60=0.90 avg300=0.25 total=4000000\n",
    ),
    (
        "proc/pressure/io",
        "some avg10=0.00 avg60=4.10 avg300=2.00 total=500\nfull avg10=0.00 avg60=3.05 avg300=1.00 total=400\n",
        "some avg10=0.00 avg60=4.10 avg300=2.00 total=600500\nfull avg10=0.00 avg60=3.05 avg300=1.00 total=300400\n",
    ),
    ("proc/sys/net/netfilter/nf_conntrack_count", "137\n", ""),
    ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n", ""),
    (
        "proc/412/stat",
        "412 (cron) S 1 412 412 0 -1 4194560 9 9 9 9 250 90 9 9 20 0 1 0 5 9000000 300 18446744073709551615\n",
        "",
    ),
    ("proc/412/cmdline", "/usr/sbin/cron\0-f\0", ""),
    (
        "proc/412/status",
        "Name:\tcron\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\nVmSize:\t    8788 kB\nVmRSS:\t    1200 kB\n",
        "",
    ),
    (
        "proc/731/stat",
        "731 (a (b) c) Z 1 731 731 0 -1 4194560 9 9 9 9 50 9 9 9 20 0 3 0 90000 9000000 300 18446744073709551615\n",
        "",
    ),
    ("proc/731/cmdline", "", ""),
    (
        "proc/731/status",
        "Name:\ta (b) c\nState:\tZ (zombie)\nUid:\t0\t1000\t0\t0\n",
        "",
    ),
    (
        "var/run/reboot-required",
        "*** System restart required ***\n",
        "",
    ),
    ("var/run/reboot-required.pkgs", "linux-image\nlibc6\n", ""),
    (
        "sys/block/mmcblk0/stat",
        "   4130     1205   310458    20394     9120     8020   290456   182034        0    60210   202428\n",
        "   4190     1205   310938    20694     9240     8020   292456   182634        0    60510   203328\n",
    ),
    ("sys/block/mmcblk0/device/life_time", "0x01 0x0b\n", ""),
    ("sys/block/mmcblk0/device/pre_eol_info", "0x02\n", ""),
    (
        "sys/block/nvme0n1/stat",
        "   4130     1205   310458    20394     9120     8020   290456   182034        0    60210   202428\n",
        "   4190     1205   310938    20694     9240     8020   292456   182634        0    60510   203328\n",
    ),
    (
        "sys/devices/platform/soc/soc:firmware/get_throttled",
        "50005\n",
        "",
    ),
];

/// Calls of checks, and of plugins that keep nothing.
const CALLS: [&str; 19] = [
    "check-debian-reboot-required",
    "check-load -w 1,1,1 -c 5,5,5",
    "check-load -r -w 0.01,0.01,0.01 -c 0.02,5,5",
    "check-memory -w 50% -c 90%",
    "check-procs -p cron -C 1",
    "check-procs -s Z -C 0",
    "check-procs -u 1000 -W 0",
    "check-swap -w 100% -c 5%",
    "check-swap --required",
    "check-temperature -w 50 -c 60",
    "check-temperature --zone none",
    "check-uptime --warning-under 86400",
    "check-uptime --critical-over 2",
    "mackerel-plugin-conntrack",
    "mackerel-plugin-raspberrypi",
    "mackerel-plugin-temperature",
    "mackerel-plugin-temperature -metric-key-prefix=board",
    "mackerel-plugin-uptime",
    "mackerel-plugin-wifi",
];

/// Plugins that print changes: they run a second time a minute later.
const RATES: [&str; 4] = [
    "mackerel-plugin-linux",
    "mackerel-plugin-mmc-wear",
    "mackerel-plugin-multicore",
    "mackerel-plugin-pressure",
];

#[test]
fn applet_output_on_recorded_hosts() {
    let all = trees::all(Path::new("tests/fixtures"));
    let wanted = all.into_iter().filter(|host| HOSTS.contains(&&*host.name));
    let threads: Vec<_> = wanted
        .map(|host| thread::spawn(move || (host.name.clone(), said_on(&host))))
        .collect();
    assert_eq!(threads.len(), HOSTS.len());
    let mut wrong = String::new();
    for thread in threads {
        let (name, found) = thread.join().unwrap();
        let path = format!("{GOLDEN}/{name}.txt");
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if std::env::var_os(BLESS).is_some() {
            fs::write(&path, &found).unwrap();
        } else if found != expected {
            let mut pairs = expected.lines().zip(found.lines());
            let (at, now) = pairs
                .find(|(expected, found)| expected != found)
                .unwrap_or(("(fewer lines)", "(more lines)"));
            writeln!(wrong, "{path}:\n- {at}\n+ {now}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}If that is right: make bless");
}

/// What all calls print on this host: the content of its golden file.
fn said_on(host: &trees::Host) -> String {
    let mut sandbox = Sandbox::empty();
    let tree = sandbox.path("host");
    host.settle(&tree);
    let work = sandbox.path("work");
    fs::create_dir(&work).unwrap();
    for (path, first, _) in MORE {
        add(&tree, path, first);
    }
    sandbox.env("HOST_ROOT", &tree);
    sandbox.env("MACKEREL_PLUGIN_WORKDIR", &work);
    let top = tree.display().to_string();
    let mut text = String::new();
    let run = |call: &str| {
        let words: Vec<_> = call.split(' ').collect();
        sandbox.run_bare(&words)
    };
    for call in CALLS {
        record(&mut text, call, &run(call), &top);
    }
    for call in RATES {
        record(&mut text, call, &run(call), &top);
    }
    host.age(&tree);
    for (path, _, later) in MORE {
        if !later.is_empty() {
            add(&tree, path, later);
        }
    }
    for call in RATES {
        let finished = a_minute_later(&states(&work, call), || run(call));
        record(
            &mut text,
            &format!("{call} (a minute later)"),
            &finished,
            &top,
        );
    }
    text
}

/// Runs a plugin for which exactly a minute has passed since it wrote these states.
fn a_minute_later(states: &[(PathBuf, String)], run: impl Fn() -> Finished) -> Finished {
    for _ in 0..TURNS {
        let now = unix();
        for (path, state) in states {
            fs::write(path, aged(state, now - 60)).unwrap();
        }
        let finished = run();
        // Otherwise another second had begun when it asked for the time.
        let is_of = |state: String| aged(&state, now) == state;
        if states
            .iter()
            .all(|(path, _)| is_of(fs::read_to_string(path).unwrap()))
        {
            return finished;
        }
        thread::sleep(until_next_second());
    }
    panic!("not a minute in {TURNS} turns: {states:?}");
}

/// Adds a file to a host, unless it belongs to a device that the host lacks.
fn add(tree: &Path, path: &str, content: &str) {
    let device: Vec<_> = path.split('/').take(3).collect();
    if path.starts_with("sys/block/") && !tree.join(device.join("/")).exists() {
        return;
    }
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Adds a call and what it printed, without the times of metrics and the path of the host.
fn record(text: &mut String, call: &str, finished: &Finished, top: &str) {
    writeln!(text, "$ {call}").unwrap();
    for line in finished.stdout.lines() {
        let mut line = line.to_owned();
        if let Some((value, time)) = line.rsplit_once('\t')
            && time.parse::<u64>().is_ok()
        {
            line = format!("{value}\tTIME");
        }
        writeln!(text, "{}", line.replace(top, "HOST")).unwrap();
    }
    for line in finished.stderr.lines() {
        writeln!(text, "stderr: {}", line.replace(top, "HOST")).unwrap();
    }
    writeln!(text, "exit {}\n", finished.code.unwrap_or(-1)).unwrap();
}

/// The state files that a plugin has written, and their contents.
fn states(work: &Path, call: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(work).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // mackerel-plugin-mmc-wear names its file after the begin of its metrics: mmc-wear.
        if name.starts_with(call) {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// A state whose time is `time`.
fn aged(state: &str, time: u64) -> String {
    const TIME: &str = "\"_lastTime\":";
    let Some((before, rest)) = state.split_once(TIME) else {
        return state.to_owned();
    };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}{TIME}{time}{rest}")
}

/// Seconds since the epoch.
fn unix() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn until_next_second() -> Duration {
    Duration::from_nanos((1_000_000_000 - UNIX_EPOCH.elapsed().unwrap().subsec_nanos()).into())
}
