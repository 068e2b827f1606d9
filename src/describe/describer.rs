//! Repeated descriptions of the host. Failures that persist are logged once.

use crate::base::{Failures, program};
use crate::config::Config;
use crate::describe::{self, Calls, DescribeError, Place};
use crate::sys::fsstat::FsStats;
use crate::sys::log_once::LogEachOnce;
use crate::sys::netif::links;
use crate::sys::root::Root;
use crate::sys::uname::uname;
use crate::wire::host::HostParam;

/// A function that describes the host at the time of the call. Sizes of filesystems come from
/// `stats`.
pub(crate) fn describer(config: &Config, stats: FsStats) -> Describe {
    let root = Root::of(&config.host);
    let mut calls = Calls {
        uname: Box::new(uname),
        links: Box::new(links),
        stats,
    };
    let mut troubles = LogEachOnce::new("describe", "spec");
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

/// Describes the host at the time of the call, given the configuration and the cloud.
pub(crate) type Describe =
    Box<dyn FnMut(&Config, Place) -> Result<HostParam, DescribeError> + Send>;
