//! Layer 2: one door per effect on the machine. Nothing here decides.

pub(crate) mod device;
pub(crate) mod file;
pub(crate) mod fsstat;
pub(crate) mod glob;
pub(crate) mod netif;
pub(crate) mod root;
pub(crate) mod uname;
