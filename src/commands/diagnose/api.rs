//! What the API says of the key, of this host's id and of the time. All requests are GET.

use std::time::Duration;

use super::path::{NO_TIME, Reached};
use super::report::Report;
use super::verdict::{State, Verdict};
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError};
use crate::settings::apply::state;
use crate::settings::connection::link_within;
use crate::sys::boot::is_synchronised;
use crate::wire::host::Host;

/// Time for a request.
const LIMIT: Duration = Duration::from_secs(10);
/// Seconds by which the clocks of host and server may differ.
const TOLERANCE: u64 = 60;

/// Adds the steps for the organisation of `config`, whose server was `reached`.
pub(super) fn ask(report: &mut Report, config: &Config, reached: &Reached) {
    let skipped = |report: &mut Report, why: &str, names: &[&str]| {
        for name in names {
            report.skip(name, why);
        }
    };
    let all = ["API key", "host", "clock difference"];
    if let Err(why) = reached {
        return skipped(report, why, &all);
    }
    let Some(time) = report.time(LIMIT) else {
        return skipped(report, NO_TIME, &all);
    };
    let mut api = match link_within(config, time) {
        Ok(http) => Api::new(Box::new(http)),
        Err(why) => {
            report.add("API key", Verdict::of(State::Fail, &why, "correct it"));
            return;
        }
    };
    let since = report.begin("API key");
    let found = api.organization();
    if !report.end("API key", since, of_key(found)) {
        return skipped(report, "the API does not accept the key", &all[1..]);
    }
    let since = report.begin("host");
    let path = state(config).id_path().display().to_string();
    let verdict = match state(config).host_id() {
        Err(error) => Verdict::of(State::Fail, &base::report(&error), "correct it"),
        Ok(None) => {
            Verdict::ok("no id yet: the agent registers this host when it has started".to_owned())
        }
        Ok(Some(id)) => of_host(&id, &path, api.host(&id)),
    };
    report.end("host", since, verdict);
    let now = report.clock().unix();
    let verdict = of_time(now, api.date(), is_synchronised());
    report.add("clock difference", verdict);
}

/// The answer to the question which organisation the key is of.
fn of_key(found: Result<String, ApiError>) -> Verdict {
    match found {
        Ok(name) => Verdict::ok(format!(
            "accepted by organization {name}; whether it may write is shown by a post alone"
        )),
        Err(error) => Verdict::of(
            State::Fail,
            &base::report(&error),
            "the server fails at present: try again, and see status.mackerel.io",
        ),
    }
}

/// What the server has under this host's id, which is stored at `path`.
fn of_host(id: &str, path: &str, found: Result<Host, ApiError>) -> Verdict {
    let remedy =
        format!("to register this host as a new one, delete {path} and start the agent again");
    match found {
        Ok(host) if host.is_retired => Verdict::new(
            State::Fail,
            format!("id {id}: the host is retired"),
            &remedy,
        ),
        Ok(host) => Verdict::ok(format!("id {id}: {}, status {}", host.name, host.status)),
        Err(error) if error.status() == Some(404) => Verdict::new(
            State::Fail,
            format!("id {id}: the organization of this key has no such host"),
            &["use the key of the host's organization, or, ", &remedy].concat(),
        ),
        Err(error) => Verdict::of(State::Fail, &base::report(&error), "try again"),
    }
}

/// The difference between the host's clock and the server's.
fn of_time(now: Unix, date: Option<Unix>, is_synchronised: bool) -> Verdict {
    let Some(date) = date else {
        let why = "the server sends no time";
        return Verdict::new(State::Skipped, why.to_owned(), "");
    };
    let difference = now.0.abs_diff(date.0);
    let detail = format!("{difference} s");
    if difference <= TOLERANCE {
        return Verdict::ok(detail);
    }
    let remedy = "start a time service (systemd-timesyncd, chrony or ntpd)";
    if is_synchronised {
        let what = ", though the kernel reports a synchronized clock: values are posted with it";
        Verdict::new(State::Fail, detail + what, remedy)
    } else {
        let what = ": the agent posts values with the server's time";
        Verdict::new(State::Warn, detail + what, remedy)
    }
}
