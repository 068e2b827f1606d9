//! Layer 3: the system metrics, one file per group.

pub(crate) mod agent;
pub(crate) mod container;
#[cfg(test)]
mod counters;
mod cpu;
mod disk;
mod filesystem;
#[cfg(test)]
mod gauges;
mod interface;
mod loadavg;
mod memory;
pub(crate) mod plugin;
#[cfg(test)]
mod testing;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Moment;
use crate::base::counter::{Names, growth};
use crate::base::{self, Failures};
use crate::config::Config;
use crate::parse::ParseError;
use crate::sys::fsstat::FsStats;
use crate::sys::root::{FileError, Root};

/// 2^53, from which on an f64 no longer has every whole number: no host has as many of anything.
const IMPOSSIBLE: f64 = 9_007_199_254_740_992.0;

/// Measures one group of metrics.
pub(crate) trait Collector: Send {
    /// For the log.
    fn name(&self) -> &'static str;

    /// Appends this round's values to `out`. If it fails, what could be measured is there all the same.
    ///
    /// A collector of rates keeps the previous reading and adds nothing on its first call.
    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError>;

    /// Forgets the previous reading: no rate is to cover the time since.
    fn forget(&mut self) {}

    /// Goes on with the settings of `config`. The previous reading stays.
    fn configure(&mut self, _config: &Config) {}
}

/// What a round is measured from.
pub(crate) struct View<'a> {
    pub(crate) root: &'a Root,
    /// When the round is taken: the base of rates.
    pub(crate) now: Moment,
    /// Memory for files, used again by every collector and every round.
    pub(crate) buffer: &'a mut Vec<u8>,
}

/// The built-in collectors, in the order in which they run: all, or those of a container or a pod. Sizes
/// are asked of `stats`.
pub(crate) fn builtin(config: &Config, stats: FsStats) -> Vec<Box<dyn Collector>> {
    let filesystem = filesystem::Filesystem::new(config.filesystems.clone(), stats);
    let ignore = config.interfaces_ignore.clone();
    let interface = interface::Interface::new(ignore);
    let ignore = config.disks_ignore.clone();
    let disk = disk::Disk::new(ignore, config.filesystems.use_mountpoint);
    let container = container::Container::new(config.container.clone());
    let mut all: Vec<Box<dyn Collector>> = vec![
        Box::new(loadavg::Loadavg),
        Box::new(cpu::Cpu::default()),
        Box::new(memory::Memory),
        Box::new(interface),
        Box::new(disk),
        Box::new(filesystem),
        Box::new(agent::Agent::new(config.diagnostic)),
        Box::new(container),
    ];
    if config.container.metrics.is_narrow() {
        // The rest is of the host below, which others watch.
        all.retain(|collector| ["interface", "agent", "container"].contains(&collector.name()));
    }
    all
}

/// Runs each collector once, and makes room for as many values as are `expected`. One that fails is added to `failures` and does not disturb the others.
pub(crate) fn run(
    collectors: &mut [Box<dyn Collector>],
    view: &mut View<'_>,
    failures: &mut Failures,
    expected: usize,
) -> Values {
    let mut values = Values(Vec::with_capacity(expected));
    for collector in collectors {
        if let Err(error) = collector.collect(view, &mut values) {
            failures.push((collector.name(), base::report(&error)));
        }
    }
    values
}

/// How a round ends that has measured what can be: with what is missing and why, if anything is.
fn ended(missing: Option<impl Into<CollectError>>) -> Result<(), CollectError> {
    missing.map_or(Ok(()), |why| Err(why.into()))
}

/// `share` as a part of `whole`. Two readings are of two moments, so that it may exceed the whole: then
/// it is the whole. `None` if it is more than twice as much: a counter has jumped.
fn within(share: f64, whole: f64) -> Option<f64> {
    (share <= 2.0 * whole).then(|| share.min(whole))
}

/// The values measured in one round.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<(Arc<str>, f64)>);

impl Values {
    /// Adds a value of the host, unless it cannot be one: all are zero or more and less than
    /// [`IMPOSSIBLE`]. A rate over no time is no number at all.
    pub(crate) fn put(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if (0.0..IMPOSSIBLE).contains(&value) {
            self.put_any(name, value);
        }
    }

    /// Adds a value, unless it is NaN or infinite.
    pub(crate) fn put_any(&mut self, name: impl Into<Arc<str>>, value: f64) {
        if value.is_finite() {
            self.0.push((name.into(), value));
        }
    }

    /// Adds what each counter of a device grew by in each second of `span`, unless [`growth`] does
    /// not know.
    fn put_rates(&mut self, names: &Names, before: [u64; 2], after: [u64; 2], span: Duration) {
        for (name, (before, after)) in names.iter().zip(before.into_iter().zip(after)) {
            if let Some(grown) = growth(before, after) {
                self.put(Arc::clone(name), grown as f64 / span.as_secs_f64());
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Name and value, in the order in which they were measured.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }
}

/// The names of two values that differ only in how they end.
fn names(group: &str, label: &str, ends: [&str; 2]) -> Names {
    ends.map(|end| [group, label, end].concat().into())
}

/// The time between two readings, kept by whoever compares them.
#[derive(Default)]
struct Span(Option<Moment>);

impl Span {
    /// The time since the call before; zero at the first one.
    fn until(&mut self, now: Moment) -> Duration {
        let before = self.0.replace(now);
        before.map_or(Duration::ZERO, |before| now.since(before))
    }
}

/// Why a group of metrics could not be measured.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// Its file could not be read.
    Read(FileError),
    /// Its file did not look as documented.
    Format(ParseError),
    /// None of what it is to measure is there.
    Unseen,
    /// The control group of this process's container is not there.
    OwnUnseen,
    /// The control groups lack these controllers.
    Controllers(&'static str),
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CollectError::Controllers(missing) => {
                return write!(
                    f,
                    "values of containers: no {missing} in the control groups; mount the \
                     controller, and start the kernel with cgroup_enable=memory where it has none"
                );
            }
            CollectError::OwnUnseen => {
                "the control group of this container is not below /sys/fs/cgroup; run it with a \
                 cgroup namespace of its own (--cgroupns=private)"
            }
            CollectError::Read(_) => "cannot read",
            CollectError::Format(_) => "cannot understand",
            CollectError::Unseen => {
                "no container of this pod or task is seen; container.cgroup is where the host's \
                 control groups are"
            }
        })
    }
}

impl Error for CollectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            CollectError::Read(error) => error,
            CollectError::Format(error) => error,
            CollectError::Unseen | CollectError::OwnUnseen | CollectError::Controllers(_) => {
                return None;
            }
        })
    }
}

impl From<FileError> for CollectError {
    fn from(error: FileError) -> CollectError {
        CollectError::Read(error)
    }
}

impl From<ParseError> for CollectError {
    fn from(error: ParseError) -> CollectError {
        CollectError::Format(error)
    }
}
