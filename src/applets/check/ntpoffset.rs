//! `check-ntpoffset`: how far the clock is off.

use std::time::Duration;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::command::Ran;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::number::decimal;
use crate::base::clock::Deadline;
use crate::base::packed::packed;
use crate::parse::ntp::{self, Offset};
use crate::sys::http::stream::addresses;
use crate::sys::random::random;
use crate::sys::udp;

#[cfg(test)]
mod tests;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-ntpoffset",
    help: packed!(
        "check how far the clock is off
  -c, --critical=N          milliseconds until CRITICAL (default: 100)
  -w, --warning=N           milliseconds until WARNING (default: 50)
  -s, --ntp-servers=HOSTS   ask these servers, separated by commas, in turn;
                            without it chronyd, ntpd or systemd-timesyncd
  -t, --ntp-timeout=N       seconds until an answer must be there (default: 15)
  -S, --check-stratum       UNKNOWN if the NTP daemon is not synchronized
"
    ),
    work: Work::Check("NTP", check),
};

/// The port of NTP.
const PORT: u16 = 123;
/// The commands that ask NTP daemons. systemd-timesyncd has a property with its last packet.
const DAEMONS: [&[&str]; 3] = [
    &["chronyc", "tracking"],
    &["ntpq", "-c", "rv 0 stratum,offset"],
    &[
        "busctl",
        "--system",
        "get-property",
        "org.freedesktop.timesync1",
        "/org/freedesktop/timesync1",
        "org.freedesktop.timesync1.Manager",
        "NTPMessage",
    ],
];

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let (warning, critical) = (arguments.amount("warning")?, arguments.amount("critical")?);
    let limit = Host::limit(arguments.count("ntp-timeout")? as f64);
    let offset = match arguments.text("ntp-servers") {
        "" => of_daemon(arguments.is_on("check-stratum"), host, limit)?,
        servers => of_servers(servers, host, limit)?,
    };
    Ok(judge(offset, warning, critical))
}

fn judge(offset: f64, warning: f64, critical: f64) -> Finding {
    let actual = offset.abs();
    let text = |number| decimal(number, 6);
    let (is_warning, is_critical) = (warning < actual, critical < actual);
    let over = if is_critical { critical } else { warning };
    let message = if is_warning || is_critical {
        [
            "ntp offset is over ",
            &text(actual),
            "(actual) > ",
            &text(over),
            "(threshold)",
        ]
        .concat()
    } else {
        [
            "ntp offset is ",
            &text(actual),
            "(actual) < ",
            &text(warning),
            "(warning threshold), ",
            &text(critical),
            "(critial threshold)",
        ]
        .concat()
    };
    Finding::of_limits(is_warning, is_critical, message)
}

/// The offset according to the first server that answers, each having its share of the time.
fn of_servers(servers: &str, host: &Host<'_>, limit: Duration) -> Result<f64, Failure> {
    let by = Deadline::after(limit);
    let mut left = servers.split(',').count();
    let mut why = String::new();
    for server in servers.split(',') {
        let share = by.remaining() / u32::try_from(left).unwrap_or(1).max(1);
        left -= 1;
        match of_server(server.trim_ascii(), host, share) {
            Ok(offset) => return Ok(offset),
            Err(error) => why.extend(["; ", server.trim_ascii(), ": ", error.why()]),
        }
    }
    Err(["NTP offset cannot get from \"", servers, "\"", &why]
        .concat()
        .into())
}

fn of_server(server: &str, host: &Host<'_>, limit: Duration) -> Result<f64, Failure> {
    let by = Deadline::after(limit);
    let (name, port) = match server.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            (name, port.parse().map_err(|_| "is no port")?)
        }
        _ => (server, PORT),
    };
    let name = name.trim_matches(['[', ']']);
    let found = addresses(name, port, limit).map_err(|error| Failure::of(&error))?;
    let address = found.first().ok_or("the name has no address")?;
    let mut mark = [0; 8];
    mark[..4].copy_from_slice(&random().to_ne_bytes());
    mark[4..].copy_from_slice(&random().to_ne_bytes());
    let question = ntp::query(mark);
    let is_answer = |packet: &[u8]| ntp::is_answer(packet, mark);
    let (sent, start) = (host.clock.wall(), host.clock.moment());
    let packet = udp::ask(*address, &question, by.remaining(), &is_answer);
    let packet = packet.map_err(|error| Failure::of(&error))?;
    // Not by the wall clock, which may be corrected in between.
    let received = sent + host.clock.moment().since(start);
    Ok(ntp::offset(&packet, sent, received)?)
}

/// The offset according to the host's own NTP daemon: the first one that answers.
fn of_daemon(checks_stratum: bool, host: &Host<'_>, limit: Duration) -> Result<f64, Failure> {
    let by = Deadline::after(limit);
    let mut why = "no ntp daemons detected".to_owned();
    for words in DAEMONS {
        let program = words.first().copied().unwrap_or_default();
        let error = match Ran::of(words, host, by.remaining()) {
            Ok(ran) => match answer(program, ran, checks_stratum, host.now()) {
                Ok(offset) => return Ok(offset?),
                Err(error) => error,
            },
            Err(error) => error.why().to_owned(),
        };
        why.extend(["; ", &error.replace('\n', " ")]);
    }
    Err(why.into())
}

/// The offset in what the program of a daemon has answered. Fails with the reason if the daemon has
/// not answered: ntpq ends with 0 and prints nothing then.
fn answer(program: &str, ran: Ran, checks_stratum: bool, now: u64) -> Result<Offset, String> {
    match (ran.text.trim_ascii(), ran.code) {
        ("", _) => Err(ran.said),
        (text, 0) => Ok(match program {
            "chronyc" => ntp::of_chronyc(text, checks_stratum),
            "ntpq" => ntp::of_ntpq(text, checks_stratum),
            _ => ntp::of_timesyncd(text, now),
        }),
        (text, _) => Err(text.to_owned()),
    }
}
