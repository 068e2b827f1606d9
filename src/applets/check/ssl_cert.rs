//! `check-ssl-cert`: days until the certificates of a server expire.

use std::time::Duration;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::trust;
use crate::base::clock::Unix;
use crate::base::packed::packed;
use crate::sys::http::stream::Stream;

#[cfg(test)]
mod tests;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-ssl-cert",
    help: packed!(
        "check when the certificates of a server expire
  -H, --host=HOST           name or address
  -p, --port=N              port (default: 443)
  -w, --warning=DAYS        days before the end until WARNING (default: 30)
  -c, --critical=DAYS       days before the end until CRITICAL (default: 14)
      --ca-file=PATH        trust the certificates in this file, and no others
      --cert-file=PATH      not possible: this program cannot sign
      --key-file=PATH       the same
      --no-check-certificate
                            accept any certificate; its end is still checked
"
    ),
    work: Work::Check("SSL", check),
};

/// Of the connection, with its handshake.
const LIMIT: Duration = Duration::from_secs(30);

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let name = arguments.required("host")?;
    let (warning, critical) = (arguments.count("warning")?, arguments.count("critical")?);
    let port = u16::try_from(arguments.count("port")?).unwrap_or(0);
    trust::no_own_certificate(arguments)?;
    let end = expiry(arguments, name, port).map_err(Failure::critical)?;
    let millis = host.millis_until(end);
    let days = millis / 86_400_000;
    let word = if days == 1 { "day" } else { "days" };
    let second = end.0 % 86_400;
    let message = format!(
        "Certificate '{name}:{port}' expires in {days} {word} ({} {:02}:{:02}:{:02} +0000 UTC)",
        end.day(),
        second / 3_600,
        second / 60 % 60,
        second % 60,
    );
    let is_within = |days: i64| millis < days.saturating_mul(86_400_000);
    Ok(Finding::of_limits(
        is_within(warning),
        is_within(critical),
        message,
    ))
}

/// The earliest end of validity of the server's certificates.
fn expiry(arguments: &Arguments, name: &str, port: u16) -> Result<Unix, Failure> {
    let stream = Stream::open(name, port, Some(trust::roots(arguments)?), LIMIT);
    let stream = stream.map_err(|why| trust::with_flag(&why))?;
    let end = stream.expiry();
    end.ok_or("no end of validity in the server's certificate".into())
}
