//! Values read from the host.

pub(crate) mod hosts;
mod hung_mount;
mod once;
