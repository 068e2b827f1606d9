//! Layer 2: one door per effect on the machine. Nothing here decides.

pub(crate) mod args;
pub(crate) mod boot;
pub(crate) mod cache;
pub(crate) mod child;
pub(crate) mod crash;
pub(crate) mod device;
pub(crate) mod digest;
pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod executable;
pub(crate) mod file;
pub(crate) mod fsstat;
pub(crate) mod glob;
pub(crate) mod http;
pub(crate) mod inquiry;
pub(crate) mod journal;
pub(crate) mod localtime;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod memory;
pub(crate) mod netif;
mod nofollow;
pub(crate) mod notify;
pub(crate) mod pidfile;
pub(crate) mod random;
pub(crate) mod root;
pub(crate) mod running;
pub(crate) mod signal;
pub(crate) mod signature;
pub(crate) mod state;
pub(crate) mod terminal;
#[cfg(target_env = "musl")]
mod thread;
pub(crate) mod tree;
mod trusted;
pub(crate) mod uname;
pub(crate) mod user;
