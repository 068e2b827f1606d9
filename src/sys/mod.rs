//! Layer 2: one door per effect on the machine. Nothing here decides.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the threads of plugins come next")
)]
pub(crate) mod cache;
pub(crate) mod device;
pub(crate) mod digest;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the threads of plugins, which run, come next"
    )
)]
pub(crate) mod exec;
pub(crate) mod file;
pub(crate) mod fsstat;
pub(crate) mod glob;
pub(crate) mod http;
pub(crate) mod localtime;
pub(crate) mod log;
pub(crate) mod netif;
pub(crate) mod pidfile;
pub(crate) mod random;
mod replace;
pub(crate) mod root;
pub(crate) mod signal;
pub(crate) mod state;
pub(crate) mod uname;
