//! The destinations of OTLP: the path, and a request without data.

use std::time::Duration;

use super::path::{NO_TIME, follow};
use super::report::Report;
use super::verdict::{State, Verdict};
use crate::base::program;
use crate::config::{Otlp, OtlpProtocol};
use crate::deliver::otlp::try_out;
use crate::sys::http::proxy::Rules;
use crate::sys::http::route::Target;

/// Time for the request.
const LIMIT: Duration = Duration::from_secs(10);

/// Adds the steps for one destination.
pub(super) fn look(report: &mut Report, otlp: &Otlp, proxy: &Rules) {
    let target = Target {
        url: &otlp.endpoint,
        is_grpc: otlp.protocol == OtlpProtocol::Grpc,
        insecure: otlp.insecure,
        user_agent: &program::agent_name(),
        proxy,
        ca_file: otlp.ca_file.as_ref().map(|named| named.path.as_path()),
    };
    let reached = follow(report, "OTLP ", &target);
    let name = "export without data";
    if let Err(why) = reached {
        return report.skip(name, why);
    }
    let Some(time) = report.time(LIMIT) else {
        return report.skip(name, NO_TIME);
    };
    let since = report.begin(name);
    let verdict = of_export(try_out(otlp, proxy.clone(), time));
    report.end(name, since, verdict);
}

/// The answer to a request without data: the server's warning, or the error.
fn of_export(answer: Result<Option<String>, String>) -> Verdict {
    match answer {
        Ok(None) => Verdict::ok("accepted".to_owned()),
        Ok(Some(warning)) => Verdict::of(State::Warn, &warning, ""),
        Err(why) => Verdict::of(
            State::Fail,
            &why,
            "the server fails at present: see its log, and try again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnose_export_is_accepted_or_refused() {
        let failing = "the server fails at present: see its log, and try again";
        // (answer, verdict)
        let table = [
            (Ok(None), "ok: accepted".to_owned()),
            (
                Ok(Some("the server warns: x")),
                "warn: the server warns: x".to_owned(),
            ),
            (
                Err("POST x failed (status 401): y; check the API key"),
                "FAIL: POST x failed (status 401): y -> check the API key".to_owned(),
            ),
            (
                Err("UNAVAILABLE"),
                format!("FAIL: UNAVAILABLE -> {failing}"),
            ),
        ];
        for (answer, expected) in table {
            let answer = answer
                .map(|warning| warning.map(str::to_owned))
                .map_err(str::to_owned);
            assert_eq!(of_export(answer).shown(), expected);
        }
    }
}
