//! Name and version of this program.

use super::clock::Unix;

/// Version of the package, e.g. `0.1.0`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first seven digits of the commit from which it was built; set by the build script of
/// `cross/`.
pub(crate) const REVISION: &str = match option_env!("MACKEREL_AGENT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Time of the commit from which it was built; set by the build script of `cross/`. Without that, it
/// is the time of a commit that is not much older. The program cannot run before.
pub(crate) const COMMITTED: Unix = Unix(match option_env!("MACKEREL_AGENT_COMMITTED") {
    Some(seconds) => match u64::from_str_radix(seconds, 10) {
        Ok(seconds) => seconds,
        Err(_) => 0,
    },
    None => 1_795_824_000,
});

/// The target, named as in `cross/targets`.
pub(crate) const TARGET: &str = match option_env!("MACKEREL_AGENT_TARGET") {
    Some(target) => target,
    None => std::env::consts::ARCH,
};

/// Name, version and revision, as shown by the server: `User-Agent` and `meta.agent-name`.
pub(crate) fn agent_name() -> String {
    format!("mackerel-agent/{VERSION} (Revision {REVISION})")
}
