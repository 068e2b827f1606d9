//! What the API says of the key, of this host's id and of the time. All requests are GET.

use std::time::Duration;

use super::host::SET_CLOCK;
use super::path::follow;
use super::report::{Report, State, Verdict, failed, verdict};
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::config::Config;
use crate::deliver::api::{Api, ApiError};
use crate::settings::apply::state;
use crate::settings::connection::link_within;
use crate::sys::boot::is_synchronised;
use crate::sys::http::proxy::Rules;
use crate::sys::http::route::Target;
use crate::wire::host::Host;

/// Time for a request.
const LIMIT: Duration = Duration::from_secs(10);
/// Seconds by which the clocks of host and server may differ.
const TOLERANCE: u64 = 60;

/// Adds the steps for the organisation of `config`.
pub(super) fn ask(report: &mut Report, config: &Config, proxy: &Rules) {
    let name = match &config.organization {
        Some(name) => ["organization ", name, ": "].concat(),
        None => "server ".to_owned(),
    };
    let target = Target {
        url: &config.apibase,
        is_grpc: false,
        insecure: false,
        proxy,
        ca_file: config.ca_file.as_ref().map(|named| named.path.as_path()),
    };
    if !follow(report, &name, &target, "API key, host") {
        return;
    }
    // The configuration has been checked, so that this does not fail.
    let Ok(http) = link_within(config, report.time(LIMIT)) else {
        return;
    };
    let mut api = Api::new(Box::new(http));
    if !report.add("API key", of_key(api.organization())) {
        return report.skip("host: a step before fails");
    }
    let state = state(config);
    let found = match state.host_id() {
        Err(error) => (State::Fail, base::report(&error)),
        Ok(None) => {
            let text = "no id yet: the agent registers this host when it has started";
            verdict(State::Ok, &[text])
        }
        Ok(Some(id)) => {
            let path = state.id_path().display().to_string();
            of_host(&id, &path, api.host(&id))
        }
    };
    report.add("host", found);
    if let Some(date) = api.date() {
        let now = report.clock().unix();
        report.add("clock difference", of_time(now, date, is_synchronised()));
    }
}

/// The answer to the question which organisation the key is of.
fn of_key(found: Result<String, ApiError>) -> Verdict {
    match found {
        Ok(name) => {
            let more = "; whether it may write, only a post shows";
            verdict(State::Ok, &["of organization ", &name, more])
        }
        Err(error) => of_error(&error),
    }
}

fn of_error(error: &ApiError) -> Verdict {
    failed(
        &base::report(error),
        "; try again, and see status.mackerel.io",
    )
}

/// What the server has under this host's id, which is stored at `path`.
fn of_host(id: &str, path: &str, found: Result<Host, ApiError>) -> Verdict {
    let why = match &found {
        Ok(host) if host.is_retired => "the host is retired; ",
        Ok(host) => {
            let text = [id, ": ", &host.name, ", status ", &host.status];
            return verdict(State::Ok, &text);
        }
        Err(error) if error.status() == Some(404) => {
            "the organization of this key has no such host; use the key of its organization, or, "
        }
        Err(error) => return of_error(error),
    };
    let remedy = "to register this host as a new one, delete ";
    let text = [id, ": ", why, remedy, path, " and start the agent again"];
    verdict(State::Fail, &text)
}

/// The difference between the host's clock and the server's.
fn of_time(now: Unix, date: Unix, is_synchronised: bool) -> Verdict {
    let difference = now.0.abs_diff(date.0);
    let (state, what, remedy) = if difference <= TOLERANCE {
        (State::Ok, " s", "")
    } else if is_synchronised {
        let what = " s, but the kernel reports a synchronized clock: values get a wrong time; ";
        (State::Fail, what, SET_CLOCK)
    } else {
        (
            State::Warn,
            " s: the agent uses the server's time; ",
            SET_CLOCK,
        )
    };
    verdict(state, &[&difference.to_string(), what, remedy])
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
        // (status and body of the answer, verdict)
        let table = [
            (
                (200, r#"{"name":"acme","displayName":null}"#),
                State::Ok,
                "of organization acme; whether it may write, only a post shows",
            ),
            (
                (401, r#"{"error":{"message":"no such key"}}"#),
                State::Fail,
                "GET /api/v0/org: API request failed: no such key (status 401); check apikey: the \
                 key has to exist and to be allowed to write",
            ),
            (
                (503, ""),
                State::Fail,
                "GET /api/v0/org: API request failed: 503 Service Unavailable (status 503); try \
                 again, and see status.mackerel.io",
            ),
            (
                (200, "{}"),
                State::Fail,
                "GET /api/v0/org: not an answer of the API; check apibase, and whether a proxy or a \
                 login page is between this host and the server: there is no name of an \
                 organization in it",
            ),
            (
                (0, ""),
                State::Fail,
                "GET /api/v0/org: no answer: connect to the test: no route; try again, and see \
                 status.mackerel.io",
            ),
        ];
        for ((status, body), state, text) in table {
            let found = of_key(api(status, body).organization());
            assert_eq!(found, (state, text.to_owned()));
        }
    }

    #[test]
    fn diagnose_host_has_to_exist_and_not_to_be_retired() {
        // (status and body of the answer, verdict)
        let table = [
            (
                (
                    200,
                    r#"{"host":{"id":"3a","name":"web1","status":"working","isRetired":false}}"#,
                ),
                State::Ok,
                "3a: web1, status working",
            ),
            (
                (
                    200,
                    r#"{"host":{"id":"3a","name":"web1","status":"working","isRetired":true}}"#,
                ),
                State::Fail,
                "3a: the host is retired; to register this host as a new one, delete /r/id and \
                 start the agent again",
            ),
            (
                (404, ""),
                State::Fail,
                "3a: the organization of this key has no such host; use the key of its \
                 organization, or, to register this host as a new one, delete /r/id and start the \
                 agent again",
            ),
            (
                (500, ""),
                State::Fail,
                "GET /api/v0/hosts/3a: API request failed: 500 Internal Server Error (status 500); \
                 try again, and see status.mackerel.io",
            ),
        ];
        for ((status, body), state, text) in table {
            let found = of_host("3a", "/r/id", api(status, body).host("3a"));
            assert_eq!(found, (state, text.to_owned()));
        }
    }

    #[test]
    fn diagnose_clocks_may_differ_by_a_minute() {
        // (server's time, whether the host's clock is synchronised, verdict)
        let table = [
            (1_000_060, false, State::Ok, "60 s".to_owned()),
            (999_940, true, State::Ok, "60 s".to_owned()),
            (
                1_000_061,
                false,
                State::Warn,
                format!("61 s: the agent uses the server's time; {SET_CLOCK}"),
            ),
            (
                900_000,
                true,
                State::Fail,
                format!(
                    "100000 s, but the kernel reports a synchronized clock: values get a wrong \
                     time; {SET_CLOCK}"
                ),
            ),
        ];
        for (date, is_synchronised, state, text) in table {
            let found = of_time(Unix(1_000_000), Unix(date), is_synchronised);
            assert_eq!(found, (state, text));
        }
    }
}
