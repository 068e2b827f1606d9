use std::os::unix::fs::symlink;

use crate::applets::testing::{Tree, said};

/// A process: ids of itself and of its parent, state, name, command line with `|` for NUL, user,
/// virtual and resident memory in KiB, threads, CPU ticks in user and kernel mode, start in ticks.
type Row = (
    u32,
    u32,
    &'static str,
    &'static str,
    &'static str,
    u32,
    [u32; 2],
    u32,
    [u32; 2],
    u32,
);

/// The host has been up for 1000 s. 42 is the check.
const PROCESSES: [Row; 10] = [
    (
        1,
        0,
        "S",
        "systemd",
        "/sbin/init|splash|",
        0,
        [170_000, 12_000],
        1,
        [500, 500],
        0,
    ),
    (2, 0, "S", "kthreadd", "", 0, [0, 0], 1, [0, 0], 0),
    (
        10,
        2,
        "I",
        "kworker/0:0-events",
        "",
        0,
        [0, 0],
        1,
        [0, 20],
        0,
    ),
    (
        41,
        1,
        "S",
        "mackerel-agent",
        "mackerel-agent|",
        0,
        [3_000, 2_000],
        5,
        [9, 9],
        3_000,
    ),
    (
        42,
        41,
        "R",
        "check-procs",
        "check-procs|-p|nginx|",
        0,
        [900, 300],
        1,
        [0, 0],
        99_999,
    ),
    (
        100,
        1,
        "S",
        "nginx",
        "nginx: master  process|||",
        0,
        [10_000, 2_000],
        1,
        [0, 99],
        50_000,
    ),
    (
        101,
        100,
        "S",
        "nginx",
        "nginx: worker\nprocess|",
        33,
        [12_000, 5_000],
        4,
        [30_000, 0],
        60_000,
    ),
    (
        102,
        100,
        "D",
        "nginx",
        "nginx: worker process|",
        33,
        [12_000, 7_000],
        4,
        [60, 40],
        90_000,
    ),
    (103, 100, "Z", "nginx", "", 33, [0, 0], 1, [0, 0], 95_000),
    (
        104,
        1,
        "S",
        "systemd-network",
        "/lib/systemd/systemd-networkd|",
        998,
        [9, 9],
        1,
        [0, 0],
        0,
    ),
];

fn host() -> Tree {
    let tree = Tree::new(&[
        ("proc/uptime", "1000.00 1.00\n"),
        ("proc/stat", "cpu 1 2 3 4\n"),
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\n\
             systemd-network:x:998:998::/:/bin/false\nsystemd-resolve:x:997:997::/:/bin/false\n",
        ),
    ]);
    for (pid, parent, state, name, command, user, [vsz, rss], threads, cpu, start) in PROCESSES {
        let [utime, stime] = cpu;
        let stat = format!(
            "{pid} ({name}) {state} {parent} 1 1 0 -1 64 1 0 0 0 {utime} {stime} 7 7 20 0 \
             {threads} 0 {start} 1 1\n"
        );
        let mut status = format!("Name:\t{name}\nUid:\t1000\t{user}\t0\t0\n");
        if vsz > 0 {
            status += &format!("VmPeak:\t99 kB\nVmSize:\t{vsz:>8} kB\nVmRSS:\t{rss:>8} kB\n");
        }
        tree.write(&format!("proc/{pid}/stat"), stat);
        tree.write(&format!("proc/{pid}/status"), status);
        tree.write(&format!("proc/{pid}/cmdline"), command.replace('|', "\0"));
    }
    symlink("42", tree.path("proc/self")).unwrap();
    tree
}

#[test]
fn check_procs_counts_processes_that_match() {
    let tree = host();
    // (why this row exists, arguments, count, the message after it)
    let table = [
        ("all but itself and its parent", "", 8, ""),
        ("with itself", "-m", 9, ""),
        ("with its parent", "--match-parent", 9, ""),
        ("with both", "-mM", 10, ""),
        ("a name in brackets, too", "-p nginx", 4, "; cmd /nginx/"),
        (
            "itself by its command line",
            "-m -p nginx",
            5,
            "; cmd /nginx/",
        ),
        ("anchored", "-p ^nginx", 3, "; cmd /^nginx/"),
        (
            "one blank between words",
            "-p master.process$",
            1,
            "; cmd /master.process$/",
        ),
        (
            "a control character",
            r"-p worker\?process",
            1,
            r"; cmd /worker\?process/",
        ),
        (
            "a thread of the kernel",
            r"-p ^\[kworker/0:0-events\]$",
            1,
            r"; cmd /^\[kworker/0:0-events\]$/",
        ),
        (
            "a zombie",
            "-p ^.nginx..<defunct>$",
            1,
            "; cmd /^.nginx..<defunct>$/",
        ),
        ("without workers", "-p nginx -x worker", 2, "; cmd /nginx/"),
        ("excluded alone", "-x nginx", 4, ""),
        ("no pattern to exclude", "-x=", 8, ""),
        ("state", "-s Z", 1, "; state /Z/"),
        ("user", "-u www-data", 3, "; user /www-data/"),
        ("id of a user", "-u 33", 3, "; user /33/"),
        (
            "long name",
            "-u systemd-network",
            1,
            "; user /systemd-network/",
        ),
        (
            "long name as ps cuts it",
            "-u systemd+",
            1,
            "; user /systemd+/",
        ),
        ("other users", "-U root", 4, "; usernot /root/"),
        ("parent", "--ppid 100", 3, "; ppid 100"),
        ("id", "-f 101", 1, "; pid 101"),
        (
            "virtual memory",
            "-p nginx -z 10000",
            2,
            "; cmd /nginx/; vsz < 10000",
        ),
        (
            "resident memory",
            "-p nginx -r 5000",
            3,
            "; cmd /nginx/; rss < 5000",
        ),
        (
            "CPU below",
            "-p nginx -P 74.9",
            3,
            "; cmd /nginx/; pcpu < 74.900000",
        ),
        (
            "CPU equal",
            "-p nginx -P 75",
            4,
            "; cmd /nginx/; pcpu < 75.000000",
        ),
        ("threads", "-p nginx -T 1", 2, "; cmd /nginx/; thcount < 1"),
        ("older", "-p nginx -e 400", 1, "; cmd /nginx/; esec > 400"),
        (
            "an age",
            "-p nginx -e 399 -E 500",
            1,
            "; cmd /nginx/; esec < 500; esec > 399",
        ),
        (
            "CPU time over",
            "-p nginx -i 299",
            1,
            "; cmd /nginx/; csec > 299",
        ),
        (
            "CPU time under",
            "-p nginx -I 1",
            2,
            "; cmd /nginx/; csec < 1",
        ),
        (
            "the order of the message",
            "-f 101 --ppid 100 -i 1 -I 999 -e 1 -E 999 -T 9 -P 99 -r 9999 -z 99999 -U root \
             -u www-data -s S -p .",
            1,
            "; cmd /./; state /S/; user /www-data/; usernot /root/; vsz < 99999; rss < 9999; \
             pcpu < 99.000000; thcount < 9; esec < 999; esec > 1; csec < 999; csec > 1; ppid 100; \
             pid 101",
        ),
    ];
    for (why, arguments, count, rest) in table {
        let expected = format!("Procs OK: \nFound {count} matching processes{rest}\n");
        let found = tree.run("check-procs", arguments);
        assert_eq!(found, said(0, &expected), "{why}: {arguments}");
    }
}

#[test]
fn check_procs_compares_counts() {
    let tree = host();
    let none = "\nFound 0 matching processes; cmd /nosuch/";
    let four = "\nFound 4 matching processes; cmd /nginx/";
    let both = [none, four].concat();
    // (why this row exists, arguments, exit code, status, message)
    let table = [
        ("one is the least", "-p nosuch", 2, "CRITICAL", none),
        ("no lower limit", "-p nosuch -C 0", 1, "WARNING", none),
        ("none at all", "-p nosuch -C 0 -W 0", 0, "OK", none),
        ("too few", "-p nginx -W 5", 1, "WARNING", four),
        (
            "too few, old flag",
            "-p nginx --warn-under=5",
            1,
            "WARNING",
            four,
        ),
        ("far too few", "-p nginx -W 5 -C 5", 2, "CRITICAL", four),
        ("enough", "-p nginx -W 4 -C 4 -w 4 -c 4", 0, "OK", four),
        ("too many", "-p nginx -w 3", 1, "WARNING", four),
        (
            "too many, old flag",
            "-p nginx --warn-over 3",
            1,
            "WARNING",
            four,
        ),
        ("far too many", "-p nginx -w 3 -c 3", 2, "CRITICAL", four),
        (
            "each pattern counts",
            "-p nosuch -p nginx",
            2,
            "CRITICAL",
            &both,
        ),
    ];
    for (why, arguments, code, status, message) in table {
        let expected = format!("Procs {status}: {message}\n");
        let found = tree.run("check-procs", arguments);
        assert_eq!(found, said(code, &expected), "{why}: {arguments}");
    }
}

#[test]
fn check_procs_names_what_is_wrong() {
    let tree = host();
    let why = "Procs UNKNOWN: error parsing regexp: missing closing ]: `[a`\n";
    for arguments in ["-p [a", "-p nginx -x [a"] {
        assert_eq!(
            tree.run("check-procs", arguments),
            said(3, why),
            "{arguments}"
        );
    }
    for arguments in ["-w x", "-T 1.5", "-P x", "--what"] {
        let found = tree.run("check-procs", arguments);
        assert_eq!((found.code, &*found.output), (1, ""), "{arguments}");
    }
}
