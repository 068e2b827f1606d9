//! The metrics that OTLP destinations receive. Names, kinds and units are those of the hostmetrics
//! receiver of the OpenTelemetry Collector, and for containers those of the semantic conventions.

use crate::config::Families;

/// A metric.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

/// What a metric's values are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A sum since boot that only grows.
    Counter,
    /// A sum that goes up and down.
    UpDown,
    Gauge,
}

/// How a value is kept in the 64 bits of a round, and sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// An integer that is sent as it is.
    Int,
    /// An integer; it is sent divided by this, as a floating-point number.
    Ratio(f64),
    /// The bits of a floating-point number.
    Float,
}

impl Metric {
    const fn new(name: &'static str, unit: &'static str, kind: Kind, form: Form) -> Metric {
        Metric {
            name,
            unit,
            kind,
            form,
        }
    }

    const fn counter(name: &'static str, unit: &'static str) -> Metric {
        Metric::new(name, unit, Kind::Counter, Form::Int)
    }

    /// A counter of seconds, of which each has `units`.
    const fn seconds(name: &'static str, units: f64) -> Metric {
        Metric::new(name, "s", Kind::Counter, Form::Ratio(units))
    }

    const fn up_down(name: &'static str, unit: &'static str) -> Metric {
        Metric::new(name, unit, Kind::UpDown, Form::Int)
    }

    const fn load(name: &'static str) -> Metric {
        Metric::new(name, "{thread}", Kind::Gauge, Form::Float)
    }
}

/// Units of `/proc/stat` in a second, on every target.
const TICKS: f64 = 100.0;
/// Bytes of a sector of `/proc/diskstats`, whatever the device has.
const SECTOR: u64 = 512;

pub(super) static LOAD: [Metric; 3] = [
    Metric::load("system.cpu.load_average.1m"),
    Metric::load("system.cpu.load_average.5m"),
    Metric::load("system.cpu.load_average.15m"),
];
pub(super) static CPU_TIME: Metric = Metric::seconds("system.cpu.time", TICKS);
pub(super) static CPU_COUNT: Metric = Metric::up_down("system.cpu.logical.count", "{cpu}");
/// The attribute `state` of [`CPU_TIME`] for each column of `/proc/stat`. `user` and `nice` contain
/// the time of guests.
pub(super) const CPU_STATES: [&str; 8] = [
    "user",
    "nice",
    "system",
    "idle",
    "wait",
    "interrupt",
    "softirq",
    "steal",
];
pub(super) static MEMORY_LIMIT: Metric = Metric::up_down("system.memory.limit", "By");
pub(super) static MEMORY_USAGE: Metric = Metric::up_down("system.memory.usage", "By");
pub(super) static MEMORY_AVAILABLE: Metric = Metric::up_down("system.linux.memory.available", "By");
pub(super) static PAGING_USAGE: Metric = Metric::up_down("system.paging.usage", "By");
pub(super) static FILESYSTEM_USAGE: Metric = Metric::up_down("system.filesystem.usage", "By");
pub(super) static FILESYSTEM_INODES: Metric =
    Metric::up_down("system.filesystem.inodes.usage", "{inodes}");
pub(super) static PAGING_FAULTS: Metric = Metric::counter("system.paging.faults", "{faults}");
pub(super) static PAGING_OPERATIONS: Metric =
    Metric::counter("system.paging.operations", "{operations}");
pub(super) static CONTAINER_CPU: Metric = Metric::seconds("container.cpu.time", 1e9);
/// A counter in the semantic conventions, but memory is also freed.
pub(super) static CONTAINER_MEMORY: Metric = Metric::up_down("container.memory.usage", "By");
pub(super) static CONTAINER_AVAILABLE: Metric = Metric::up_down("container.memory.available", "By");
pub(super) static CHECK: Metric = Metric::new("mackerel.check.status", "1", Kind::Gauge, Form::Int);

/// A metric of a group of devices.
pub(super) struct DeviceMetric {
    pub(super) metric: Metric,
    /// The family to which it belongs; `None` if every destination receives it.
    pub(super) family: Option<Families>,
    /// The attribute `direction` of each point, if any, and the column with its value.
    pub(super) columns: &'static [(Option<&'static str>, usize)],
    pub(super) factor: u64,
}

impl DeviceMetric {
    const fn new(
        metric: Metric,
        family: Option<Families>,
        columns: &'static [(Option<&'static str>, usize)],
    ) -> DeviceMetric {
        DeviceMetric {
            metric,
            family,
            columns,
            factor: 1,
        }
    }
}

const READ: Option<&str> = Some("read");
const WRITE: Option<&str> = Some("write");
const RECEIVE: Option<&str> = Some("receive");
const TRANSMIT: Option<&str> = Some("transmit");

/// Of disks; columns are those of [`crate::parse::diskstats::Disk::counters`].
pub(super) static DISKS: [DeviceMetric; 7] = [
    DeviceMetric::new(
        Metric::counter("system.disk.operations", "{operations}"),
        None,
        &[(READ, 0), (WRITE, 4)],
    ),
    DeviceMetric {
        factor: SECTOR,
        ..DeviceMetric::new(
            Metric::counter("system.disk.io", "By"),
            None,
            &[(READ, 2), (WRITE, 6)],
        )
    },
    DeviceMetric::new(
        Metric::seconds("system.disk.io_time", 1e3),
        Some(Families::DISK_IO_TIME),
        &[(None, 9)],
    ),
    DeviceMetric::new(
        Metric::seconds("system.disk.operation_time", 1e3),
        Some(Families::DISK_OPERATION_TIME),
        &[(READ, 3), (WRITE, 7)],
    ),
    DeviceMetric::new(
        Metric::seconds("system.disk.weighted_io_time", 1e3),
        Some(Families::DISK_WEIGHTED_IO_TIME),
        &[(None, 10)],
    ),
    DeviceMetric::new(
        Metric::up_down("system.disk.pending_operations", "{operations}"),
        Some(Families::DISK_PENDING_OPERATIONS),
        &[(None, 8)],
    ),
    DeviceMetric::new(
        Metric::counter("system.disk.merged", "{operations}"),
        Some(Families::DISK_MERGED),
        &[(READ, 1), (WRITE, 5)],
    ),
];

/// Columns of [`INTERFACES`] after those of [`crate::parse::netdev::Traffic::packets`].
pub(super) const RECEIVED_BYTES: usize = 6;
pub(super) const SENT_BYTES: usize = 7;

/// Of interfaces.
pub(super) static INTERFACES: [DeviceMetric; 4] = [
    DeviceMetric::new(
        Metric::counter("system.network.io", "By"),
        None,
        &[(RECEIVE, RECEIVED_BYTES), (TRANSMIT, SENT_BYTES)],
    ),
    DeviceMetric::new(
        Metric::counter("system.network.packets", "{packets}"),
        Some(Families::NETWORK_PACKETS),
        &[(RECEIVE, 0), (TRANSMIT, 3)],
    ),
    DeviceMetric::new(
        Metric::counter("system.network.errors", "{errors}"),
        Some(Families::NETWORK_ERRORS),
        &[(RECEIVE, 1), (TRANSMIT, 4)],
    ),
    DeviceMetric::new(
        Metric::counter("system.network.dropped", "{packets}"),
        Some(Families::NETWORK_DROPPED),
        &[(RECEIVE, 2), (TRANSMIT, 5)],
    ),
];
