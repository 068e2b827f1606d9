//! Layer 3: reads the host, one file per group. A round's [`Readings`] are a value, of which
//! `render` makes metrics. Only what is asked for is read, and what one group has read, another takes
//! from the round.

mod agent;
mod container;
mod cpu;
mod devices;
mod disk;
mod filesystem;
mod interface;
mod loadavg;
mod memory;
pub(crate) mod readings;

use std::error::Error;
use std::fmt;

use crate::base::clock::Moment;
use crate::base::{self, Failures};
use crate::config::Config;
use crate::parse::ParseError;
use crate::sys::fsstat::FsStats;
use crate::sys::root::{FileError, Root};
use readings::Readings;

/// Reads one group.
pub(crate) trait Collector: Send {
    /// For the log.
    fn name(&self) -> &'static str;

    /// Adds what it reads to `out`. If it fails, what could be read is there all the same.
    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError>;

    /// Goes on with the settings of `config`.
    fn configure(&mut self, _config: &Config) {}
}

/// What a round is read from.
pub(crate) struct CollectContext<'a> {
    pub(crate) root: &'a Root,
    /// When the round is taken.
    pub(crate) now: Moment,
    /// Memory for files, used again by every collector and every round.
    pub(crate) buffer: &'a mut Vec<u8>,
}

/// The built-in collectors, in the order in which they run: all, or those of a container or a pod.
/// Sizes are asked of `stats`.
pub(crate) fn builtin(config: &Config, stats: FsStats) -> Vec<Box<dyn Collector>> {
    let filesystem = filesystem::Filesystem::new(config.filesystems.clone(), stats);
    let container = container::Container::new(config.container.clone());
    let mut all: Vec<Box<dyn Collector>> = vec![
        Box::new(loadavg::Loadavg),
        Box::new(cpu::Cpu),
        Box::new(memory::Memory),
        Box::new(interface::Interface::default()),
        Box::new(disk::Disk::default()),
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

/// Runs each collector once. One that fails is added to `failures` and does not disturb the others.
pub(crate) fn run(
    collectors: &mut [Box<dyn Collector>],
    context: &mut CollectContext<'_>,
    failures: &mut Failures,
) -> Readings {
    let mut readings = Readings::default();
    for collector in collectors {
        if let Err(error) = collector.collect(context, &mut readings) {
            failures.push((collector.name(), base::report(&error)));
        }
    }
    readings
}

/// How a round ends that has read what it can: with what is missing and why, if anything is.
fn ended(missing: Option<impl Into<CollectError>>) -> Result<(), CollectError> {
    missing.map_or(Ok(()), |why| Err(why.into()))
}

/// Why a group could not be read.
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
