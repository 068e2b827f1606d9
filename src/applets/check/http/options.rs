//! The flags of check-http.

use std::time::Duration;

use crate::applets::arguments::{Arguments, wrong};
use crate::applets::finding::{Failure, pattern};
use crate::applets::host::Host;
use crate::base::pattern::Pattern;
use crate::base::url::host_and_port;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Detour, Method, Via};
use crate::wire::check::CheckStatus;

/// The status of the check for statuses of an answer: the least and the greatest of them.
pub(super) struct Range(u16, u16, CheckStatus);

/// What the flags say, except those that are used as they are.
pub(super) struct Options<'a> {
    pub(super) statuses: Vec<Range>,
    pub(super) method: Method,
    pub(super) headers: Vec<(String, String)>,
    pub(super) proxy: Rules,
    pub(super) via: Via,
    pub(super) pattern: Option<(&'a str, Pattern)>,
    pub(super) redirects: i64,
    /// Bytes of the content, exactly and at least; -1: any.
    pub(super) exact: i64,
    pub(super) least: i64,
    pub(super) limit: Duration,
}

impl<'a> Options<'a> {
    pub(super) fn read(arguments: &'a Arguments, host: &Host<'_>) -> Result<Options<'a>, Failure> {
        let mut options = Options {
            statuses: Vec::new(),
            method: Method::Get,
            headers: Vec::new(),
            proxy: Rules::default(),
            via: Via::default(),
            pattern: None,
            redirects: 0,
            exact: 0,
            least: 0,
            limit: Duration::ZERO,
        };
        for text in arguments.all("status") {
            let range = range(text).ok_or_else(|| invalid("mapping of status", text));
            options.statuses.push(range?);
        }
        options.method = match arguments.text("method") {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            other => return Err(wrong("method", other, "GET, HEAD, POST or PUT")),
        };
        for text in arguments.all("H") {
            let Some((name, value)) = text.split_once(':') else {
                return Err([text, ": is no header; write NAME: VALUE"].concat().into());
            };
            let header = (name.to_owned(), value.trim_ascii().to_owned());
            options.headers.push(header);
        }
        let source = arguments.text("source-ip");
        if !source.is_empty() {
            let address = source.parse();
            options.via.from = Some(address.map_err(|_| invalid("source IP address", source))?);
        }
        for text in arguments.all("connect-to") {
            if detour(text, &mut options.via.detours).is_none() {
                return Err(invalid("--connect-to pattern", text).into());
            }
        }
        let text = arguments.text("pattern");
        if !text.is_empty() {
            options.pattern = Some((text, pattern(text)?));
        }
        options.proxy = proxy(arguments.text("proxy"), host);
        options.redirects = arguments.count("max-redirects")?;
        options.exact = arguments.count("require-bytes")?;
        options.least = arguments.count("min-bytes")?;
        options.limit = Host::limit(arguments.count("timeout")? as f64);
        Ok(options)
    }
}

/// The status of the check for this status of an answer.
pub(super) fn status_for(ranges: &[Range], status: u16) -> CheckStatus {
    for Range(least, most, found) in ranges {
        if (*least..=*most).contains(&status) {
            return *found;
        }
    }
    match status {
        ..400 => CheckStatus::Ok,
        400..500 => CheckStatus::Warning,
        _ => CheckStatus::Critical,
    }
}

/// The error of a flag's value.
fn invalid(what: &str, text: &str) -> String {
    ["Invalid ", what, ": ", text].concat()
}

/// Reads `404=ok` or `400-499=ok`.
fn range(text: &str) -> Option<Range> {
    let (numbers, status) = text.split_once('=')?;
    let (least, most) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    let status = CheckStatus::of_word(&status.to_ascii_uppercase())?;
    (least <= most).then_some(Range(least, most, status))
}

/// Adds `HOST1:PORT1:HOST2:PORT2`, of which each may be empty. Addresses of IPv6 have brackets.
fn detour(text: &str, detours: &mut Vec<Detour>) -> Option<()> {
    let (host, rest) = host(text)?;
    let (port, rest) = rest.strip_prefix(':')?.split_once(':')?;
    let (to_host, to_port) = self::host(rest)?;
    let number = |text: &str| match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    };
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    detours.push(Detour {
        port: number(port)?,
        to_port: number(to_port.strip_prefix(':')?)?,
        host: name(host),
        to_host: name(to_host),
    });
    Some(())
}

/// The host at the beginning of a text, without brackets, and the text after it.
fn host(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']'),
        None => text.split_at_checked(text.find(':')?),
    }
}

/// The proxy of the flag, or those of the environment.
fn proxy(text: &str, host: &Host<'_>) -> Rules {
    if text.is_empty() {
        return Rules::read(&|name| (host.variable)(name)?.into_string().ok());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    let at = if login.is_empty() { "" } else { "@" };
    let place = place.split('/').next().unwrap_or_default();
    let has_port = host_and_port(place).is_some_and(|(_, port)| port.is_some());
    let port = if has_port { "" } else { ":1080" };
    Rules::always(&[scheme, "://", login, at, place, port].concat())
}
