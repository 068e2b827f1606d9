//! The host's clock, with the boot's age and synchronisation from the kernel.

use std::time::Duration;

use super::boot;
use crate::base::clock::{Clock, HostClock, Moment};

/// The clock that the agent and its plugins use: stamps of two threads can be compared.
#[derive(Clone, Copy)]
pub(crate) struct BootClock(pub(crate) HostClock);

impl Clock for BootClock {
    fn wall(&self) -> Duration {
        self.0.wall()
    }

    fn moment(&self) -> Moment {
        self.0.moment()
    }

    fn age(&self) -> u64 {
        boot::age().as_secs()
    }

    fn is_synchronised(&self) -> bool {
        boot::is_synchronised()
    }
}
