use std::os::unix::fs::symlink;

use crate::applets::testing::{Tree, said};

const NAME: &str = "mackerel-plugin-linux";

/// The printed values, sorted, without the time.
fn values(tree: &Tree, arguments: &str) -> Vec<String> {
    let printed = tree.run(NAME, arguments);
    assert_eq!((printed.code, &*printed.error), (0, ""));
    let lines = printed.output.lines();
    let mut lines: Vec<String> = lines
        .map(|line| line.rsplit_once('\t').unwrap().0.replace('\t', " "))
        .collect();
    lines.sort();
    lines
}

/// A host with two disks, beside a virtual, a removable and a Fusion-io one.
fn with_disks(read_ms: u64) -> Tree {
    let stat = |ms: u64| format!(" 10 0 80 {ms} 5 0 40 {} 0 {} {}\n", ms * 2, ms * 3, ms * 4);
    let tree = Tree::new(&[("sys/block/none", "")]);
    let disks = [
        ("sda", "pci0000:00/0000:00:1f.2/block/sda", "0\n"),
        ("cciss!c0d0", "pci0000:00/cciss0/block/cciss!c0d0", "0\n"),
        ("sdb", "pci0000:00/usb1/block/sdb", "1\n"),
        ("loop0", "virtual/block/loop0", "0\n"),
        ("fioa", "virtual/block/fioa", "0\n"),
    ];
    for (name, device, removable) in disks {
        let at = format!("sys/devices/{device}");
        tree.write(&format!("{at}/stat"), stat(read_ms));
        tree.write(&format!("{at}/removable"), removable);
        symlink(
            format!("../devices/{device}"),
            tree.path(&format!("sys/block/{name}")),
        )
        .unwrap();
    }
    tree
}

#[test]
fn plugin_linux_prints_changes_per_minute_of_recorded_hosts() {
    let first = Tree::recorded("two-core/t0");
    assert_eq!(values(&first, ""), ["linux.users.users 0.000000"]);
    let second = first.later(Tree::recorded("two-core/t60"), 60);
    assert_eq!(
        values(&second, ""),
        [
            "linux.context_switches.context_switches 6000.000000",
            "linux.forks.forks 0.000000",
            "linux.interrupts.interrupts 0.000000",
            "linux.swap.pswpin 0.000000",
            "linux.swap.pswpout 60.000000",
            "linux.users.users 0.000000",
        ]
    );
    // Less than a second later nothing is printed or saved.
    assert_eq!(second.run(NAME, ""), said(0, ""));
    let late = second.later(Tree::recorded("two-core/t60"), 601);
    assert_eq!(values(&late, ""), ["linux.users.users 0.000000"]);
    let reset = late.later(Tree::recorded("two-core/t0"), 60);
    assert_eq!(
        values(&reset, ""),
        [
            "linux.forks.forks 0.000000",
            "linux.interrupts.interrupts 0.000000",
            "linux.swap.pswpin 0.000000",
            "linux.users.users 0.000000",
        ]
    );
    for host in [
        "pi-1/t0",
        "pi-zero-w/t0",
        "openvz/t0",
        "damaged/bytes",
        "damaged/empty",
    ] {
        let tree = Tree::recorded(host);
        assert_eq!(values(&tree, ""), ["linux.users.users 0.000000"], "{host}");
        let again = tree.later(Tree::recorded(host), 60);
        let values = values(&again, "");
        let stat = values.iter().filter(|line| line.ends_with(" 0.000000"));
        assert_eq!(stat.count(), values.len(), "{host}: {values:?}");
    }
}

#[test]
fn plugin_linux_prints_times_of_disks_that_stay() {
    let first = with_disks(1000);
    assert_eq!(values(&first, "-type diskstats"), Vec::<String>::new());
    let second = first.later(with_disks(1500), 30);
    assert_eq!(
        values(&second, "-type diskstats"),
        [
            "linux.disk.elapsed.iotime_cciss_c0d0 3000.000000",
            "linux.disk.elapsed.iotime_fioa 3000.000000",
            "linux.disk.elapsed.iotime_sda 3000.000000",
            "linux.disk.elapsed.iotime_weighted_cciss_c0d0 4000.000000",
            "linux.disk.elapsed.iotime_weighted_fioa 4000.000000",
            "linux.disk.elapsed.iotime_weighted_sda 4000.000000",
            "linux.disk.rwtime.tsreading_cciss_c0d0 1000.000000",
            "linux.disk.rwtime.tsreading_fioa 1000.000000",
            "linux.disk.rwtime.tsreading_sda 1000.000000",
            "linux.disk.rwtime.tswriting_cciss_c0d0 2000.000000",
            "linux.disk.rwtime.tswriting_fioa 2000.000000",
            "linux.disk.rwtime.tswriting_sda 2000.000000",
        ]
    );
}

#[test]
fn plugin_linux_counts_sockets_by_state() {
    let inet = |states: &[&str]| {
        let mut table = "  sl  local_address rem_address   st tx_queue\n".to_owned();
        for state in states {
            table.push_str(&format!(
                "   0: 0100007F:0277 00000000:0000 {state} 0:0 0\n"
            ));
        }
        table
    };
    let tree = Tree::new(&[
        ("proc/net/tcp", &*inet(&["0A", "01", "01", "06", "08"])),
        ("proc/net/tcp6", &inet(&["0A", "03"])),
        ("proc/net/udp", &inet(&["07", "01"])),
        (
            "proc/net/unix",
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0: 00000002 00000000 00010000 0001 01 1 /run/a\n\
             0: 00000003 00000000 00000000 0001 03 2\n\
             0: 00000002 00000000 00000000 0002 01 3\n",
        ),
        (
            "proc/net/packet",
            "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0 3 3 0003 2 1 0 0 9\n",
        ),
    ]);
    assert_eq!(
        values(&tree, "--type=netstat -type users -p netstat"),
        [
            "linux.ss.CLOSE-WAIT 1.000000",
            "linux.ss.ESTAB 4.000000",
            "linux.ss.LISTEN 3.000000",
            "linux.ss.SYN-RECV 1.000000",
            "linux.ss.TIME-WAIT 1.000000",
            "linux.ss.UNCONN 3.000000",
            "linux.users.users 0.000000",
        ]
    );
}

#[test]
fn plugin_linux_counts_logins_of_utmp_or_of_systemd() {
    let session = |class: &str, state: &str| format!("UID=1000\nSTATE={state}\nCLASS={class}\n");
    let tree = Tree::new(&[
        ("run/systemd/sessions/1", &*session("user", "active")),
        ("run/systemd/sessions/2", &session("user-early", "online")),
        ("run/systemd/sessions/3", &session("user", "closing")),
        ("run/systemd/sessions/4", &session("manager", "active")),
        ("run/systemd/sessions/c1", &session("greeter", "active")),
        ("run/systemd/sessions/5.ref", "CLASS=user"),
    ]);
    assert_eq!(values(&tree, "-type users"), ["linux.users.users 2.000000"]);
    let mut record = vec![0; 384];
    record[0] = 7;
    record[44] = b'p';
    tree.write("run/utmp", &record);
    let tree = tree.later(tree.again(), 1);
    assert_eq!(values(&tree, "-type users"), ["linux.users.users 1.000000"]);
}

#[test]
fn plugin_linux_defines_the_graphs_of_its_types() {
    let tree = with_disks(1);
    let (graphs, metrics) = tree.graphs(NAME, "");
    assert_eq!(
        graphs,
        [
            "custom.linux.context_switches",
            "custom.linux.disk.elapsed",
            "custom.linux.disk.rwtime",
            "custom.linux.forks",
            "custom.linux.interrupts",
            "custom.linux.ss",
            "custom.linux.swap",
            "custom.linux.users",
        ]
    );
    assert_eq!(metrics.len(), 1 + 6 + 6 + 1 + 1 + 12 + 2 + 1);
    assert_eq!(metrics[1], "custom.linux.disk.elapsed.iotime_cciss_c0d0");
    let types = "-type swap -type diskstats -metric-key-prefix host";
    let (graphs, _) = Tree::new(&[]).graphs(NAME, types);
    assert_eq!(graphs, ["custom.host.swap"]);
}

#[test]
fn plugin_linux_names_an_unknown_type() {
    let printed = Tree::new(&[]).run(NAME, "-type disk");
    let expected = "mackerel-plugin-linux: --type: disk; write all, swap, netstat, diskstats, \
                    proc_stat or users; see mackerel-plugin-linux --help\n";
    assert_eq!((printed.code, &*printed.error), (1, expected));
}
