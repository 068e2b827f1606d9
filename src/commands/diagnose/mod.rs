//! `mackerel-agent diagnose`: follows the path of a post step by step, and shows which step fails.
//!
//! Each step ends with a [`report::Verdict`], which the `report` prints. The steps are in the files
//! of this directory: `host` (configuration, clock, state directory, plugins, listener), `service`
//! (the service manager), `path` (from a name to a connection with TLS), `api` (what the server says
//! of key, host and time) and `otlp`. In each, a pure function turns what was found into the verdict.
//! `bundle` writes what maintainers need into a file, and `secrets` removes secrets from all of it.
//!
//! The command changes nothing on the host or the server, apart from the file of the bundle. It
//! needs no running agent.

mod api;
mod bundle;
mod host;
mod otlp;
mod path;
mod report;
mod secrets;
mod service;

use std::time::Duration;

use self::report::{Report, State};
use self::secrets::Secrets;
use super::owner;
use crate::base::clock::{Deadline, HostClock};
use crate::config::Flags;
use crate::settings::configtest::check;
use crate::settings::connection::proxies;
use crate::settings::organizations::{config_of, organizations};
use crate::sys::lock;
use crate::sys::log;
use crate::sys::time_limit;

/// Time until no further step that needs the network waits.
const NETWORK: Duration = Duration::from_secs(50);
/// Seconds for the whole command, for what no other limit ends.
const WHOLE: u32 = 60;

/// Prints each step. Fails with the text for the user if a step has failed, or if the file of
/// `-bundle` cannot be created.
pub(crate) fn diagnose(flags: &Flags) -> Result<(), String> {
    log::install();
    time_limit::end_after(WHOLE);
    let clock = HostClock::new();
    let by = Deadline::after(NETWORK);
    // Root creates the file before it becomes another user.
    let file = bundle::create(flags.bundle.as_deref())?;
    let log = file.as_ref().map(|_| service::log());
    // Warnings are logged by the second check.
    log::set_level(false, true);
    let first = check(flags);
    // The agent's user may not be able to read the file, but the log has been read.
    let secrets = Secrets::of(&first.config);
    let holder = lock::holder(&first.config.root);
    let service = service::ask(holder);
    // What root may do says nothing of what the agent may do. Before any thread.
    let changed = owner::become_owner(&first.config.root);
    log::set_level(false, false);
    let survey = if changed.is_ok() { check(flags) } else { first };
    let config = &survey.config;
    let mut report = Report::new(secrets, clock, by);
    report.part("this host");
    let is_usable = report.add(
        "configuration",
        host::of_configuration(&survey, &flags.conf),
    );
    report.add("service", service);
    report.add("agent", service::of_holder(holder));
    host::look(&mut report, &survey, holder);
    if let Err(why) = changed {
        // Root must not read files of the state: their owner could have replaced them by links.
        report.add("user", (State::Fail, why));
    } else if is_usable {
        let proxy = proxies(config);
        for organization in organizations(config) {
            let own = config_of(config, organization);
            api::ask(&mut report, &own, &proxy);
        }
        for destination in &config.otlp {
            otlp::look(&mut report, destination, &proxy);
        }
    } else {
        report.skip("connection, API key, host: the configuration has errors");
    }
    if let (Some(file), Some(log)) = (file, log) {
        bundle::write(file, &report, &flags.conf, &log)?;
    }
    report.finish()
}
