//! `check-http`: status, size and content of a page.

mod options;
#[cfg(test)]
mod tests;

use std::mem;
use std::time::Duration;

use self::options::{Options, status_for};
use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::number::decimal;
use crate::applets::trust;
use crate::base::clock::Deadline;
use crate::base::packed::packed;
use crate::base::url::{Url, is_relative, without_secrets};
use crate::sys::http::visit::{Visit, Visited};
use crate::sys::http::{Method, Roots};
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-http",
    help: packed!(
        "check the answer to a request
  -u, --url=URL             URL
  -s, --status=N=STATUS     status of the check for status N, or N-M, of the
                            answer, e.g. 404=ok; repeatable
      --no-check-certificate
                            accept any certificate
  -i, --source-ip=ADDRESS   address that the connection comes from
  -H=HEADER                 header, e.g. 'Accept: text/html'; repeatable
  -p, --pattern=RE          regular expression that the content must match
      --max-redirects=N     redirects to follow (default: 10)
  -m, --method=METHOD       GET, HEAD, POST or PUT (default: GET)
      --connect-to=HOST1:PORT1:HOST2:PORT2
                            connect to HOST2:PORT2, not HOST1:PORT1; repeatable
  -x, --proxy=URL           proxy; without scheme http, without port 1080
      --user=USER[:PASSWORD]
                            basic authentication
  -B, --require-bytes=N     the content must have N bytes (default: -1)
  -d, --body=TEXT           content of the request
  -g, --min-bytes=N         the content must have N bytes at least
                            (default: -1)
  -t, --timeout=N           seconds for everything; 0: 10 minutes (default: 0)
      --cert-file=PATH      not possible: this program cannot sign
      --key-file=PATH       the same
      --ca-file=PATH        trust the certificates in this file, and no others
"
    ),
    work: Work::Check("HTTP", check),
};

/// Headers that are for the first host alone, and not for it without TLS after a URL with TLS.
const SECRET: [&str; 4] = ["authorization", "cookie", "cookie2", "www-authenticate"];

/// The last answer.
struct Page {
    visited: Box<Visited>,
    /// Seconds until its head was there, with those of the redirects before it.
    seconds: f64,
}

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let mut options = Options::read(arguments, host)?;
    trust::no_own_certificate(arguments)?;
    // The usual ones are loaded only if a URL needs them: files of the system cost milliseconds.
    let roots = match arguments.text("ca-file") {
        "" => None,
        _ => Some(trust::roots(arguments)?),
    };
    let visit = Visit {
        method: options.method,
        body: arguments.text("body"),
        headers: mem::take(&mut options.headers),
        login: arguments.text("user"),
        user_agent: "check-http",
        proxy: &options.proxy,
        via: &options.via,
        roots,
    };
    let given = arguments.required("url")?;
    let has_scheme = given.contains("://");
    let url = [if has_scheme { "" } else { "http://" }, given].concat();
    if has_scheme && let Err(why) = Url::parse(&url) {
        return Err(Failure::unknown(wrong(given, why)));
    }
    let roots = || trust::roots(arguments);
    Ok(match fetch(visit, url, &options, &roots, host) {
        Ok(page) => judge(page, &options),
        Err(why) => Finding::new(CheckStatus::Critical, trust::with_flag(why.why())),
    })
}

/// The answer to the request, after its redirects.
fn fetch(
    mut visit: Visit<'_>,
    mut url: String,
    options: &Options<'_>,
    roots: &dyn Fn() -> Result<Roots, Failure>,
    host: &Host<'_>,
) -> Result<Page, Failure> {
    let start = host.clock.moment();
    let by = Deadline::after(options.limit);
    let mut ahead = options.redirects;
    loop {
        let parsed = Url::parse(&url).map_err(|why| wrong(&url, why))?;
        if visit.roots.is_none() && parsed.scheme() == "https" {
            visit.roots = Some(roots()?);
        }
        let left = by.remaining().max(Duration::from_millis(1));
        let visited = visit.make(&url, &parsed.path(), left)?;
        let location = match (visited.status, &visited.location) {
            (301 | 302 | 303 | 307 | 308, Some(location)) if ahead > 0 => location,
            _ => {
                let seconds = host.seconds_since(start);
                return Ok(Page { visited, seconds });
            }
        };
        ahead -= 1;
        let is_on_page = is_relative(location);
        let next = parsed.join(location);
        let is_same = Url::parse(&next).is_ok_and(|next| {
            let is_weaker = parsed.scheme() == "https" && next.scheme() != "https";
            next.host == parsed.host && !is_weaker
        });
        if visited.status < 304 && visit.method != Method::Head {
            visit.method = Method::Get;
            visit.body = "";
        }
        for header in mem::take(&mut visit.headers) {
            let is_kept = match &*header.0.to_ascii_lowercase() {
                "host" => is_on_page,
                name => is_same || !SECRET.contains(&name),
            };
            if is_kept {
                visit.headers.push(header);
            }
        }
        if !is_same {
            visit.login = "";
        }
        url = next;
    }
}

/// The error of a URL, without its password.
fn wrong(url: &str, why: &str) -> String {
    [&*without_secrets(url), ": ", why].concat()
}

fn judge(page: Page, options: &Options<'_>) -> Finding {
    let Page { visited, seconds } = page;
    let mut status = status_for(&options.statuses, visited.status);
    let line = visited.line.clone();
    let (count, content) = visited.content();
    let mut message = String::new();
    if let Some((text, pattern)) = &options.pattern
        && !pattern.matches(&String::from_utf8_lossy(&content))
    {
        message.extend(["'", text, "' not found in the content\n"]);
        status = CheckStatus::Critical;
    }
    let number = count.to_string();
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let (exact, least) = (options.exact, options.least);
    let wrong = [
        (exact != -1 && count != exact, "", exact),
        (
            least != -1 && count < least,
            "the indicated minimum ",
            least,
        ),
    ];
    for (is_wrong, what, limit) in wrong {
        if is_wrong {
            let limit = limit.to_string();
            message.extend(["Response was '", &number, "' bytes instead of ", what]);
            message.extend(["'", &limit, "'\n"]);
            status = CheckStatus::Critical;
        }
    }
    message.extend([&*line, " - ", &number, " bytes in ", &decimal(seconds, 6)]);
    message.push_str(" second response time");
    Finding::new(status, message)
}
