//! Releases on GitHub: the newest tag, the URL of an archive, and the digest published with it.

use std::time::Duration;

use crate::base::fault::Fault;
use crate::base::json::Json;
use crate::base::url::{Url, percent_decoded, without_secrets};
use crate::parse::gitconfig;
use crate::parse::manifest::listed;
use crate::parse::plugin_target::{is_repository, is_sha256, is_tag};
use crate::sys::digest::hex;
use crate::sys::file;
use crate::sys::http::fetch::Fetcher;
use crate::sys::http::proxy::Rules;

/// Time limit for an archive, over a slow line.
const SLOW: Duration = Duration::from_secs(10 * 60);
/// Time limit for all else: the user should learn soon that a server does not respond.
const SOON: Duration = Duration::from_secs(30);
/// Maximum number of bytes of an archive.
pub(super) const ARCHIVE: u64 = 64 << 20;
/// Maximum number of bytes of other files.
const TEXT: u64 = 1 << 20;
/// What precedes the tag in the URL of a release.
const TAG: &str = "/releases/tag/";
/// Files in which a release may list digests.
const SUMS: [&str; 2] = ["SHA256SUMS", "checksums.txt"];

/// GitHub and Mackerel's plugin registry.
pub(super) struct Hub {
    /// Base URLs, without a slash at the end.
    pub(super) github: String,
    pub(super) api: String,
    pub(super) registry: String,
    pub(super) proxy: Rules,
    /// Value of the header `Authorization` for the API; empty if there is no token.
    pub(super) login: String,
}

impl Hub {
    /// The value of `Authorization` for the token in `GITHUB_TOKEN`, or in git's configuration.
    pub(super) fn login(variable: &dyn Fn(&str) -> Option<String>) -> String {
        let mut token = variable("GITHUB_TOKEN").unwrap_or_default();
        if token.is_empty()
            && let Some(home) = variable("HOME")
            && let Ok(text) = file::read(format!("{home}/.gitconfig").as_ref())
        {
            let text = String::from_utf8_lossy(&text);
            gitconfig::token(&text)
                .unwrap_or_default()
                .clone_into(&mut token);
        }
        if token.is_empty() {
            return token;
        }
        format!("Bearer {token}")
    }

    /// The archive at `url`. Fails if it exceeds [`ARCHIVE`].
    pub(super) fn archive(&self, url: &str) -> Result<Vec<u8>, Fault> {
        let archive = self.fetcher(SLOW, ARCHIVE + 1).file(url)?;
        if archive.len() as u64 > ARCHIVE {
            return Err(format!("download {}: larger than 64 MiB", without_secrets(url)).into());
        }
        Ok(archive)
    }

    /// The repository of a plugin in the registry.
    pub(super) fn registered(&self, name: &str) -> Result<String, Fault> {
        let url = format!("{}/{name}.json", self.registry);
        let failed =
            |why: &str| format!("registry: {why}; use owner/repo if the plugin is not registered");
        let file = self
            .fetcher(SOON, TEXT)
            .file(&url)
            .map_err(|error| failed(&error))?;
        let json = Json::parse(&String::from_utf8_lossy(&file));
        let json = json.unwrap_or(Json::Null);
        match json.text("source") {
            source if is_repository(source) => Ok(source.to_owned()),
            _ => Err(failed(&format!("{url} names no repository")).into()),
        }
    }

    /// The tag of the newest release.
    pub(super) fn latest(&self, repository: &str) -> Result<String, Fault> {
        // Costs nothing of what the API allows.
        let heads = Fetcher {
            ca_file: None,
            until: Some(TAG),
            ..self.fetcher(SOON, 0)
        };
        let answer = heads.get(&format!("{}/{repository}/releases/latest", self.github));
        let why = match answer {
            Err(why) => why,
            Ok(answer) => match answer.location.as_deref().and_then(tag) {
                Some(tag) => return Ok(tag),
                None => format!("{}/{repository}: no release", self.github).into(),
            },
        };
        let release = self.release(repository, "latest");
        match release.as_ref().map(|json| json.text("tag_name")) {
            Ok(tag) if is_tag(tag) => Ok(tag.to_owned()),
            Ok(_) => Err(format!("{why}; name a tag: {repository}@TAG").into()),
            Err(error) => Err(format!("{why}; {error}").into()),
        }
    }

    /// The URL of a file of a release.
    pub(super) fn file(&self, repository: &str, tag: &str, name: &str) -> String {
        let tag = tag.replace('/', "%2F");
        format!(
            "{}/{repository}/releases/download/{tag}/{name}",
            self.github
        )
    }

    /// The SHA-256 of a file of a release, and where it is published; `None` if it is not.
    pub(super) fn published(
        &self,
        repository: &str,
        tag: &str,
        name: &str,
    ) -> Option<(String, &'static str)> {
        let path = format!("tags/{}", tag.replace('/', "%2F"));
        let release = self.release(repository, &path).ok();
        if let Some(Json::List(assets)) = release.as_ref().and_then(|json| json.member("assets")) {
            for asset in assets {
                if asset.text("name") == name
                    && let Some(digest) = asset.text("digest").strip_prefix("sha256:")
                    && is_sha256(digest)
                {
                    return Some((digest.to_ascii_lowercase(), "GitHub"));
                }
            }
        }
        for sums in SUMS {
            let file = self
                .fetcher(SOON, TEXT)
                .file(&self.file(repository, tag, sums));
            let file = file.unwrap_or_default();
            let text = String::from_utf8_lossy(&file);
            if let Some(digest) = listed(&text, name) {
                return Some((hex(&digest), sums));
            }
        }
        None
    }

    /// The API's document about a release.
    fn release(&self, repository: &str, which: &str) -> Result<Json, Fault> {
        let base = Url::parse(&self.api).map_or_else(|_| String::new(), |url| url.base());
        let fetcher = Fetcher {
            ca_file: None,
            login: (!self.login.is_empty()).then_some((&base, &self.login)),
            ..self.fetcher(SOON, TEXT)
        };
        let url = format!("{}/repos/{repository}/releases/{which}", self.api);
        let answer = fetcher.get(&url)?;
        match answer.status {
            200 => {
                let json = Json::parse(&String::from_utf8_lossy(&answer.content));
                Ok(json.map_err(|error| format!("{url}: {error}"))?)
            }
            403 | 429 => Err(format!(
                "{url}: status {}: the limit of the API is reached; set GITHUB_TOKEN, or name a \
                 tag: {repository}@TAG",
                answer.status
            )
            .into()),
            status => Err(format!("{url}: status {status}").into()),
        }
    }

    #[inline(never)]
    fn fetcher(&self, limit: Duration, size: u64) -> Fetcher<'_> {
        Fetcher {
            ca_file: None,
            proxy: &self.proxy,
            limit,
            size,
            login: None,
            until: None,
        }
    }
}

/// The tag in the URL of a release.
fn tag(url: &str) -> Option<String> {
    let (_, tag) = url.split_once(TAG)?;
    percent_decoded(tag.split(['?', '#']).next()?).filter(|tag| is_tag(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_tag_is_read_from_the_url() {
        // (URL, tag)
        let table = [
            ("https://github.com/a/b/releases/tag/v1.2.3", Some("v1.2.3")),
            ("/a/b/releases/tag/x%2Fv1?y#z", Some("x/v1")),
            ("https://github.com/a/b/releases", None),
            ("https://github.com/a/b/releases/tag/", None),
            ("https://github.com/a/b/releases/tag/a%20b", None),
            ("https://github.com/a/b/releases/tag/..%2f..", None),
            ("https://github.com/a/b/releases/tag/%zz", None),
        ];
        for (url, expected) in table {
            assert_eq!(tag(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn release_token_is_that_of_the_environment_or_of_git() {
        let home = tempfile::tempdir().unwrap();
        let at = home.path().display().to_string();
        let login = |token: Option<&str>| {
            Hub::login(&|name| match name {
                "HOME" => Some(at.clone()),
                _ => token.map(str::to_owned),
            })
        };
        assert_eq!(login(None), "");
        assert_eq!(login(Some("")), "");
        std::fs::write(home.path().join(".gitconfig"), "[github]\ntoken = b\n").unwrap();
        assert_eq!(login(None), "Bearer b");
        assert_eq!(login(Some("a")), "Bearer a");
    }
}
