//! The files of a release: from a directory, or over HTTP.

use std::path::Path;
use std::time::Duration;

use crate::base;
use crate::base::program;
use crate::base::text::without_userinfo;
use crate::config::Config;
use crate::run::proxies;
use crate::sys::file;
use crate::sys::http::{Http, Settings};

/// For a program, over a slow line.
pub(super) const SLOW: Duration = Duration::from_secs(10 * 60);
/// For a file of a few lines: whoever waits is to know soon that a server is silent.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// Bytes of a file: four times what the program has.
const SIZE: u64 = 6 << 20;
/// Servers that may send us on to another one.
const REDIRECTS: u32 = 5;

/// The file `name` of the release at `source`, a directory or a URL. `limit` bounds each request.
pub(super) fn fetch(source: &str, name: &str, limit: Duration) -> Result<Vec<u8>, String> {
    match source.contains("://") {
        true => download(&format!("{}/{name}", source.trim_end_matches('/')), limit),
        false => file::read(&Path::new(source).join(name)).map_err(|error| base::report(&error)),
    }
}

fn download(url: &str, limit: Duration) -> Result<Vec<u8>, String> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS {
        let (base, path) = split(&url);
        let failed = |why: &str| format!("download {}: {why}", shown(&url));
        let link = Http::new(settings(base, limit)).map_err(|error| failed(&base::report(&error)));
        let answer = link?.download(path, SIZE);
        let answer = answer.map_err(|error| failed(&base::report(&error)))?;
        match (answer.status, answer.location) {
            (200, _) => return Ok(answer.content),
            (301 | 302 | 303 | 307 | 308, Some(to)) => {
                url = target(base, &to).ok_or_else(|| failed("redirected to where no TLS is"))?;
            }
            (status, _) => return Err(failed(&format!("status {status}"))),
        }
    }
    Err(format!("download {}: too many redirections", shown(&url)))
}

/// A URL without what in it may be a secret: a password, a signature in the query.
fn shown(url: &str) -> String {
    without_userinfo(url.split('?').next().unwrap_or_default())
}

/// Scheme and host of a URL, and its path.
fn split(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url[host..].find('/').map_or(url.len(), |at| host + at);
    match url.split_at(path) {
        (base, "") => (base, "/"),
        parts => parts,
    }
}

/// Where `location` leads to; `None` if it leads from TLS to none.
fn target(base: &str, location: &str) -> Option<String> {
    if location.starts_with('/') {
        return Some(format!("{base}{location}"));
    }
    let is_tls = |url: &str| url.starts_with("https://");
    (is_tls(location) || !is_tls(base)).then(|| location.to_owned())
}

fn settings(base: &str, limit: Duration) -> Settings {
    Settings {
        base: base.to_owned(),
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
    fn a_url_has_a_base_and_a_path() {
        let table = [
            ("https://a.example/b/c", "https://a.example", "/b/c"),
            ("http://a.example:1", "http://a.example:1", "/"),
            ("a.example/b", "a.example", "/b"),
            ("https://", "https://", "/"),
        ];
        for (url, base, path) in table {
            assert_eq!(split(url), (base, path), "{url}");
        }
    }

    #[test]
    fn no_redirection_leads_out_of_tls() {
        // (base, location, expected)
        let table = [
            ("https://a", "/b", Some("https://a/b")),
            ("https://a", "https://b/c", Some("https://b/c")),
            ("https://a", "http://b/c", None),
            ("http://a", "http://b/c", Some("http://b/c")),
            ("https://a", "b", None),
        ];
        for (base, location, expected) in table {
            assert_eq!(target(base, location).as_deref(), expected, "{location}");
        }
    }
}
