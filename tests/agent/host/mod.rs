//! Values read from the host.

mod hosts;
mod hung_mount;
mod once;
