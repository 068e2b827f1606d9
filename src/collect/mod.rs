//! Collectors, one file per group. Each reads the host and adds to the round's [`Readings`], from
//! which `render` computes metrics. Only requested groups are read. A collector reuses what an
//! earlier one has read in the same round.

mod agent;
pub(crate) mod container;
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
use readings::extra::Wanted;

/// A collector reads one group.
pub(crate) trait Collector: Send {
    /// The name of the group in the log.
    fn name(&self) -> &'static str;

    /// Adds the readings of the group to `out`. After an error, `out` still contains what could be
    /// read.
    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError>;

    /// Applies the settings of `config`.
    fn configure(&mut self, _config: &Config) {}
}

/// What a collector needs for a round.
pub(crate) struct CollectContext<'a> {
    pub(crate) root: &'a Root,
    /// Time of the round.
    pub(crate) now: Moment,
    /// Read buffer, reused by every collector and in every round.
    pub(crate) buffer: &'a mut Vec<u8>,
}

/// The built-in collectors in the order in which they run. If only a container or a pod is
/// measured, these are `interface`, `agent` and `container`. Sizes of filesystems come from
/// `stats`.
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
        // The other groups describe the host, which an agent on the host itself measures.
        all.retain(|collector| ["interface", "agent", "container"].contains(&collector.name()));
    }
    all
}

/// Runs each collector once. Errors are added to `failures`; the other collectors still run. What
/// is `wanted` for OTLP is read besides.
pub(crate) fn run(
    collectors: &mut [Box<dyn Collector>],
    context: &mut CollectContext<'_>,
    wanted: Wanted,
    failures: &mut Failures,
) -> Readings {
    let mut readings = Readings {
        extra: wanted.room(),
        ..Readings::default()
    };
    for collector in collectors {
        if let Err(error) = collector.collect(context, &mut readings) {
            failures.push((collector.name(), base::report(&error)));
        }
    }
    readings
}

/// The result of a collector: an error if `missing` says why a reading is incomplete.
fn ended(missing: Option<impl Into<CollectError>>) -> Result<(), CollectError> {
    missing.map_or(Ok(()), |why| Err(why.into()))
}

/// Reasons why a group could not be read completely.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// A file could not be read.
    Read(FileError),
    /// A file does not have the documented format.
    Format(ParseError),
    /// None of the selected containers was found.
    Unseen,
    /// The control group of this process's container was not found.
    OwnUnseen,
    /// These controllers are missing from the control groups.
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
