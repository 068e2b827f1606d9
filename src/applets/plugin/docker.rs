//! `mackerel-plugin-docker`: CPU, memory and I/O of containers, from the files of control groups.
//!
//! Docker is asked for names only. The statistics of its API lack I/O with version 2 of the groups,
//! and take a second for each container.

use std::io;

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::{Arguments, wrong};
use crate::applets::counters::Counters;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::json::Json;
use crate::base::packed::packed;
use crate::base::text::metric_segment;
use crate::collect::container::CGROUPS;
use crate::collect::container::groups::Groups;
use crate::parse::{cgroup, container, stat};
use crate::sys::local_http;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-docker",
    help: packed!(
        "print CPU, memory and I/O of containers
  -host=URL                 Docker's socket, which has the names
                            (default: unix:///var/run/docker.sock)
  -name-format=NAME         name, name_id, id, image, image_id, image_name or
                            label (default: name_id)
  -label=KEY                the label that has the name, for the format label
  -cpu-format=NAME          percentage or usage (default: percentage)
  -method=NAME              not used
  -command=PATH             not used
  -metric-key-prefix=NAME   begin of the metrics' names (default: docker)
  -tempfile=PATH            the file for the counters of the last run
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r##"{"graphs":{"$.blkio.io_queued.#":{"label":"Docker BlkIO Queued","unit":"integer","metrics":[{"name":"read","label":"Read","stacked":true},{"name":"write","label":"Write","stacked":true},{"name":"sync","label":"Sync","stacked":true},{"name":"async","label":"Async","stacked":true}]},"$.blkio.io_service_bytes.#":{"label":"Docker BlkIO Bytes","unit":"bytes","metrics":[{"name":"read","label":"Read","stacked":true},{"name":"write","label":"Write","stacked":true},{"name":"sync","label":"Sync","stacked":true},{"name":"async","label":"Async","stacked":true}]},"$.blkio.io_serviced.#":{"label":"Docker BlkIO IOPS","unit":"iops","metrics":[{"name":"read","label":"Read","stacked":true},{"name":"write","label":"Write","stacked":true},{"name":"sync","label":"Sync","stacked":true},{"name":"async","label":"Async","stacked":true}]},"$.cpuacct.#":{"label":"Docker CPU","unit":"integer","metrics":[{"name":"user","label":"User","stacked":true},{"name":"system","label":"System","stacked":true}]},"$.cpuacct_percentage.#":{"label":"Docker CPU Percentage","unit":"percentage","metrics":[{"name":"user","label":"User","stacked":true},{"name":"system","label":"System","stacked":true}]},"$.memory.#":{"label":"Docker Memory","unit":"bytes","metrics":[{"name":"cache","label":"Cache","stacked":true},{"name":"rss","label":"RSS","stacked":true}]}}}"##
        )),
        measure,
    }),
};

const FORMATS: [&str; 7] = [
    "name",
    "name_id",
    "id",
    "image",
    "image_id",
    "image_name",
    "label",
];
/// Characters of an id in a name beside another name, and alone.
const SHORT: usize = 6;
const ALONE: usize = 12;
/// Nanoseconds of a tick of the kernel, which is 1/100 s, and of a microsecond.
const TICK: u64 = 10_000_000;
const MICROSECOND: u64 = 1000;
/// The columns of `/proc/stat` that Docker adds up to the time of all CPUs.
const COLUMNS: usize = 7;
/// Seconds after which CPU times of the last run are too old.
const OLDEST: u64 = 300;
/// Operations of `blkio` files of version 1 of the control groups, and their fields in `io.stat` of
/// version 2.
const OPERATIONS: [&str; 4] = ["read", "write", "sync", "async"];
/// I/O graphs, their files of version 1 (with the scheduler CFQ, and without), and the letters of
/// their fields of version 2.
const IO: [(&str, [&str; 2], &str); 3] = [
    (
        "io_service_bytes",
        [
            "blkio.io_service_bytes_recursive",
            "blkio.throttle.io_service_bytes",
        ],
        "bytes",
    ),
    (
        "io_serviced",
        ["blkio.io_serviced_recursive", "blkio.throttle.io_serviced"],
        "ios",
    ),
    ("io_queued", ["blkio.io_queued_recursive", ""], ""),
];
const QUEUED: usize = 2;
const SERVICED: usize = 1;

/// The time of all CPUs in nanoseconds, and their number.
struct HostCpu {
    nanoseconds: u64,
    cores: usize,
}

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let format = arguments.text("name-format");
    if !FORMATS.contains(&format) {
        let names = "name, name_id, id, image, image_id, image_name or label";
        return Err(wrong("name-format", format, names));
    }
    if format == "label" {
        arguments.required("label")?;
    }
    let listed = listed(arguments.text("host"), host)?;
    if listed.is_none() && (format.starts_with("image") || format == "label") {
        let why = [
            "--name-format ",
            format,
            " needs Docker's socket: it may not be opened, or is \
                   not there; run the plugin as root",
        ];
        return Err(Failure::unknown(why.concat()));
    }
    let file = ["docker-", &*metric_segment(arguments.text("host"))].concat();
    let Some(mut counters) = Counters::load(arguments, host, &file) else {
        return Ok(());
    };
    let stat = host.text("/proc/stat")?;
    let columns = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let mut cpu = HostCpu {
        nanoseconds: 0,
        cores: stat::cores(&stat).unwrap_or(1),
    };
    for column in columns.skip(1).take(COLUMNS) {
        let ticks: u64 = column.parse().unwrap_or_default();
        // With 256 CPUs they exceed 64 bits after two years: one minute has no share then.
        cpu.nanoseconds = cpu.nanoseconds.wrapping_add(ticks.wrapping_mul(TICK));
    }
    let groups = Groups::at(host.root.clone(), CGROUPS.into());
    let mut names: Vec<String> = Vec::new();
    for path in groups.containers() {
        let id = container::id_of_group(&path).unwrap_or_default();
        let name = match &listed {
            None if format == "id" => id.to_owned(),
            None => id.get(..ALONE).unwrap_or(id).to_owned(),
            Some(listed) => {
                let is_it = |one: &&Json| one.text("Id") == id;
                // Another program's container.
                let Some(one) = listed.iter().find(is_it) else {
                    continue;
                };
                named(one, format, arguments.text("label"))
            }
        };
        let name = metric_segment(&name);
        if !name.is_empty() && !names.contains(&name) {
            let is_share = arguments.text("cpu-format") != "usage";
            let group = Group {
                groups: &groups,
                path: &path,
                name: &name,
            };
            group.add_cpu(&cpu, is_share, &mut counters, values);
            group.add_memory(values);
            group.add_io(&mut counters, values);
            names.push(name);
        }
    }
    counters.save()
}

/// The running containers by Docker's API; `None` if its socket does not exist, or may not be
/// opened.
///
/// Fails if Docker does not answer: the names of metrics are not to change for a minute.
fn listed(url: &str, host: &Host<'_>) -> Result<Option<Vec<Json>>, Failure> {
    let Some(socket) = url.strip_prefix("unix://") else {
        let what = "unix:// and a path; containers of other hosts cannot be measured";
        return Err(wrong("host", url, what));
    };
    let Some(socket) = host.root.real(socket) else {
        return Ok(None);
    };
    let error = |why: &str| Failure::unknown(["Docker's list of containers: ", why].concat());
    let text = match local_http::get(&host.root.path(socket), "/containers/json") {
        Err(refused)
            if matches!(
                refused.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
            ) =>
        {
            return Ok(None);
        }
        Err(failed) => return Err(error(&failed.to_string())),
        Ok(text) => text,
    };
    match Json::parse(&text) {
        Ok(Json::List(all)) => Ok(Some(all)),
        _ => Err(error("not JSON")),
    }
}

/// The name of a container that the API has listed.
fn named(listed: &Json, format: &str, label: &str) -> String {
    let name = match listed.member("Names") {
        Some(Json::List(names)) => match names.first() {
            Some(Json::Text(name)) => name.strip_prefix('/').unwrap_or(name),
            _ => "",
        },
        _ => "",
    };
    let id = listed.text("Id");
    let short = id.get(..SHORT).unwrap_or(id);
    let image = listed.text("Image");
    let first = match format {
        "id" => id,
        "label" => listed
            .member("Labels")
            .map_or("", |labels| labels.text(label)),
        format if format.starts_with("image") => image,
        _ => name,
    };
    let second = match format.split_once('_') {
        None => return first.to_owned(),
        Some((_, "id")) => short,
        _ => name,
    };
    [first, "_", second].concat()
}

/// The control group of a container, and its name as a part of metric names.
struct Group<'g> {
    groups: &'g Groups,
    path: &'g str,
    name: &'g str,
}

impl Group<'_> {
    /// The content of a file; empty if it does not exist.
    fn text(&self, file: &str) -> String {
        self.groups
            .text(self.path, file)
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// The name of a metric of this container.
    fn metric(&self, graph: &str, name: &str) -> String {
        [graph, ".", self.name, ".", name].concat()
    }

    fn add_cpu(&self, cpu: &HostCpu, is_share: bool, counters: &mut Counters, values: &mut Values) {
        let (file, suffix, unit) = match self.groups.is_v2 {
            true => ("cpu.stat", "_usec", MICROSECOND),
            false => ("cpuacct/cpuacct.stat", "", TICK),
        };
        let stat = self.text(file);
        let internal = |name: &str| self.metric("docker._internal.cpuacct", name);
        let host = internal("host");
        let elapsed = counters
            .last(&host)
            .map(|last| cpu.nanoseconds as f64 - last);
        let is_young = (1..=OLDEST).contains(&counters.seconds);
        let elapsed = elapsed.filter(|elapsed| is_young && *elapsed > 0.0);
        if is_share {
            counters.keep(&host, cpu.nanoseconds);
            counters.keep(&internal("onlineCPUs"), cpu.cores as u64);
        }
        for name in ["user", "system"] {
            let Some(used) = cgroup::field(&stat, &[name, suffix].concat()) else {
                continue;
            };
            let used = used.saturating_mul(unit);
            if !is_share {
                let metric = self.metric("cpuacct", name);
                let rate = counters.per_minute(&["docker.", &metric].concat(), used);
                values.number(&metric, rate.unwrap_or(f64::NAN));
                continue;
            }
            let key = internal(name);
            counters.keep(&key, used);
            if let (Some(elapsed), Some(last)) = (elapsed, counters.last(&key)) {
                let used = used as f64;
                // A container that was started again counts from zero.
                let change = if used >= last { used - last } else { used };
                let share = change / elapsed * 100.0 * cpu.cores as f64;
                values.number(&self.metric("cpuacct_percentage", name), share);
            }
        }
    }

    fn add_memory(&self, values: &mut Values) {
        let (file, rss, cache) = match self.groups.is_v2 {
            true => ("memory.stat", "anon", "file"),
            false => ("memory/memory.stat", "total_rss", "total_cache"),
        };
        let stat = self.text(file);
        for (name, field) in [("rss", rss), ("cache", cache)] {
            if let Some(bytes) = cgroup::field(&stat, field) {
                values.count(&self.metric("memory", name), bytes);
            }
        }
    }

    fn add_io(&self, counters: &mut Counters, values: &mut Values) {
        for (at, (graph, files, field)) in IO.iter().enumerate() {
            let mut text = String::new();
            match self.groups.is_v2 {
                true if at != QUEUED => text = self.text("io.stat"),
                true => {}
                false => {
                    for file in files {
                        if !text.contains("Read") {
                            text = self.text(&["blkio/", file].concat());
                        }
                    }
                }
            }
            for (operation, sum) in OPERATIONS.iter().zip(sums(&text, field)) {
                let Some(sum) = sum else { continue };
                let metric = self.metric(&["blkio.", graph].concat(), operation);
                if at == QUEUED {
                    values.count(&metric, sum);
                } else if let Some(rate) = counters.per_minute(&["docker.", &metric].concat(), sum)
                {
                    let scale = if at == SERVICED { 60.0 } else { 1.0 };
                    values.number(&metric, rate / scale);
                }
            }
        }
    }
}

/// The sums over all devices for each of [`OPERATIONS`], of lines like `8:0 Read 1` (version 1) or
/// `8:0 rbytes=1 rios=1` (version 2), of which the fields that end with `field` count.
fn sums(text: &str, field: &str) -> [Option<u64>; OPERATIONS.len()] {
    let mut sums: [Option<u64>; OPERATIONS.len()] = [None; OPERATIONS.len()];
    for line in text.lines() {
        let mut before = "";
        for word in line.split_ascii_whitespace() {
            let (name, number) = match word.split_once('=') {
                Some((name, number)) => (name.strip_suffix(field).unwrap_or_default(), number),
                None => (before, word),
            };
            let is_it = |operation: &&str, letter: &str| {
                name.eq_ignore_ascii_case(operation) || (name == letter && !letter.is_empty())
            };
            let letters = ["r", "w", "", ""];
            for ((sum, operation), letter) in sums.iter_mut().zip(&OPERATIONS).zip(letters) {
                if is_it(operation, letter)
                    && let Ok(number) = number.parse::<u64>()
                {
                    *sum = Some(sum.unwrap_or_default().saturating_add(number));
                }
            }
            before = word;
        }
    }
    sums
}

#[cfg(test)]
mod tests;
