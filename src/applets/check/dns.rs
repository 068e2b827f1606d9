//! `check-dns`: what a name server answers.

use std::net::SocketAddr;
use std::time::Duration;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::base::packed::packed;
use crate::parse::dns::records::{Answer, answer, kind};
use crate::parse::dns::{A, AAAA, name_servers, query};
use crate::sys::http::stream::addresses;
use crate::sys::random::random;
use crate::sys::udp;

#[cfg(test)]
mod tests;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-dns",
    help: packed!(
        "check what a name server answers
  -H, --host=NAME           name to ask for
  -s, --server=HOST         name server; without it the first one of
                            /etc/resolv.conf
  -p, --port=N              port of the name server (default: 53)
  -q, --querytype=TYPE      type of the records (default: A)
      --norec               ask for no recursion
  -e, --expected-string=ADDRESS
                            address that the answer must have; repeatable
"
    ),
    work: Work::Check("DNS", check),
};

/// Until an answer must be there. The question is sent twice at most.
const LIMIT: Duration = Duration::from_secs(2);
/// Until the name server's own address must be known.
const LOOKUP: Duration = Duration::from_secs(10);

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let name = arguments.required("host")?;
    let port = arguments.count("port")?;
    let port = u16::try_from(port).unwrap_or(0);
    let answer = ask(arguments, host, name, port).map_err(Failure::critical)?;
    let expected: Vec<&str> = arguments.all("expected-string").collect();
    Ok(judge(&answer, &expected))
}

/// Asks the name server. Fails with the reason if it does not answer.
fn ask(arguments: &Arguments, host: &Host<'_>, name: &str, port: u16) -> Result<Answer, Failure> {
    let word = arguments.text("querytype");
    let kind = kind(word).ok_or_else(|| [word, " is invalid query type"].concat())?;
    if arguments.is_given("expected-string") && kind != A && kind != AAAA {
        return Err([word, UNSUPPORTED].concat().into());
    }
    let server = match arguments.text("server") {
        "" => {
            let mut buffer = Vec::new();
            let text = host.root.text("/etc/resolv.conf", &mut buffer);
            let text = text.map_err(|error| Failure::of(&error))?;
            name_servers(&text)
                .first()
                .map(|ip| SocketAddr::new(*ip, port))
        }
        server => {
            let found = addresses(server, port, LOOKUP);
            let found = found.map_err(|error| [server, ": ", &error.to_string()].concat())?;
            found.first().copied()
        }
    };
    let server = server.ok_or("no name server; write --server")?;
    let id = u16::try_from(random() >> 16).unwrap_or(0);
    let mut question = query(id, name, kind).ok_or_else(|| [name, ": is no name"].concat())?;
    if arguments.is_on("norec") {
        question[2] = 0;
    }
    let is_answer = |packet: &[u8]| answer(packet, id).is_some();
    let ask = || udp::ask(server, &question, LIMIT, &is_answer);
    let packet = ask().or_else(|_| ask()).map_err(|error| {
        let (server, error) = (server.to_string(), error.to_string());
        ["no answer from ", &*server, ": ", &error].concat()
    })?;
    answer(&packet, id).ok_or("the answer is damaged".into())
}

const UNSUPPORTED: &str =
    " is not supported query type. Only A, AAAA is supported for expectation.";

fn judge(answer: &Answer, expected: &[&str]) -> Finding {
    let addresses = answer
        .records
        .iter()
        .filter(|record| [A, AAAA].contains(&record.kind));
    let (mut count, mut matching) = (0, 0);
    for record in addresses {
        count += 1;
        matching += expected.iter().filter(|text| **text == record.data).count();
    }
    let is_ok = expected.is_empty() || (matching == count && expected.len() == count);
    let is_critical = answer.code != 0 || (!is_ok && matching == 0 && count > 0);
    let mut message = ["HEADER-> ", &answer.head, "\n"].concat();
    for record in &answer.records {
        message.extend(["ANSWER-> ", &record.line, "\n"]);
    }
    Finding::of_limits(!is_ok, is_critical, message)
}
