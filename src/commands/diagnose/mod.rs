//! `mackerel-agent diagnose`: follows the path of a post step by step, and shows which step fails.
//!
//! Each step ends with a `Verdict` in the `report`, which prints it. The steps are in the files of
//! this directory: `settings` (configuration and permissions), `host` (clock, state directory,
//! plugins, listener), `service` (the service manager), `path` (from a name to a connection with
//! TLS), `api` (what the server says of key, host and time) and `otlp`. In each, a pure function
//! turns what was found into the verdict. `bundle` writes what maintainers need into a file, and
//! `secrets` removes secrets from all of it.
//!
//! The command changes nothing on the host or the server, apart from the file of the bundle. It
//! needs no running agent.

mod api;
mod bundle;
mod host;
mod otlp;
mod path;
mod report;
mod run;
mod secrets;
mod service;
mod settings;
mod verdict;

use std::time::Duration;

use self::report::Report;
use self::secrets::Secrets;
use super::owner;
use crate::base::clock::Deadline;
use crate::config::Flags;
use crate::settings::configtest::check;
use crate::settings::connection::proxies;
use crate::settings::organizations::{config_of, organizations};
use crate::settings::tags::TAGS;
use crate::sys::lock;
use crate::sys::log as backend;

/// Time until no further step that needs the network is begun.
const NETWORK: Duration = Duration::from_secs(48);
/// Time for the whole command, for what no other limit ends.
const WHOLE: Duration = Duration::from_secs(60);

/// Prints each step. Fails with the text for the user if a step has failed, or if the file of
/// `-bundle` cannot be created.
pub(crate) fn diagnose(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    let (network, whole) = (Deadline::after(NETWORK), Deadline::after(WHOLE));
    // Root creates the file before it becomes another user.
    let file = bundle::create(flags.bundle.as_deref())?;
    // What would be logged is in the report.
    backend::mute();
    let survey = check(flags);
    backend::set_level(false, false);
    let config = &survey.config;
    let mut report = Report::new(flags.json, Secrets::of(config), network);
    report.part("configuration");
    let is_usable = settings::configuration(&mut report, &survey, &flags.conf);
    let holder = lock::holder(&config.root);
    report.part("service");
    service::look(&mut report, holder);
    let log = file.as_ref().map(|_| service::log()).unwrap_or_default();
    // As the agent: what root may do says nothing of what the agent may do. Before any thread.
    let changed = owner::become_owner(&config.root);
    report.limit(whole.remaining());
    report.part("this host");
    let is_agent = settings::permissions(&mut report, config, &flags.conf, &changed);
    host::look(&mut report, &survey, holder);
    // Root must not read files of the state: their owner could have replaced them by links.
    if is_usable && is_agent {
        let proxy = proxies(config);
        let mut tried: Vec<(String, path::Reached)> = Vec::new();
        for organization in organizations(config) {
            let own = config_of(config, organization);
            let before = tried.iter().find(|(base, _)| *base == own.apibase);
            let reached = match before {
                Some((_, reached)) => *reached,
                None => path::to_api(&mut report, &own, &proxy),
            };
            if let Some(name) = &own.organization {
                report.part(&["organization ", name].concat());
            }
            api::ask(&mut report, &own, reached);
            tried.push((own.apibase, reached));
        }
        for destination in &config.otlp {
            otlp::look(&mut report, destination, &proxy);
        }
    } else {
        report.part("server");
        let why = if is_usable {
            "the agent's user is not known"
        } else {
            "the configuration has errors"
        };
        report.skip("connection", why);
    }
    if let Some(file) = file {
        bundle::write(file, &report, config, &log)?;
    }
    report.finish(flags.json)
}
