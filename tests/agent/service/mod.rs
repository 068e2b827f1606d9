//! The agent as a service: signals, supervision, the service manager, the log.

mod health;
mod log;
mod notify;
mod pid1;
mod reload_commands;
mod signals;
mod status;
mod supervise;
mod watch;
