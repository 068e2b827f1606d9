//! Reads the files of a release from a directory, or over HTTP.

use std::path::Path;
use std::time::Duration;

use crate::base;
use crate::base::program;
use crate::base::url::{Url, without_userinfo};
use crate::config::Config;
use crate::settings::connection::proxies;
use crate::sys::file;
use crate::sys::http::{Http, Settings};

/// Time limit for a program, over a slow line.
pub(super) const SLOW: Duration = Duration::from_secs(10 * 60);
/// Time limit for a file of a few lines: the user should learn soon that a server does not respond.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// Maximum size of a file in bytes: four times that of the program.
const SIZE: u64 = 6 << 20;
/// Maximum number of redirects.
const REDIRECTS: u32 = 5;

/// The content of the file `name` of the release at `source`, a directory or a URL. `limit` applies
/// to each request.
pub(super) fn fetch(source: &str, name: &str, limit: Duration) -> Result<Vec<u8>, String> {
    if source.contains("://") {
        download(&format!("{}/{name}", source.trim_end_matches('/')), limit)
    } else {
        file::read(&Path::new(source).join(name)).map_err(|error| base::report(&error))
    }
}

fn download(url: &str, limit: Duration) -> Result<Vec<u8>, String> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS {
        let failed = |why: &str| format!("download {}: {why}", shown(&url));
        let here = Url::parse(&url).map_err(|wrong| failed(&format!("no usable URL: {wrong}")))?;
        let mut link = Http::new(settings(here.base(), limit))
            .map_err(|error| failed(&base::report(&error)))?;
        let answer = link
            .download(&here.path(), SIZE)
            .map_err(|error| failed(&base::report(&error)))?;
        match (answer.status, answer.location) {
            (200, _) => return Ok(answer.content),
            (301 | 302 | 303 | 307 | 308, Some(to)) => {
                let to = target(&here, &to);
                url = to.ok_or_else(|| failed("refusing redirect to a non-HTTPS URL"))?;
            }
            (status, _) => return Err(failed(&format!("status {status}"))),
        }
    }
    Err(format!("download {}: too many redirections", shown(&url)))
}

/// A URL without parts that may be secret: the password, and the query, which may hold a signature.
fn shown(url: &str) -> String {
    without_userinfo(url.split('?').next().unwrap_or_default())
}

/// The URL of a redirect from `here` to `location`; `None` for one from HTTPS to HTTP.
fn target(here: &Url, location: &str) -> Option<String> {
    if location.starts_with('/') {
        return Some(here.base() + location);
    }
    let is_tls = Url::parse(location).is_ok_and(|to| to.scheme() == "https");
    (is_tls || here.scheme() != "https").then(|| location.to_owned())
}

fn settings(base: String, limit: Duration) -> Settings {
    Settings {
        base,
        key: String::new(),
        user_agent: program::agent_name(),
        version: program::VERSION.to_owned(),
        revision: program::REVISION.to_owned(),
        keep_alive: false,
        proxy: proxies(&Config::default()),
        ca_file: None,
        limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn download_says_what_is_wrong_with_a_url() {
        let wrong = "no usable URL: not of the form scheme://host:port";
        for (url, shown) in [("https://", "https://"), ("https://u:secret@[/a", "[/a")] {
            let error = download(url, SOON).unwrap_err();
            assert_eq!(error, format!("download {shown}: {wrong}"));
        }
        assert_eq!(shown("https://u:secret@h/a?k=secret"), "https://h/a");
    }

    #[test]
    fn redirect_never_leads_from_tls_to_none() {
        // (base, location, expected)
        let table = [
            ("https://a", "/b", Some("https://a/b")),
            ("https://a", "https://b/c", Some("https://b/c")),
            ("https://a", "http://b/c", None),
            ("http://a", "http://b/c", Some("http://b/c")),
            ("https://a", "b", None),
        ];
        for (base, location, expected) in table {
            let base = Url::parse(base).ok().unwrap();
            assert_eq!(target(&base, location).as_deref(), expected, "{location}");
        }
    }
}
