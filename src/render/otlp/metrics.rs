//! The metrics that OTLP destinations receive. Names, kinds and units are those of the hostmetrics
//! receiver of the OpenTelemetry Collector, and for containers those of the semantic conventions.

use crate::config::Families;
use crate::parse::diskstats::SECTOR;
use crate::parse::vmstat;

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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// An integer that is sent as it is.
    Int,
    /// An integer; it is sent divided by this, as a floating-point number.
    Ratio(u32),
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
    const fn seconds(name: &'static str, units: u32) -> Metric {
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
const TICKS: u32 = 100;

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
static PAGING_FAULTS: Metric = Metric::counter("system.paging.faults", "{faults}");
static PAGING_OPERATIONS: Metric = Metric::counter("system.paging.operations", "{operations}");
/// CPU time, memory in use, and what is left of the limit. The semantic conventions call the second
/// a counter, but memory is also freed.
pub(super) static CONTAINER: [Metric; 3] = [
    Metric::seconds("container.cpu.time", 1_000_000_000),
    Metric::up_down("container.memory.usage", "By"),
    Metric::up_down("container.memory.available", "By"),
];
pub(super) static CHECK: Metric = Metric::new("mackerel.check.status", "1", Kind::Gauge, Form::Int);

/// A point of a counter of `/proc/vmstat`.
pub(super) struct PagingPoint {
    pub(super) metric: &'static Metric,
    pub(super) family: Families,
    pub(super) attributes: &'static [(&'static str, &'static str)],
    /// Positions in [`vmstat::Paging`]; `less` is subtracted.
    pub(super) counter: usize,
    pub(super) less: Option<usize>,
}

const fn fault(attributes: &'static [(&'static str, &'static str); 1]) -> PagingPoint {
    PagingPoint {
        metric: &PAGING_FAULTS,
        family: Families::PAGING_FAULTS,
        attributes,
        counter: vmstat::MAJOR_FAULTS,
        less: None,
    }
}

const fn operation(
    counter: usize,
    attributes: &'static [(&'static str, &'static str); 2],
) -> PagingPoint {
    PagingPoint {
        metric: &PAGING_OPERATIONS,
        family: Families::PAGING_OPERATIONS,
        attributes,
        counter,
        less: None,
    }
}

pub(super) static PAGING: [PagingPoint; 6] = [
    fault(&[("type", "major")]),
    PagingPoint {
        counter: vmstat::FAULTS,
        less: Some(vmstat::MAJOR_FAULTS),
        ..fault(&[("type", "minor")])
    },
    operation(
        vmstat::SWAPPED_IN,
        &[("direction", "page_in"), ("type", "major")],
    ),
    operation(
        vmstat::SWAPPED_OUT,
        &[("direction", "page_out"), ("type", "major")],
    ),
    operation(
        vmstat::PAGED_IN,
        &[("direction", "page_in"), ("type", "minor")],
    ),
    operation(
        vmstat::PAGED_OUT,
        &[("direction", "page_out"), ("type", "minor")],
    ),
];

/// What every value of a plugin is; it has a name of its own.
pub(super) static CUSTOM: Metric = Metric::new("", "", Kind::Gauge, Form::Float);

/// A metric of a group of devices.
pub(super) struct DeviceMetric {
    pub(super) metric: Metric,
    /// The family to which it belongs; `None` if every destination receives it.
    pub(super) family: Option<Families>,
    /// The attribute `direction` of each point, empty for none, and the column with its value.
    pub(super) columns: &'static [(&'static str, usize)],
    pub(super) factor: u64,
}

impl DeviceMetric {
    const fn new(
        metric: Metric,
        family: Option<Families>,
        columns: &'static [(&'static str, usize)],
    ) -> DeviceMetric {
        DeviceMetric {
            metric,
            family,
            columns,
            factor: 1,
        }
    }
}

const READ: &str = "read";
const WRITE: &str = "write";
const RECEIVE: &str = "receive";
const TRANSMIT: &str = "transmit";

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
        Metric::seconds("system.disk.io_time", 1000),
        Some(Families::DISK_IO_TIME),
        &[("", 9)],
    ),
    DeviceMetric::new(
        Metric::seconds("system.disk.operation_time", 1000),
        Some(Families::DISK_OPERATION_TIME),
        &[(READ, 3), (WRITE, 7)],
    ),
    DeviceMetric::new(
        Metric::seconds("system.disk.weighted_io_time", 1000),
        Some(Families::DISK_WEIGHTED_IO_TIME),
        &[("", 10)],
    ),
    DeviceMetric::new(
        Metric::up_down("system.disk.pending_operations", "{operations}"),
        Some(Families::DISK_PENDING_OPERATIONS),
        &[("", 8)],
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
