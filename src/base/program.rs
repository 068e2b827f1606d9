//! What this program calls itself.

/// Of the package, e.g. `0.1.0`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The first seven digits of the commit it was built from; the build script of `cross/` gives it.
pub(crate) const REVISION: &str = match option_env!("MACKEREL_AGENT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The target as `cross/targets` names it.
pub(crate) const TARGET: &str = match option_env!("MACKEREL_AGENT_TARGET") {
    Some(target) => target,
    None => std::env::consts::ARCH,
};

/// Name, version and revision, as the server shows them: `User-Agent` and `meta.agent-name`.
pub(crate) fn agent_name() -> String {
    format!("mackerel-agent/{VERSION} (Revision {REVISION})")
}
