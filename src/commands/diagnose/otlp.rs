//! The destinations of OTLP: the path, and a request without data.

use std::time::Duration;

use super::path::follow;
use super::report::{Report, State, Verdict, failed, verdict};
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
        proxy,
        ca_file: otlp.ca_file.as_ref().map(|named| named.path.as_path()),
    };
    if follow(report, "OTLP ", &target, "export") {
        let answer = try_out(otlp, proxy.clone(), report.time(LIMIT));
        report.add("export without data", of_export(answer));
    }
}

/// The answer to a request without data: the server's warning, or the error.
fn of_export(answer: Result<Option<String>, String>) -> Verdict {
    match answer {
        Ok(None) => verdict(State::Ok, &["accepted"]),
        Ok(Some(warning)) => (State::Warn, warning),
        Err(why) => failed(&why, "; see the log of that server, and try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnose_export_is_accepted_or_refused() {
        let refused = "POST x failed (status 401): y; check the API key";
        // (answer, verdict)
        let table = [
            (Ok(None), State::Ok, "accepted"),
            (
                Ok(Some("the server warns")),
                State::Warn,
                "the server warns",
            ),
            (Err(refused), State::Fail, refused),
            (
                Err("UNAVAILABLE"),
                State::Fail,
                "UNAVAILABLE; see the log of that server, and try again",
            ),
        ];
        for (answer, state, text) in table {
            let answer = answer
                .map(|warning: Option<&str>| warning.map(str::to_owned))
                .map_err(str::to_owned);
            assert_eq!(of_export(answer), (state, text.to_owned()));
        }
    }
}
