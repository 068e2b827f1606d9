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
pub(super) fn ask(report: &mut Report, config: &Config, reached: Reached) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::http::{Answer, Exchange, LinkError, Request};

    /// A server that always answers this.
    struct Server(u16, &'static str);

    impl Exchange for Server {
        fn exchange(&mut self, _: &Request<'_>) -> Result<Answer, LinkError> {
            if self.0 == 0 {
                return Err(LinkError::for_test("no route"));
            }
            Ok(Answer {
                status: self.0,
                body: self.1.to_owned(),
                encoding: None,
                retry_after: None,
                location: None,
                date: None,
            })
        }
    }

    fn api(status: u16, body: &'static str) -> Api {
        Api::new(Box::new(Server(status, body)))
    }

    #[test]
    fn diagnose_key_is_accepted_or_refused_by_the_api() {
        let failing = "the server fails at present: try again, and see status.mackerel.io";
        let foreign = "check apibase, and whether a proxy or a login page is between this host and \
                       the server";
        let no_name = "there is no name of an organization in it";
        // (status and body of the answer, verdict)
        let table = [
            (
                (200, r#"{"name":"acme","displayName":null}"#),
                "ok: accepted by organization acme; whether it may write is shown by a post alone"
                    .to_owned(),
            ),
            (
                (401, r#"{"error":{"message":"no such key"}}"#),
                "FAIL: GET /api/v0/org: API request failed: no such key (status 401) -> check \
                 apikey: the key has to exist and to be allowed to write"
                    .to_owned(),
            ),
            (
                (503, ""),
                format!(
                    "FAIL: GET /api/v0/org: API request failed: 503 Service Unavailable (status 503) \
                     -> {failing}"
                ),
            ),
            (
                (200, "{}"),
                format!("FAIL: GET /api/v0/org: not an answer of the API -> {foreign}: {no_name}"),
            ),
            (
                (0, ""),
                format!(
                    "FAIL: GET /api/v0/org: no answer: connect to the test: no route -> {failing}"
                ),
            ),
        ];
        for ((status, body), expected) in table {
            assert_eq!(of_key(api(status, body).organization()).shown(), expected);
        }
    }

    #[test]
    fn diagnose_host_has_to_exist_and_not_to_be_retired() {
        let delete = "to register this host as a new one, delete /r/id and start the agent again";
        // (status and body of the answer, verdict)
        let table = [
            (
                (200, r#"{"host":{"id":"3a","name":"web1","status":"working","isRetired":false}}"#),
                "ok: id 3a: web1, status working".to_owned(),
            ),
            (
                (200, r#"{"host":{"id":"3a","name":"web1","status":"working","isRetired":true}}"#),
                format!("FAIL: id 3a: the host is retired -> {delete}"),
            ),
            (
                (404, ""),
                format!(
                    "FAIL: id 3a: the organization of this key has no such host -> use the key of \
                     the host's organization, or, {delete}"
                ),
            ),
            (
                (500, ""),
                "FAIL: GET /api/v0/hosts/3a: API request failed: 500 Internal Server Error (status \
                 500) -> try again"
                    .to_owned(),
            ),
        ];
        for ((status, body), expected) in table {
            let found = api(status, body).host("3a");
            assert_eq!(of_host("3a", "/r/id", found).shown(), expected);
        }
    }

    #[test]
    fn diagnose_clocks_may_differ_by_a_minute() {
        let remedy = "start a time service (systemd-timesyncd, chrony or ntpd)";
        // (server's time, whether the host's clock is synchronised, verdict)
        let table = [
            (None, true, "skipped: the server sends no time".to_owned()),
            (Some(1_000_060), false, "ok: 60 s".to_owned()),
            (Some(999_940), true, "ok: 60 s".to_owned()),
            (
                Some(1_000_061),
                false,
                format!("warn: 61 s: the agent posts values with the server's time -> {remedy}"),
            ),
            (
                Some(900_000),
                true,
                format!(
                    "FAIL: 100000 s, though the kernel reports a synchronized clock: values are \
                     posted with it -> {remedy}"
                ),
            ),
        ];
        for (date, is_synchronised, expected) in table {
            let found = of_time(Unix(1_000_000), date.map(Unix), is_synchronised);
            assert_eq!(found.shown(), expected);
        }
    }
}
