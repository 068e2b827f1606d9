//! Figures of the machine: `df -Pkl`, `ip -j addr`, and its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::Comparison;

/// A line of `df -Pkl`: total, used and available kB, then the share and the mount point.
type Df = ([f64; 3], String, String);

/// The figures of the machine at one moment.
pub(crate) struct Machine {
    /// By the first column. Of several lines the last one counts.
    df: BTreeMap<String, Df>,
    /// Bytes by the name of the metric.
    memory: BTreeMap<&'static str, f64>,
    load: Vec<f64>,
}

impl Machine {
    pub(crate) fn now() -> Machine {
        let df = run("df", &["-Pkl"]);
        let df = df.lines().skip(1).filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let name = words.next()?.to_owned();
            let mut number = || words.next()?.parse().ok();
            let sizes = [number()?, number()?, number()?];
            let share = words.next()?.to_owned();
            Some((name, (sizes, share, words.collect::<Vec<_>>().join(" "))))
        });
        let meminfo = read("/proc/meminfo");
        let kib = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
            let number = line
                .trim_start_matches(':')
                .split_ascii_whitespace()
                .next()?;
            Some(number.parse::<f64>().unwrap() * 1024.0)
        };
        let fields = [
            ("memory.total", "MemTotal:"),
            ("memory.mem_available", "MemAvailable:"),
            ("memory.swap_total", "SwapTotal:"),
            ("memory.swap_free", "SwapFree:"),
            ("memory.swap_cached", "SwapCached:"),
        ];
        let load = read("/proc/loadavg");
        Machine {
            df: df.collect(),
            memory: fields
                .into_iter()
                .filter_map(|(name, field)| Some((name, kib(field)?)))
                .collect(),
            load: load
                .split(' ')
                .take(3)
                .map(|word| word.parse().unwrap())
                .collect(),
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn read(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// Compares an agent's values with the machine before and after.
pub(crate) fn compare(comparison: &mut Comparison, agent: &Value, machine: [&Machine; 2]) {
    let meta = &agent["host"]["meta"];
    let values = &agent["metrics"]["Values"][0]["Values"];
    filesystems(comparison, meta, values, machine);
    for name in machine[0].memory.keys() {
        let value = values[name]["Value"].as_f64().unwrap_or(f64::NAN);
        comparison.between(
            "memory, of /proc/meminfo",
            name,
            value,
            drift(machine.map(|m| m.memory[name])),
        );
    }
    for (at, name) in ["loadavg1", "loadavg5", "loadavg15"].iter().enumerate() {
        let value = values[name]["Value"].as_f64().unwrap_or(f64::NAN);
        comparison.between(
            "load, of /proc/loadavg",
            name,
            value,
            machine.map(|m| m.load[at]),
        );
    }
    names(comparison, values);
    interfaces(comparison, &agent["host"]["interfaces"]);
    kernel(comparison, agent);
    blocks(comparison, &meta["block_device"]);
}

/// Widens a range by two hundredths: free space changes between the readings.
fn drift(range: [f64; 2]) -> [f64; 2] {
    let [low, high] = [range[0].min(range[1]), range[0].max(range[1])];
    [low * 0.98, high * 1.02]
}

fn filesystems(comparison: &mut Comparison, meta: &Value, values: &Value, machine: [&Machine; 2]) {
    let kind = "filesystems, of df -Pkl";
    let [before, after] = machine.map(|machine| &machine.df);
    let empty = serde_json::Map::new();
    let described = meta["filesystem"].as_object().unwrap_or(&empty);
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<BTreeSet<_>>();
    comparison.equal(
        kind,
        "names",
        &names(described.keys().collect()),
        &names(before.keys().collect()),
    );
    for (name, (sizes, share, point)) in before {
        let (Some(found), Some((later, later_share, _))) = (described.get(name), after.get(name))
        else {
            continue;
        };
        for (at, key) in ["kb_size", "kb_used", "kb_available"].iter().enumerate() {
            let number = found[key].as_f64().unwrap_or(f64::NAN);
            comparison.between(
                kind,
                &format!("{name} {key}"),
                number,
                [sizes[at], later[at]],
            );
        }
        let text = found["percent_used"].as_str().unwrap_or_default();
        comparison.note(kind, text == share || text == later_share, || {
            format!("{name}: {text}, not {share} or {later_share}")
        });
        comparison.equal(
            kind,
            name,
            &found["mount"].as_str().unwrap_or_default(),
            &point.as_str(),
        );
        let Some(device) = name.strip_prefix("/dev/") else {
            continue;
        };
        let bytes = |sizes: &[f64; 3]| [(sizes[1] + sizes[2]) * 1024.0, sizes[1] * 1024.0];
        for (at, what) in ["size", "used"].iter().enumerate() {
            let name = format!("filesystem.{}.{what}", segment(device));
            let value = values[&name]["Value"].as_f64().unwrap_or(f64::NAN);
            comparison.between(kind, &name, value, [bytes(sizes)[at], bytes(later)[at]]);
        }
    }
}

fn segment(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

/// Which interfaces and disks have metrics.
fn names(comparison: &mut Comparison, values: &Value) {
    let all = values.as_object().unwrap();
    let found = |prefix: &str, suffix: &str| -> BTreeSet<String> {
        let name =
            |name: &String| Some(name.strip_prefix(prefix)?.strip_suffix(suffix)?.to_owned());
        all.keys().filter_map(name).collect()
    };
    let traffic = read("/proc/net/dev");
    let interfaces = traffic
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let interfaces = interfaces.filter(|name| *name != "lo" && !name.starts_with("veth"));
    let kind = "names of metrics, of /proc";
    let expected: BTreeSet<String> = interfaces.map(segment).collect();
    comparison.equal(
        kind,
        "interfaces",
        &found("interface.", ".rxBytes.delta"),
        &expected,
    );
    let disks = read("/proc/diskstats");
    let disks = disks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let has_worked = words.get(3..14)?.iter().any(|word| *word != "0");
        (has_worked && !words[2].starts_with("dm-")).then(|| segment(words[2]))
    });
    let expected: BTreeSet<String> = disks.collect();
    comparison.equal(kind, "disks", &found("disk.", ".reads.delta"), &expected);
    let stat = read("/proc/stat");
    let cores = stat
        .lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "));
    let sum: f64 = all
        .iter()
        .filter(|(name, _)| name.starts_with("cpu."))
        .filter_map(|(_, value)| value["Value"].as_f64())
        .sum();
    let all_cores = cores.count() as f64 * 100.0;
    comparison.between(
        "CPU, of /proc/stat",
        "sum of all states",
        sum,
        [all_cores - 0.01, all_cores + 0.01],
    );
}

/// Interfaces with an address that is not loopback.
fn interfaces(comparison: &mut Comparison, found: &Value) {
    let told = run("ip", &["-j", "addr"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let texts = |list: &Value| -> BTreeSet<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let mut expected = BTreeMap::new();
    for link in told.as_array().unwrap() {
        let of = |family: &str| -> BTreeSet<String> {
            let all = link["addr_info"].as_array().unwrap().iter();
            let own = all.filter(|address| address["family"] == family);
            own.map(|address| address["local"].as_str().unwrap().to_owned())
                .collect()
        };
        let (ipv4, ipv6) = (of("inet"), of("inet6"));
        let is_loopback = |ip: &String| ip.starts_with("127.") || ip == "::1";
        if ipv4.iter().chain(&ipv6).all(is_loopback) {
            continue;
        }
        let mac = link["address"]
            .as_str()
            .filter(|mac| mac.len() == 17 && *mac != "00:00:00:00:00:00");
        let name = link["ifname"].as_str().unwrap();
        expected.insert(name.to_owned(), (mac.map(str::to_owned), ipv4, ipv6));
    }
    let found = found.as_array().map(Vec::as_slice).unwrap_or_default();
    let found: BTreeMap<_, _> = found
        .iter()
        .map(|link| {
            let mac = link["macAddress"].as_str().map(str::to_owned);
            let name = link["name"].as_str().unwrap().to_owned();
            (
                name,
                (
                    mac,
                    texts(&link["ipv4Addresses"]),
                    texts(&link["ipv6Addresses"]),
                ),
            )
        })
        .collect();
    let kind = "interfaces, of ip -j addr";
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    comparison.equal(
        kind,
        "names",
        &names(found.keys().collect()),
        &names(expected.keys().collect()),
    );
    for (name, link) in &expected {
        if let Some(found) = found.get(name) {
            comparison.equal(kind, name, found, link);
        }
    }
}

fn kernel(comparison: &mut Comparison, agent: &Value) {
    let kernel = &agent["host"]["meta"]["kernel"];
    for (key, flag) in [
        ("name", "-s"),
        ("release", "-r"),
        ("version", "-v"),
        ("machine", "-m"),
        ("os", "-o"),
    ] {
        let told = run("uname", &[flag]);
        let found = kernel[key].as_str().unwrap_or_default();
        comparison.equal("kernel, of uname", key, &found, &told.trim());
    }
    let name = agent["host"]["name"].as_str().unwrap_or_default();
    comparison.equal(
        "kernel, of uname",
        "host name",
        &name,
        &run("uname", &["-n"]).trim(),
    );
    let cpuinfo = read("/proc/cpuinfo");
    let is_processor = |line: &&str| {
        line.split(':')
            .next()
            .is_some_and(|key| key.trim() == "processor")
    };
    let count = agent["host"]["meta"]["cpu"].as_array().map_or(0, Vec::len);
    comparison.equal(
        "CPUs, of /proc/cpuinfo",
        "number",
        &count,
        &cpuinfo.lines().filter(is_processor).count(),
    );
}

fn blocks(comparison: &mut Comparison, found: &Value) {
    let kind = "block devices, of /sys/block";
    let empty = serde_json::Map::new();
    let found = found.as_object().unwrap_or(&empty);
    let entries = fs::read_dir("/sys/block").into_iter().flatten();
    let names: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    comparison.equal(kind, "names", &found.keys().cloned().collect(), &names);
    for name in names {
        let size = read(&format!("/sys/block/{name}/size"));
        comparison.equal(
            kind,
            &name,
            &found[&name]["size"].as_str().unwrap_or_default(),
            &size.trim(),
        );
    }
}
