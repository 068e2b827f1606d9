//! `mackerel-plugin-linux`: swapping, sockets by state, disk times, interrupts, context switches,
//! forks and logins.

use std::path::Path;

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::{Arguments, wrong};
use crate::applets::counters::Counters;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::{packed, unpack};
use crate::base::text::metric_segment;
use crate::parse::sockets::{STATES, TABLES, state};
use crate::parse::utmp;
use crate::sys::sock_diag;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-linux",
    help: packed!(
        "print swapping, sockets, disk times, interrupts, forks and logins
  -p, -type=NAME            all, swap, netstat, diskstats, proc_stat or users,
                            repeatable (default: all)
  -metric-key-prefix=NAME   begin of the metrics' names (default: linux)
  -t, -tempfile=PATH        the file for the counters of the last run
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Made(graphs),
        measure,
    }),
};

const TYPES: [&str; 6] = ["all", "swap", "netstat", "diskstats", "proc_stat", "users"];

/// The graphs in the order of their names, with the type that has them. A line that ends with `[`
/// is followed by metrics for each disk.
const GRAPHS: [(&str, &[u8]); 8] = [
    (
        "proc_stat",
        packed!(
            r#""$.context_switches":{"label":"Linux Context Switches","unit":"integer","metrics":[{"name":"context_switches","label":"Context Switches","stacked":false}]}"#
        ),
    ),
    (
        "diskstats",
        packed!(r#""$.disk.elapsed":{"label":"Disk Elapsed IO Time","unit":"integer","metrics":["#),
    ),
    (
        "diskstats",
        packed!(r#""$.disk.rwtime":{"label":"Disk Read/Write Time","unit":"integer","metrics":["#),
    ),
    (
        "proc_stat",
        packed!(
            r#""$.forks":{"label":"Linux Forks","unit":"integer","metrics":[{"name":"forks","label":"Forks","stacked":false}]}"#
        ),
    ),
    (
        "proc_stat",
        packed!(
            r#""$.interrupts":{"label":"Linux Interrupts","unit":"integer","metrics":[{"name":"interrupts","label":"Interrupts","stacked":false}]}"#
        ),
    ),
    (
        "netstat",
        packed!(
            r#""$.ss":{"label":"Linux Network Connection States","unit":"integer","metrics":[{"name":"ESTAB","label":"Established","stacked":true},{"name":"SYN-SENT","label":"Syn Sent","stacked":true},{"name":"SYN-RECV","label":"Syn Received","stacked":true},{"name":"FIN-WAIT-1","label":"Fin Wait 1","stacked":true},{"name":"FIN-WAIT-2","label":"Fin Wait 2","stacked":true},{"name":"TIME-WAIT","label":"Time Wait","stacked":true},{"name":"UNCONN","label":"Close","stacked":true},{"name":"CLOSE-WAIT","label":"Close Wait","stacked":true},{"name":"LAST-ACK","label":"Last Ack","stacked":true},{"name":"LISTEN","label":"Listen","stacked":true},{"name":"CLOSING","label":"Closing","stacked":true},{"name":"UNKNOWN","label":"Unknown","stacked":true}]}"#
        ),
    ),
    (
        "swap",
        packed!(
            r#""$.swap":{"label":"Linux Swap Usage","unit":"integer","metrics":[{"name":"pswpin","label":"Swap In","stacked":false},{"name":"pswpout","label":"Swap Out","stacked":false}]}"#
        ),
    ),
    (
        "users",
        packed!(
            r#""$.users":{"label":"Linux Users","unit":"integer","metrics":[{"name":"users","label":"Users","stacked":false}]}"#
        ),
    ),
];

/// The metrics of a disk: graph, name before the disk's, label after it, and the position of the
/// counter in `/sys/block/DISK/stat`.
const DISK: [(&str, &str, &str, usize); 4] = [
    ("disk.elapsed", "iotime_", "IO Time", 9),
    ("disk.elapsed", "iotime_weighted_", "IO Time Weighted", 10),
    ("disk.rwtime", "tsreading_", "Read", 3),
    ("disk.rwtime", "tswriting_", "Write", 7),
];
/// Counters of `/proc/stat`, and the names of their graph and metric.
const STAT: [(&str, &str); 3] = [
    ("intr", "interrupts"),
    ("ctxt", "context_switches"),
    ("processes", "forks"),
];

/// Whether the flags select this type.
fn is_wanted(arguments: &Arguments, kind: &str) -> bool {
    let mut given = arguments.all("type");
    !arguments.is_given("type") || given.any(|one| one == "all" || one == kind)
}

fn graphs(arguments: &Arguments, host: &Host<'_>) -> Result<String, Failure> {
    let disks = disks(host);
    let mut text = r#"{"graphs":{"#.to_owned();
    for (kind, graph) in GRAPHS {
        let graph = unpack(graph);
        let has_disks = graph.ends_with('[');
        if !is_wanted(arguments, kind) || (has_disks && disks.is_empty()) {
            continue;
        }
        if !text.ends_with('{') {
            text.push(',');
        }
        text.push_str(&graph);
        if has_disks {
            for (disk, _) in &disks {
                for (name, before, after, _) in DISK {
                    if graph.get(3..).is_some_and(|graph| graph.starts_with(name)) {
                        let comma = if text.ends_with('[') { "" } else { "," };
                        let label = ["\",\"label\":\"", disk, " ", after].concat();
                        text.extend([comma, "{\"name\":\"", before, disk, &label]);
                        text.push_str("\",\"stacked\":false}");
                    }
                }
            }
            text.push_str("]}");
        }
    }
    text.push_str("}}");
    Ok(text)
}

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    for kind in arguments.all("type") {
        if !TYPES.contains(&kind) {
            let types = "all, swap, netstat, diskstats, proc_stat or users";
            return Err(wrong("type", kind, types));
        }
    }
    let Some(mut counters) = Counters::of_arguments(arguments, host, "linux") else {
        return Ok(());
    };
    if is_wanted(arguments, "swap") {
        for line in lines_of(host, "/proc/vmstat").lines() {
            if let Some((name @ ("pswpin" | "pswpout"), value)) = line.split_once(' ') {
                counters.rate(values, "swap", name, value.parse().unwrap_or_default());
            }
        }
    }
    if is_wanted(arguments, "netstat") {
        sockets(host, values);
    }
    if is_wanted(arguments, "diskstats") {
        for (disk, stat) in disks(host) {
            for (graph, before, _, at) in DISK {
                let field = stat.split_ascii_whitespace().nth(at);
                if let Some(Ok(value)) = field.map(str::parse) {
                    counters.rate(values, graph, &[before, &disk].concat(), value);
                }
            }
        }
    }
    if is_wanted(arguments, "proc_stat") {
        for line in lines_of(host, "/proc/stat").lines() {
            let mut words = line.split(' ');
            let name = words.next().unwrap_or_default();
            for (known, metric) in STAT {
                if name == known
                    && let Some(Ok(value)) = words.next().map(|value| value.parse())
                {
                    counters.rate(values, metric, metric, value);
                }
            }
        }
    }
    if is_wanted(arguments, "users") {
        values.number("users.users", users(host) as f64);
    }
    counters.save()
}

/// The content of a file; empty if it cannot be read: the other values do not depend on it.
fn lines_of(host: &Host<'_>, path: &str) -> String {
    host.text(path).unwrap_or_default()
}

/// The physical disks that cannot be removed: their names, as parts of metric names, and the
/// content of their `stat`, sorted by name.
fn disks(host: &Host<'_>) -> Vec<(String, String)> {
    let mut disks: Vec<(String, String)> = Vec::new();
    let names = host.root.names("/sys/block").ok().flatten();
    for name in names.unwrap_or_default() {
        let Some(name) = name.to_str() else { continue };
        let directory = ["/sys/block/", name].concat();
        let real = host.root.real(&directory);
        let is_virtual = real.is_some_and(|real| {
            let path = real.as_os_str().as_encoded_bytes();
            path.windows(17).any(|part| part == b"/devices/virtual/")
        });
        // Disks of Fusion-io are among the virtual ones.
        let is_fusion = name.strip_prefix("fio").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase())
        });
        let file = |file: &str| lines_of(host, &[&directory, "/", file].concat());
        if is_virtual && !is_fusion || file("removable").starts_with('1') {
            continue;
        }
        let stat = file("stat");
        if !stat.is_empty() {
            let disk = (metric_segment(name), stat);
            let at = disks.partition_point(|known| known.0 < disk.0);
            disks.insert(at, disk);
        }
    }
    disks
}

/// Adds the number of sockets in each state in which there is one.
fn sockets(host: &Host<'_>, values: &mut Values) {
    let own = Path::new("/proc/net");
    let is_own = host.root.network() == "/proc/net" && host.root.path(own) == own;
    let tcp = is_own.then(sock_diag::tcp).and_then(Result::ok);
    let mut counts = tcp.unwrap_or_default();
    for (table, format) in TABLES {
        if tcp.is_some() && table.starts_with("tcp") {
            continue;
        }
        let path = [host.root.network(), "/", table].concat();
        // A kernel without IPv6 has no tcp6.
        drop(host.root.each_line(&path, &mut |line| {
            if let Some(count) = state(format, line).and_then(|state| counts.get_mut(state)) {
                *count += 1;
            }
        }));
    }
    for (name, count) in STATES.iter().zip(counts) {
        if count > 0 {
            values.number(&["ss.", name].concat(), count as f64);
        }
    }
}

/// The number of logins: the records of utmp, or, where that does not exist, the sessions of
/// systemd.
fn users(host: &Host<'_>) -> usize {
    let mut buffer = Vec::new();
    // Without this, processes of others are hidden from this user.
    let are_shown = host.root.exists("/proc/1");
    let is_running =
        |process: u32| !are_shown || host.root.exists(["/proc/", &process.to_string()].concat());
    for path in ["/run/utmp", "/var/run/utmp"] {
        if let Ok(file) = host.root.read(path, &mut buffer) {
            return utmp::logins(file, &is_running);
        }
    }
    let sessions = host.root.names("/run/systemd/sessions").ok().flatten();
    let mut users = 0;
    for name in sessions.unwrap_or_default() {
        // `ID.ref` is a FIFO.
        let Some(name) = name.to_str().filter(|name| !name.contains('.')) else {
            continue;
        };
        let session = lines_of(host, &["/run/systemd/sessions/", name].concat());
        let mut lines = session.lines();
        let is_user = lines.clone().any(|line| line.starts_with("CLASS=user"));
        if is_user && lines.all(|line| line != "STATE=closing") {
            users += 1;
        }
    }
    users
}

#[cfg(test)]
mod tests;
