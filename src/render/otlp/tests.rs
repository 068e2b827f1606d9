//! Requests that rounds of fixtures become, decoded.

use std::fmt::Write;
use std::time::Duration;

use prost::Message;

use super::*;
use crate::base::Failures;
use crate::base::clock::{Moment, Unix};
use crate::collect::readings::extra::Wanted;
use crate::collect::{self, CollectContext};
use crate::sys::fsstat::{FsStats, Usage};
use crate::sys::root::Root;
use crate::wire::otlp as wire;

/// The boot of the host, and how old it is in the first round.
const BOOT: u64 = 1_700_000_000;
const AGE: u64 = 420;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The configuration `settings`, with one destination for each table `[[otlp]]`.
fn config(otlp: &[config::Otlp], settings: &str) -> Config {
    let mut config = Config::default();
    config.read(settings.as_bytes()).unwrap();
    config.otlp = otlp.to_vec();
    config
}

/// The readings of a fixture at the start.
fn readings(config: &Config, tree: &str) -> Readings {
    readings_at(config, tree, 0)
}

/// The readings of a fixture. Filesystems have 1000 bytes, of which 300 are used and 600 available.
fn readings_at(config: &Config, tree: &str, seconds: u64) -> Readings {
    let stats = FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)));
    let root = Root::at(["tests/fixtures/", tree].concat());
    let mut readings = readings_of(config, &root, stats);
    // Only the counters of the CPU, disks and interfaces are compared with others.
    let moment = Moment(Duration::from_secs(seconds));
    for taken in [
        readings.cpu.as_mut().map(|timed| &mut timed.moment),
        readings.disks.as_mut().map(|timed| &mut timed.moment),
        readings.interfaces.as_mut().map(|timed| &mut timed.moment),
    ] {
        taken.into_iter().for_each(|taken| *taken = moment);
    }
    readings
}

fn readings_of(config: &Config, root: &Root, stats: FsStats) -> Readings {
    let mut context = CollectContext {
        root,
        now: Moment(Duration::ZERO),
        buffer: &mut Vec::new(),
    };
    let mut collectors = collect::builtin(config, stats);
    let wanted = Wanted::of(config);
    collect::run(&mut collectors, &mut context, wanted, &mut Failures::new())
}

fn stamp(seconds: u64) -> Stamp {
    Stamp {
        wall: Unix(BOOT + AGE + seconds),
        age: AGE + seconds,
    }
}

fn encoded(rounds: &[&Round]) -> Vec<u8> {
    let mut out = Vec::new();
    let resource = Resource::new("web1", &[]);
    let time = |stamp: Stamp| Some((stamp.wall.0 * SECOND, BOOT * SECOND));
    let points: usize = rounds.iter().map(|round| round.len()).sum();
    assert_eq!(encode(rounds, &resource, &time, &mut out), points);
    let most: usize = rounds.iter().map(|round| round.encoded_bytes()).sum();
    assert!(
        out.len() <= most + rounds.len() * 50,
        "{} > {most}",
        out.len()
    );
    out
}

/// A line for each point: seconds since the first round, metric, kind, unit, attributes, value.
fn lines(request: &[u8]) -> String {
    let request = wire::MetricsRequest::decode(request).unwrap();
    let mut lines = String::new();
    for resource in request.resource_metrics {
        for metric in resource
            .scope_metrics
            .into_iter()
            .flat_map(|scope| scope.metrics)
        {
            let (kind, points) = match metric.data.unwrap() {
                wire::Data::Gauge(gauge) => ("gauge", gauge.points),
                wire::Data::Sum(sum) => {
                    assert_eq!(sum.temporality, wire::CUMULATIVE);
                    (
                        if sum.is_monotonic {
                            "counter"
                        } else {
                            "updown"
                        },
                        sum.points,
                    )
                }
            };
            for point in points {
                let start = if kind == "gauge" { 0 } else { BOOT * SECOND };
                assert_eq!(point.start_ns, start, "{}", metric.name);
                let seconds = point.time_ns / 1_000_000_000 - BOOT - AGE;
                let attributes = point.attributes.iter().map(|one| {
                    let text = one.value.clone().unwrap().text.unwrap();
                    format!("{}={text:?}", one.key)
                });
                let attributes: Vec<_> = attributes.collect();
                let (name, unit) = (&metric.name, &metric.unit);
                write!(lines, "{seconds} {name} {kind} {unit} ").unwrap();
                write!(lines, "{{{}}} ", attributes.join(",")).unwrap();
                match point.number.unwrap() {
                    wire::Number::Double(value) => writeln!(lines, "double {value}"),
                    wire::Number::Int(value) => writeln!(lines, "int {value}"),
                }
                .unwrap();
            }
        }
    }
    lines
}

/// A destination that receives everything.
fn everything() -> config::Otlp {
    let families = [
        Families::DISK_IO_TIME,
        Families::DISK_OPERATION_TIME,
        Families::DISK_WEIGHTED_IO_TIME,
        Families::DISK_PENDING_OPERATIONS,
        Families::DISK_MERGED,
        Families::NETWORK_PACKETS,
        Families::NETWORK_ERRORS,
        Families::NETWORK_DROPPED,
        Families::FILESYSTEM_INODES,
        Families::PAGING_FAULTS,
        Families::PAGING_OPERATIONS,
    ];
    let metrics = families
        .into_iter()
        .fold(Families::default(), Families::with);
    config::Otlp {
        per_cpu: true,
        metrics,
        ..config::Otlp::default()
    }
}

/// Fails if the golden file `name` is not `content`. With `BLESS` set, writes the file instead.
fn is_golden(name: &str, content: &[u8]) {
    let path = ["tests/golden/otlp/", name].concat();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, content).unwrap();
    }
    let golden = std::fs::read(&path).unwrap();
    assert!(golden == content, "{path} differs; `make bless` shows how");
}

/// The rounds of the fixture two-core, a minute apart.
fn two_core(destination: &config::Otlp) -> [Round; 2] {
    let config = config(std::slice::from_ref(destination), "");
    let mut otlp = Otlp::new(&config, destination);
    [("two-core/t0", 0), ("two-core/t60", 60)].map(|(tree, seconds)| {
        let mut round = otlp.round(&readings(&config, tree));
        round.set_stamp(stamp(seconds));
        round
    })
}

/// The golden files are also what `tests/peers/queries` evaluates the documented queries on.
#[test]
fn otlp_request_of_each_fixture_is_made_of_the_table() {
    let [first, second] = two_core(&config::Otlp::default());
    let request = encoded(&[&first, &second]);
    is_golden("request.bin", &request);
    is_golden("default.txt", lines(&request).as_bytes());
    let [_, second] = two_core(&everything());
    is_golden("everything.txt", lines(&encoded(&[&second])).as_bytes());

    let config = config(&[], "");
    let [before, now] = ["two-core/t0", "two-core/t60"].map(|tree| {
        let seconds = if tree.ends_with("60") { 60 } else { 0 };
        readings_at(&config, tree, seconds)
    });
    let values = crate::render::mackerel::Mackerel::new(&config).values(&before, &now, 0);
    let values: Vec<_> = values
        .iter()
        .map(|(name, value)| format!("{name} {value}\n"))
        .collect();
    is_golden("mackerel.txt", values.concat().as_bytes());
}

#[test]
fn otlp_series_of_a_small_host_are_34() {
    let destination = config::Otlp::default();
    let settings = "disks.ignore = '^(loop|sd.1|cciss)'\ninterfaces.ignore = '_100$|wlan'\n\
                    filesystems.ignore = 'sdb1'\n";
    let config = config(std::slice::from_ref(&destination), settings);
    let mut otlp = Otlp::new(&config, &destination);
    let mut round = otlp.round(&readings(&config, "two-core/t0"));
    round.set_stamp(stamp(0));
    // One disk, one interface, one swap and two filesystems.
    assert_eq!(round.len(), 34);
    let text = lines(&encoded(&[&round]));
    for (device, is_sent) in [
        ("sda", true),
        ("eth0", true),
        ("/dev/sda2", true),
        ("/dev/sda1", true),
        ("/dev/mapper/vg-var", true),
        ("sda1", false),
        ("eth0.100", false),
        ("lo", false),
        ("veth12ab", false),
        ("dm-0", false),
        ("/dev/sdb1", false),
    ] {
        let attribute = format!("device=\"{device}\"");
        assert_eq!(text.contains(&attribute), is_sent, "{device}");
    }
    assert!(round.held_bytes() > otlp.round(&readings(&config, "two-core/t0")).held_bytes());
    assert!(otlp.round(&readings(&config, "two-core/t60")).held_bytes() < 500);
}

#[test]
fn otlp_rounds_have_what_each_host_has() {
    // (why this row exists, tree, a part of the lines, whether it is there)
    let table = [
        (
            "MemAvailable came with Linux 3.14",
            "kernel-2.6.32",
            "system.linux.memory.available",
            false,
        ),
        (
            "what is used is the rest then",
            "kernel-2.6.32",
            "system.memory.usage updown By {state=\"used\"} int ",
            true,
        ),
        ("no swap", "lxc-no-diskstats", "system.paging.usage", false),
        (
            "no disks",
            "lxc-no-diskstats",
            "system.disk.operations",
            false,
        ),
        ("no vmstat", "pi-1/t0", "system.paging.faults", false),
    ];
    let destination = everything();
    let config = config(std::slice::from_ref(&destination), "");
    for (why, tree, part, is_there) in table {
        let round = Otlp::new(&config, &destination).round(&readings(&config, tree));
        let text = lines(&encoded(&[&Round {
            stamp: stamp(0),
            ..round
        }]));
        assert_eq!(text.contains(part), is_there, "{why}\n{text}");
    }
}

#[test]
fn otlp_values_of_devices_are_those_of_their_columns() {
    let tree = tempfile::tempdir().unwrap();
    let proc = tree.path().join("proc");
    std::fs::create_dir_all(proc.join("net")).unwrap();
    std::fs::create_dir_all(proc.join("self")).unwrap();
    let disk = "8 0 sda 1 2 3 4 5 6 7 8 -1 10 11\n";
    std::fs::write(proc.join("diskstats"), disk).unwrap();
    let interface = "e0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    std::fs::write(proc.join("net/dev"), interface).unwrap();
    let mount = "20 1 8:1 / / rw - ext4 /dev/sda1 ro\n";
    std::fs::write(proc.join("self/mountinfo"), mount).unwrap();
    let destination = everything();
    let config = config(std::slice::from_ref(&destination), "");
    let usage = Usage {
        total_bytes: 1000,
        used_bytes: 300,
        available_bytes: 600,
        files: 50,
        files_free: 20,
    };
    let stats = FsStats::answering(move |_| Ok(Some(usage)));
    let readings = readings_of(&config, &Root::at(tree.path()), stats);
    let mut round = Otlp::new(&config, &destination).round(&readings);
    round.set_stamp(stamp(0));
    let text = lines(&encoded(&[&round]));
    let values = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let name = words[1].strip_prefix("system.").unwrap();
        let attributes = words[4].trim_matches(['{', '}']);
        let last = attributes.rsplit(',').next().unwrap();
        format!("{name} {last} {}", words[6])
    });
    // -1 requests in flight are unknown.
    let expected = "\
disk.operations direction=\"read\" 1
disk.operations direction=\"write\" 5
disk.io direction=\"read\" 1536
disk.io direction=\"write\" 3584
disk.io_time device=\"sda\" 0.01
disk.operation_time direction=\"read\" 0.004
disk.operation_time direction=\"write\" 0.008
disk.weighted_io_time device=\"sda\" 0.011
disk.merged direction=\"read\" 2
disk.merged direction=\"write\" 6
network.io direction=\"receive\" 1
network.io direction=\"transmit\" 9
network.packets direction=\"receive\" 2
network.packets direction=\"transmit\" 10
network.errors direction=\"receive\" 3
network.errors direction=\"transmit\" 11
network.dropped direction=\"receive\" 4
network.dropped direction=\"transmit\" 12
filesystem.usage state=\"used\" 300
filesystem.usage state=\"free\" 600
filesystem.usage state=\"reserved\" 100
filesystem.inodes.usage state=\"used\" 30
filesystem.inodes.usage state=\"free\" 20";
    let values: Vec<_> = values.collect();
    assert_eq!(values.join("\n"), expected);
    assert!(text.contains("mode=\"ro\",mountpoint=\"/\",type=\"ext4\""));
}

#[test]
fn otlp_rounds_of_plugins_and_checks_are_gauges() {
    let mut values = Values::default();
    values.put_any("custom.memcached.hits", -1.5);
    let custom = Round::custom(&Arc::new(values), stamp(0));
    let check = Round::check("ssh", 2, stamp(60));
    let expected = "0 custom.memcached.hits gauge  {} double -1.5\n\
                    60 mackerel.check.status gauge 1 {check=\"ssh\"} int 2\n";
    assert_eq!(lines(&encoded(&[&custom, &check])), expected);
    assert!(Round::custom(&Arc::default(), stamp(0)).is_empty());
}

#[test]
fn otlp_rounds_of_containers_have_the_names_of_the_conventions() {
    use crate::collect::readings::{ControlGroup, GroupCpu, GroupDetails, GroupMemory};
    let group = |name: &str, limit_bytes| ControlGroup {
        path: String::new(),
        name: name.to_owned(),
        cpu: Some(GroupCpu {
            used_ns: Some(1_500_000_000),
            limit_percent: None,
        }),
        memory: Some(GroupMemory {
            used_bytes: Some(100),
            limit_bytes,
        }),
        details: GroupDetails::default(),
    };
    let mut bare = group("bare", None);
    (bare.cpu, bare.memory) = (None, None);
    let groups = vec![group("app", Some(250.0)), group("db", None), bare];
    let reading = crate::collect::readings::ContainerReadings {
        host_cores: None,
        host_memory_bytes: None,
        groups,
    };
    let now = Readings {
        containers: Some(crate::collect::readings::Timed {
            moment: Moment(Duration::ZERO),
            reading,
        }),
        ..Readings::default()
    };
    let mut round = Otlp::new(&Config::default(), &config::Otlp::default()).round(&now);
    round.set_stamp(stamp(0));
    let expected = "\
0 container.cpu.time counter s {container.name=\"app\"} double 1.5
0 container.cpu.time counter s {container.name=\"db\"} double 1.5
0 container.memory.usage updown By {container.name=\"app\"} int 100
0 container.memory.usage updown By {container.name=\"db\"} int 100
0 container.memory.available updown By {container.name=\"app\"} int 150
";
    assert_eq!(lines(&encoded(&[&round])), expected);
}

#[test]
fn otlp_request_leaves_out_rounds_of_unknown_time() {
    let [first, second] = two_core(&config::Otlp::default());
    let resource = Resource::new("web1", &[]);
    let mut out = Vec::new();
    let late =
        |stamp: Stamp| (stamp.age > AGE).then_some(((BOOT + AGE + 60) * SECOND, BOOT * SECOND));
    let count = encode(&[&first, &second], &resource, &late, &mut out);
    assert_eq!(count, second.len());
    assert_eq!(out, encoded(&[&second]));
    // What two calls append is one request.
    encode(&[&second], &resource, &late, &mut out);
    assert_eq!(out, encoded(&[&second, &second]));
}

/// Both clocks are cut to seconds at different phases.
#[test]
fn otlp_sums_start_at_the_boot_whatever_the_age() {
    // (why this row exists, seconds since the boot by the wall clock, by the other, start)
    let table = [
        ("the clocks agree", 420, 420, BOOT),
        ("the other is behind", 420, 419, BOOT),
        ("the wall clock was set back", 0, 20, BOOT),
        ("it was set back to before the boot", -10, 20, BOOT - 10),
    ]
    .map(|(why, wall, age, start)| (why, BOOT.saturating_add_signed(wall), age, start));
    for (why, wall, age, start) in table {
        let [mut round, _] = two_core(&config::Otlp::default());
        round.set_stamp(Stamp {
            wall: Unix(wall),
            age,
        });
        let mut out = Vec::new();
        let time = |stamp: Stamp| Some((stamp.wall.0 * SECOND, BOOT * SECOND));
        encode(&[&round], &Resource::new("web1", &[]), &time, &mut out);
        let request = wire::MetricsRequest::decode(&*out).unwrap();
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let starts = metrics.iter().filter_map(|metric| match &metric.data {
            Some(wire::Data::Sum(sum)) => Some(sum.points[0].start_ns),
            _ => None,
        });
        let starts: Vec<u64> = starts.collect();
        assert!(!starts.is_empty(), "{why}");
        assert!(starts.iter().all(|at| *at == start * SECOND), "{why}");
    }
}

#[test]
fn otlp_resource_has_the_configured_attributes() {
    let pairs = [("os.type", "plan9"), ("service.name", "shop")];
    let configured = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let resource = Resource::new("web1", &configured);
    let mut out = Vec::new();
    let round = Round::check("ssh", 0, stamp(0));
    encode(&[&round], &resource, &|_| Some((1, 0)), &mut out);
    let request = wire::MetricsRequest::decode(&*out).unwrap();
    let resource = request.resource_metrics[0].resource.clone().unwrap();
    let mut expected = pairs
        .map(|(key, value)| wire::KeyValue::new(key, value))
        .to_vec();
    expected.push(wire::KeyValue::new("host.name", "web1"));
    assert_eq!(resource.attributes, expected);
}

#[test]
fn readings_for_otlp_are_not_taken_without_a_destination() {
    let tree = tempfile::tempdir().unwrap();
    let proc = tree.path().join("proc");
    // A directory in place of each file fails whoever reads it.
    for name in ["swaps", "vmstat"] {
        std::fs::create_dir_all(proc.join(name)).unwrap();
    }
    std::fs::write(proc.join("meminfo"), "MemTotal: 4 kB\n").unwrap();
    // (destinations, whether the collector of memory fails)
    for (otlp, fails) in [(vec![], false), (vec![config::Otlp::default()], true)] {
        let config = config(&otlp, "");
        let mut context = CollectContext {
            root: &Root::at(tree.path()),
            now: Moment(Duration::ZERO),
            buffer: &mut Vec::new(),
        };
        let mut failures = Failures::new();
        let stats = FsStats::answering(|_| Ok(None));
        let mut collectors = collect::builtin(&config, stats);
        collectors.retain(|collector| collector.name() == "memory");
        let wanted = Wanted::of(&config);
        let readings = collect::run(&mut collectors, &mut context, wanted, &mut failures);
        assert_eq!(failures.len(), usize::from(fails));
        assert_eq!(readings.extra.is_some(), fails);
    }
    let readings = readings(&config(&[], ""), "two-core/t0");
    let mounts = readings.filesystems.unwrap().mounts;
    assert!(mounts.iter().all(|mounted| mounted.kind.is_empty()));
}
