//! Downloads that follow redirects, each from the server of its URL.

use std::path::Path;
use std::time::Duration;

use super::download::Download;
use super::proxy::Rules;
use super::{Http, Method, Settings};
use crate::base::fault::Fault;
use crate::base::program;
use crate::base::url::{Url, without_secrets};

/// Maximum number of redirects.
const REDIRECTS: u32 = 5;

/// How files are downloaded.
#[derive(Clone, Copy)]
pub(crate) struct Fetcher<'a> {
    pub(crate) proxy: &'a Rules,
    /// More certificates that are trusted.
    pub(crate) ca_file: Option<&'a Path>,
    /// Time limit of each request.
    pub(crate) limit: Duration,
    /// Number of bytes that are read of a file. The rest is left.
    pub(crate) size: u64,
    /// The base of a server, as [`Url::base`] returns it, and the value of the header
    /// `Authorization` of requests to it. Other servers do not get it.
    pub(crate) login: Option<(&'a str, &'a str)>,
    /// With this, only heads are requested, and a redirect to a URL that contains the text is
    /// returned, not followed.
    pub(crate) until: Option<&'a str>,
}

impl Fetcher<'_> {
    /// The answer that the redirects from `url` lead to. Its status may be any but that of a
    /// redirect.
    ///
    /// The error names the URL, without a password or a query.
    pub(crate) fn get(&self, url: &str) -> Result<Download, Fault> {
        let mut url = url.to_owned();
        let mut why = Fault::from("too many redirections");
        for _ in 0..=REDIRECTS {
            match self.step(&mut url) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => {}
                Err(error) => {
                    why = error;
                    break;
                }
            }
        }
        Err(format!("download {}: {why}", without_secrets(&url)).into())
    }

    /// The answer of the server of `url`; `None` if it redirects, to what is `url` then.
    ///
    /// Fails with the reason.
    fn step(&self, url: &mut String) -> Result<Option<Download>, Fault> {
        let here = Url::parse(url).map_err(|wrong| format!("no usable URL: {wrong}"))?;
        let link = Http::new(self.settings(here.base()));
        let mut link = link.map_err(|error| Fault::of(&error))?;
        let (method, until) = match self.until {
            Some(until) => (Method::Head, until),
            None => (Method::Get, ""),
        };
        let login = self.login.filter(|(base, _)| *base == here.base());
        let header = login.map(|(_, value)| ("authorization", value));
        let answer = link.download(method, &here.path(), header, self.size);
        let answer = answer.map_err(|error| Fault::of(&error))?;
        if let (301 | 302 | 303 | 307 | 308, Some(to)) = (answer.status, &answer.location)
            && (until.is_empty() || !to.contains(until))
        {
            *url = target(&here, to).ok_or("refusing redirect to a non-HTTPS URL")?;
            return Ok(None);
        }
        Ok(Some(answer))
    }

    /// The content of the file at `url`. Fails also for any status but 200.
    pub(crate) fn file(&self, url: &str) -> Result<Vec<u8>, Fault> {
        let answer = self.get(url)?;
        match answer.status {
            200 => Ok(answer.content),
            status => Err(format!("download {}: status {status}", without_secrets(url)).into()),
        }
    }

    fn settings(&self, base: String) -> Settings {
        Settings {
            base,
            key: String::new(),
            user_agent: program::agent_name(),
            version: program::VERSION.to_owned(),
            revision: program::REVISION.to_owned(),
            keep_alive: false,
            proxy: self.proxy.clone(),
            ca_file: self.ca_file.map(Path::to_owned),
            limit: self.limit,
        }
    }
}

/// The URL of a redirect from `here` to `location`; `None` for one from HTTPS to HTTP.
fn target(here: &Url, location: &str) -> Option<String> {
    if location.starts_with('/') {
        return Some(here.base() + location);
    }
    let is_tls = Url::parse(location).is_ok_and(|to| to.scheme() == "https");
    (is_tls || here.scheme() != "https").then(|| location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetch_says_what_is_wrong_with_a_url() {
        let fetch = Fetcher {
            proxy: &Rules::default(),
            ca_file: None,
            limit: Duration::from_secs(1),
            size: 0,
            login: None,
            until: None,
        };
        let wrong = "no usable URL: not of the form scheme://host:port";
        for (url, shown) in [("https://", "https://"), ("https://u:secret@[/a", "[/a")] {
            let error = fetch.file(url).unwrap_err();
            assert_eq!(*error, *format!("download {shown}: {wrong}"));
        }
        assert_eq!(
            without_secrets("https://u:secret@h/a?k=secret"),
            "https://h/a"
        );
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
