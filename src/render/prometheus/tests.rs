//! Whole expositions: their form, and the values of a recorded host.

use std::collections::HashSet;
use std::time::Duration;

use super::{AgentState, Cpus, Exposition, Mounted};
use crate::sys::fsstat::{Reply, Usage};
use crate::sys::uname::Uname;

const STAT: &str = include_str!("../../../tests/fixtures/two-core/t0/proc/stat");
const MEMINFO: &str = include_str!("../../../tests/fixtures/two-core/t0/proc/meminfo");
const DISKSTATS: &str = include_str!("../../../tests/fixtures/two-core/t0/proc/diskstats");
const NETDEV: &str = include_str!("../../../tests/fixtures/two-core/t0/proc/net/dev");

fn whole() -> String {
    let mut out = Exposition::default();
    let out_ = &mut out;
    assert!(Cpus::default().expose(STAT, out_));
    assert!(super::load("0.50 1.25 2.00 1/100 4321\n", out_));
    assert!(super::memory(MEMINFO, out_));
    assert!(super::disks(DISKSTATS, out_));
    assert!(super::interfaces(NETDEV, out_));
    super::interfaces_up(&[("eth0".to_owned(), true)], out_);
    let vmstat = "nr_free_pages 1\npgpgin 10\npgfault 20\nthp_fault_alloc 30\noom_kill 2\n";
    assert!(super::vmstat(vmstat, out_));
    assert!(super::open_files("1056\t0\t9223372036854775807\n", out_));
    let pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
    assert!(super::pressure("cpu", pressure, out_));
    assert!(super::pressure("io", pressure, out_));
    assert!(super::pressure("irq", "full avg10=0.00 total=3\n", out_));
    let mounted = |point: &str| Mounted {
        device: "/dev/sda1".to_owned(),
        point: point.into(),
        kind: "ext4".to_owned(),
        is_read_only: point == "/ro",
    };
    let usage = Usage::new(1000, 10, 7, 6).map_or(Reply::Failed, Reply::Usage);
    let replies = [usage, Reply::Failed, Reply::NoBlocks];
    super::filesystems(&["/", "/ro", "/none"].map(mounted), &replies, out_);
    super::time(Duration::from_millis(1_700_000_000_250), out_);
    super::uname(&Uname::default(), out_);
    super::collectors(&[("cpu", true), ("pressure", false)], out_);
    let state = AgentState {
        cpu_ticks: 150,
        resident_bytes: 1_000_000,
        measured_ago: Some(7),
        posted_ago: vec![("mackerel".to_owned(), Some(9)), ("b".to_owned(), None)],
        custom: vec![("uptime.days".to_owned(), 0.5), ("a.b".to_owned(), 3.0)],
    };
    super::agent(&state, out_);
    super::custom(&state.custom, out_);
    out.into_text()
}

#[test]
fn exposition_has_the_values_of_a_recorded_host() {
    let text = whole();
    for line in [
        r#"node_cpu_seconds_total{cpu="1",mode="user"} 5.00"#,
        r#"node_cpu_seconds_total{cpu="0",mode="idle"} 200.00"#,
        r#"node_cpu_guest_seconds_total{cpu="0",mode="nice"} 0.20"#,
        "node_context_switches_total 123456",
        "node_forks_total 4321",
        "node_intr_total 90210",
        "node_boot_time_seconds 1700000000",
        "node_procs_running 1",
        "node_load5 1.25",
        "node_memory_MemTotal_bytes 1048576000",
        "node_memory_Active_anon_bytes 104857600",
        "node_memory_HugePages_Total 0",
        r#"node_disk_reads_completed_total{device="sda"} 1000"#,
        r#"node_disk_writes_completed_total{device="dm-0"} 300"#,
        r#"node_network_up{device="eth0"} 1"#,
        "node_vmstat_pgfault 20",
        "node_vmstat_oom_kill 2",
        "node_filefd_maximum 9223372036854775807",
        "node_pressure_cpu_waiting_seconds_total 1.500000",
        "node_pressure_io_stalled_seconds_total 0.000007",
        "node_pressure_irq_stalled_seconds_total 0.000003",
        r#"node_filesystem_size_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 10000"#,
        r#"node_filesystem_avail_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 6000"#,
        r#"node_filesystem_readonly{device="/dev/sda1",fstype="ext4",mountpoint="/ro"} 1"#,
        r#"node_filesystem_device_error{device="/dev/sda1",fstype="ext4",mountpoint="/ro"} 1"#,
        "node_time_seconds 1700000000.250000",
        r#"node_scrape_collector_success{collector="pressure"} 0"#,
        "mackerel_agent_cpu_seconds_total 1.50",
        r#"mackerel_agent_posted_ago_seconds{destination="mackerel"} 9"#,
        r#"mackerel_custom{name="uptime.days"} 0.5"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
    for absent in [
        "thp_fault",
        "nr_free",
        "device=\"sda1\"",
        "device=\"loop0\"",
        "mountpoint=\"/none\"",
        "pressure_cpu_stalled",
        "node_filesystem_size_bytes{device=\"/dev/sda1\",fstype=\"ext4\",mountpoint=\"/ro\"}",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
}

/// Each family once, with HELP and TYPE before its samples; names and values of the format.
#[test]
fn exposition_is_of_the_text_format() {
    let text = whole();
    assert!(text.ends_with('\n'));
    let (mut families, mut series) = (HashSet::new(), HashSet::new());
    let mut current = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(
                help.ends_with('.') && families.insert(name.to_owned()),
                "{line}"
            );
            let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let (typed, kind) = kind.split_once(' ').unwrap();
            assert_eq!(typed, name);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            current = name.to_owned();
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        assert_eq!(name, current, "{line}");
        assert!(series.insert(sample), "twice: {line}");
        value.parse::<f64>().unwrap();
    }
}
