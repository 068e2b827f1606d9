//! Describes the host again and again, and logs what fails once.

use crate::base::{Failures, program};
use crate::config::Config;
use crate::describe::{self, Calls, DescribeError, Place};
use crate::sys::fsstat::FsStats;
use crate::sys::log_once::LogEachOnce;
use crate::sys::netif::links;
use crate::sys::root::Root;
use crate::sys::uname::uname;
use crate::wire::host::HostParam;

/// What describes this host as it is when it is called. Sizes are asked of `stats`.
pub(crate) fn describer(config: &Config, stats: FsStats) -> Describe {
    let root = Root::of(&config.host);
    let mut calls = Calls {
        uname: Box::new(uname),
        links: Box::new(links),
        stats,
    };
    let mut troubles = LogEachOnce::new("describe", "mackerel_agent::describe");
    Box::new(move |config, place| {
        let agent = describe::Agent {
            name: &program::agent_name(),
            version: program::VERSION,
            revision: program::REVISION,
        };
        let mut failures = Failures::new();
        let host = describe::host(&root, &mut calls, config, &agent, place, &mut failures);
        troubles.are(failures);
        host
    })
}

/// Describes the host as it is now, where it runs, and as the configuration has it.
pub(crate) type Describe =
    Box<dyn FnMut(&Config, Place) -> Result<HostParam, DescribeError> + Send>;
