//! Renderer for OTLP: the readings of a round as cumulative sums and gauges, under the names of the
//! Collector's hostmetrics receiver. `docs/opentelemetry.md` has the table.
//!
//! [`Otlp::round`] turns readings into a [`Round`], which is small enough to wait in memory by the
//! hour. [`encode`] turns rounds into a request, when one can be sent.

mod encode;
mod host;
mod layout;
mod metrics;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::clock::Stamp;
use crate::base::values::Values;
use crate::collect::readings::Readings;
use crate::config::{self, Config, Families};
pub(crate) use encode::{Resource, encode};
use host::Filter;
use layout::{Points, Series};

/// Points of one time, for one destination.
#[derive(Clone)]
pub(crate) struct Round {
    stamp: Stamp,
    content: Content,
    /// Bytes of memory that only this round holds.
    held: usize,
}

#[derive(Clone)]
enum Content {
    /// The host's series, and a value for each in the form of its metric.
    Host {
        layout: Arc<[Series]>,
        values: Box<[u64]>,
    },
    /// Names and values of a plugin.
    Custom(Arc<Values>),
    /// The state of a check.
    Check { name: Arc<str>, status: u8 },
}

impl Round {
    /// The values of one run of a plugin, under the names that they have on Mackerel. They are not
    /// copied: a run may have 20,000.
    pub(crate) fn custom(values: &Arc<Values>, stamp: Stamp) -> Round {
        let names: usize = values.iter().map(|(name, _)| name.len()).sum();
        Round {
            stamp,
            held: size_of_val(&*values.0) + names,
            content: Content::Custom(Arc::clone(values)),
        }
    }

    /// The state of the check `name`: 0 is OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    pub(crate) fn check(name: &str, status: u8, stamp: Stamp) -> Round {
        Round {
            stamp,
            held: name.len(),
            content: Content::Check {
                name: name.into(),
                status,
            },
        }
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(crate) fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp = stamp;
    }

    /// Number of points.
    pub(crate) fn len(&self) -> usize {
        match &self.content {
            Content::Host { values, .. } => values.len(),
            Content::Custom(values) => values.len(),
            Content::Check { .. } => 1,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the round holds. A list of series that several rounds share counts once,
    /// for the first of them.
    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Round>() + self.held
    }

    /// An upper limit of the bytes that the round takes in a request, without the resource.
    pub(crate) fn encoded_bytes(&self) -> usize {
        encode::encoded_bytes(self)
    }
}

/// Renders readings for one destination.
pub(crate) struct Otlp {
    per_cpu: bool,
    families: Families,
    disks: Filter,
    interfaces: Filter,
    /// The series of the previous round.
    layout: Arc<[Series]>,
}

impl Otlp {
    /// For `destination`, with the patterns of `config`.
    pub(crate) fn new(config: &Config, destination: &config::Otlp) -> Otlp {
        Otlp {
            per_cpu: destination.per_cpu,
            families: destination.metrics,
            disks: Filter::new(config.disks_ignore.clone()),
            interfaces: Filter::new(config.interfaces_ignore.clone()),
            layout: Arc::default(),
        }
    }

    /// The points of the readings `now`, which contain what is wanted for OTLP. The stamp is
    /// [`Stamp::default`] until it is set.
    pub(crate) fn round(&mut self, now: &Readings) -> Round {
        let families = self.families;
        let before = Arc::clone(&self.layout);
        let mut points = Points::new(&before);
        host::load(&mut points, now);
        if let (Some(cpu), Some(extra)) = (&now.cpu, &now.extra) {
            let extra = self.per_cpu.then_some(&**extra);
            host::cpu(&mut points, &cpu.reading, extra);
        }
        if let (Some(memory), Some(extra)) = (&now.memory, &now.extra) {
            host::memory(&mut points, memory, extra);
            host::swaps(&mut points, &extra.swaps);
        }
        if let (Some(disks), Some(extra)) = (&now.disks, &now.extra) {
            let devices = (&mut self.disks, &disks.reading.names);
            host::devices(
                &mut points,
                &metrics::DISKS,
                families,
                devices,
                &|at, column| extra.disks.get(at)?.get(column).copied(),
            );
        }
        if let (Some(interfaces), Some(extra)) = (&now.interfaces, &now.extra) {
            let reading = &interfaces.reading;
            let devices = (&mut self.interfaces, &reading.names);
            host::devices(
                &mut points,
                &metrics::INTERFACES,
                families,
                devices,
                &|at, column| {
                    let bytes = reading.counters.get(at)?;
                    match column {
                        metrics::RECEIVED_BYTES => Some(bytes.received_bytes),
                        metrics::SENT_BYTES => Some(bytes.sent_bytes),
                        _ => extra.interfaces.get(at)?.get(column).copied(),
                    }
                },
            );
        }
        if let Some(filesystems) = &now.filesystems {
            host::filesystems(&mut points, filesystems, families);
        }
        if let Some(extra) = &now.extra {
            host::paging(&mut points, &extra.paging, families);
        }
        if let Some(containers) = &now.containers {
            host::containers(&mut points, &containers.reading);
        }
        let (layout, values, held) = points.end();
        self.layout = Arc::clone(&layout);
        Round {
            stamp: Stamp::default(),
            content: Content::Host { layout, values },
            held,
        }
    }
}
