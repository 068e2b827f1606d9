//! Reads the files of a release from a directory, or over HTTP.

use std::path::Path;
use std::time::Duration;

use crate::base;
use crate::config::Config;
use crate::settings::connection::proxies;
use crate::sys::file;
use crate::sys::http::fetch::Fetcher;

/// Time limit for a program, over a slow line.
pub(super) const SLOW: Duration = Duration::from_secs(10 * 60);
/// Time limit for a file of a few lines: the user should learn soon that a server does not respond.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// Maximum size of a file in bytes: four times that of the program.
const SIZE: u64 = 6 << 20;

/// The content of the file `name` of the release at `source`, a directory or a URL. `limit` applies
/// to each request, which goes through the proxy of `config`, and trusts its `ca_file`.
pub(super) fn fetch(
    source: &str,
    name: &str,
    limit: Duration,
    config: &Config,
) -> Result<Vec<u8>, String> {
    if !source.contains("://") {
        return file::read(&Path::new(source).join(name)).map_err(|error| base::report(&error));
    }
    let fetch = Fetcher {
        proxy: &proxies(config),
        ca_file: config.ca_file.as_ref().map(|file| &*file.path),
        limit,
        size: SIZE,
        login: None,
        until: None,
    };
    Ok(fetch.file(&format!("{}/{name}", source.trim_end_matches('/')))?)
}
