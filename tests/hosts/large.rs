//! Hosts that are too large to be kept as files. They are made by a rule, the same each time.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Makes a host in a directory.
pub(crate) type Make = fn(&Path);

/// The large hosts, by name.
pub(crate) const HOSTS: [(&str, Make); 3] = [
    ("256-cores", |tree| make(tree, 256, 1, 2)),
    ("2000-veths", |tree| make(tree, 2, 1, 2_000)),
    ("400-mounts", |tree| make(tree, 2, 400, 2)),
];

/// A host that is large in every way.
pub(crate) fn everything(tree: &Path) {
    make(tree, 256, 400, 2_000);
}

const HEAD: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

/// Makes a host with this number of cores, mounts of disks, and interfaces. All interfaces but two
/// are one end of a container's link.
fn make(tree: &Path, cores: usize, mounts: usize, interfaces: usize) {
    let write = |name: &str, text: &str| {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/debian_version", "12.9\n");
    write("proc/loadavg", "97.20 88.11 80.04 101/10210 918273\n");
    write("proc/meminfo", MEMINFO);
    write("proc/stat", &stat(cores));
    write("proc/cpuinfo", &cpuinfo(cores));
    write("proc/1/net/dev", &traffic(interfaces));
    write("proc/1/mountinfo", &mountinfo(mounts));
    write("proc/diskstats", &diskstats(mounts));
    std::os::unix::fs::symlink("1", tree.join("proc/self")).unwrap();
    std::os::unix::fs::symlink("self/net", tree.join("proc/net")).unwrap();
    for core in 0..cores {
        let directory = format!("sys/devices/system/cpu/cpu{core}");
        write(
            &format!("{directory}/cpufreq/cpuinfo_max_freq"),
            "3500000\n",
        );
    }
    for disk in 0..mounts {
        write(&format!("sys/block/{}/size", device(disk)), "20971520\n");
        write(&format!("sys/block/{}/removable", device(disk)), "0\n");
        // The sizes of mounted filesystems may be read.
        fs::create_dir_all(tree.join(point(disk).trim_start_matches('/'))).unwrap();
    }
    write("calls.json", &calls(mounts, interfaces));
}

/// `vda`, …, `vdz`, `vdaa`, …
fn device(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap());
    match number.checked_sub(26) {
        None => format!("vd{}", letter(number)),
        Some(rest) => format!("vd{}{}", letter(rest / 26), letter(rest)),
    }
}

fn point(number: usize) -> String {
    match number {
        0 => "/".to_owned(),
        number => format!("/srv/volumes/pvc-{number:08x}/data"),
    }
}

fn stat(cores: usize) -> String {
    let ticks = [
        182_731, 2_041, 61_022, 9_183_744, 8_122, 0, 2_711, 640, 0, 0,
    ];
    let line = |name: &str, times: usize| {
        let ticks = ticks.map(|ticks| (ticks * times).to_string());
        format!("{name} {}\n", ticks.join(" "))
    };
    let mut text = line("cpu ", cores);
    for core in 0..cores {
        text += &line(&format!("cpu{core}"), 1);
    }
    // Such hosts have thousands of interrupts, most of which never occur.
    let interrupts = " 0".repeat(cores * 16);
    write!(text, "intr 918273645 12 9{interrupts}\nctxt 1\nbtime 1732240000\nprocesses 918273\nprocs_running 101\nprocs_blocked 0\nsoftirq 7 1 1 1 1 1 1 1 0 0 0\n").unwrap();
    text
}

fn cpuinfo(cores: usize) -> String {
    let mut text = String::new();
    let half = (cores / 2).max(1);
    for cpu in 0..cores {
        write!(
            text,
            "processor\t: {cpu}\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\n\
             model name\t: AMD EPYC 9754 128-Core Processor\nstepping\t: 1\nmicrocode\t: 0xa101148\n\
             cpu MHz\t\t: {}.{:03}\ncache size\t: 1024 KB\nphysical id\t: {}\nsiblings\t: {half}\n\
             core id\t\t: {}\ncpu cores\t: {half}\n\
             flags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush \
             mmx fxsr sse sse2 ht syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm constant_tsc rep_good \
             amd_lbr_v2 nopl xtopology nonstop_tsc cpuid extd_apicid aperfmperf rapl pni pclmulqdq\n\
             bogomips\t: 4493.05\npower management: ts ttp tm hwpstate cpb eff_freq_ro [13] [14]\n\n",
            1500 + cpu,
            cpu * 3 % 1000,
            cpu / half,
            cpu % half,
        )
        .unwrap();
    }
    text
}

fn traffic(interfaces: usize) -> String {
    let mut text = HEAD.to_owned();
    for number in 0..interfaces {
        let name = match number {
            0 => "lo".to_owned(),
            1 => "eno1".to_owned(),
            number => format!("veth{number:07x}"),
        };
        writeln!(
            text,
            "{name:>6}: {:7} {:7}    0    0    0     0          0         0 {:8} {:7}    0    0    0     0       0          0",
            918_273_645 + number,
            8_120 + number,
            91_827_364 + number,
            4_410 + number
        )
        .unwrap();
    }
    text
}

fn mountinfo(mounts: usize) -> String {
    let mut text = String::new();
    for number in 0..mounts {
        let id = 22 + number;
        let parent = if number == 0 { 1 } else { 22 };
        let (point, device) = (point(number), device(number));
        let minor = number * 16;
        writeln!(
            text,
            "{id} {parent} 254:{minor} / {point} rw,relatime shared:{id} - ext4 /dev/{device} rw"
        )
        .unwrap();
    }
    text
}

fn diskstats(disks: usize) -> String {
    let mut text = String::new();
    for number in 0..disks {
        let (minor, device) = (number * 16, device(number));
        let reads = 9_000 + number;
        writeln!(
            text,
            " 254 {minor:7} {device} {reads} 20 48000 900 4000 30 96000 800 0 1700 1700 0 0 0 0 12 9"
        )
        .unwrap();
    }
    text
}

fn calls(mounts: usize, interfaces: usize) -> String {
    let sizes: Vec<String> = (0..mounts)
        .map(|number| {
            let point = point(number);
            format!(
                "    \"{point}\": [4096, {}, 1500000, 1400000]",
                2_560_000 + number
            )
        })
        .collect();
    let links: Vec<String> = (2..interfaces)
        .map(|number| {
            let name = format!("veth{number:07x}");
            format!("    {{\"name\": \"{name}\", \"mac\": \"02000000{number:04x}\", \"ipv4\": [], \"ipv6\": []}}")
        })
        .collect();
    let links = links
        .iter()
        .map(|link| format!(",\n{link}"))
        .collect::<String>();
    format!(
        "{{\n  \"about\": \"made by a rule\",\n  \"uname\": {{\"sysname\": \"Linux\", \"nodename\": \"large\", \
         \"release\": \"6.1.0-30-amd64\", \"version\": \"#1 SMP\", \"machine\": \"x86_64\"}},\n  \"links\": [\n    \
         {{\"name\": \"eno1\", \"mac\": \"020000000001\", \"ipv4\": [\"192.0.2.90\"], \"ipv6\": []}}{links}\n  ],\n  \
         \"statvfs\": {{\n{}\n  }}\n}}\n",
        sizes.join(",\n")
    )
}

const MEMINFO: &str = "\
MemTotal:       1056456732 kB
MemFree:        401208112 kB
MemAvailable:   812044120 kB
Buffers:         1203440 kB
Cached:         402144120 kB
SwapCached:            0 kB
SwapTotal:             0 kB
SwapFree:              0 kB
Dirty:             40804 kB
Slab:           21374152 kB
SReclaimable:   18272568 kB
";
