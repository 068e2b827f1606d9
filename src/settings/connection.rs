//! The connection to the API that a configuration describes.

use std::env;
use std::time::Duration;

use crate::base::{self, program};
use crate::config::Config;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Http, Settings, SetupError};

/// Time limit of one request, from the name lookup to the end of the response.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Bytes of stack for a thread that sends requests to the server. A TLS handshake needs a tenth of
/// it.
pub(crate) const POSTER_STACK: usize = 512 << 10;

/// The HTTP client for the API that the configuration describes. Fails if a URL, the API key or the
/// CA file cannot be used, or if TLS cannot be initialized.
pub(crate) fn link(config: &Config) -> Result<Http, String> {
    link_within(config, REQUEST_LIMIT)
}

/// Like [`link`], with another time limit for a request.
pub(crate) fn link_within(config: &Config, limit: Duration) -> Result<Http, String> {
    let settings = Settings {
        base: config.apibase.clone(),
        key: (*config.apikey).to_owned(),
        user_agent: program::agent_name(),
        version: program::VERSION.to_owned(),
        revision: program::REVISION.to_owned(),
        keep_alive: !config.disable_http_keep_alive,
        proxy: proxies(config),
        ca_file: config.ca_file.as_ref().map(|named| named.path.clone()),
        limit,
    };
    let given = config.proxy_env();
    let is_configured = |what: &str| match what {
        "HTTP_PROXY" => given.http.is_some(),
        "HTTPS_PROXY" => given.https.is_some(),
        _ => false,
    };
    Http::new(settings).map_err(|error| match (&error, &config.ca_file) {
        (SetupError::Roots(_), Some(named)) => {
            let path = named.path.display();
            format!("{named}: ca_file {path}: {}", base::report(&error))
        }
        (SetupError::Url { what, .. }, _) if is_configured(what) => {
            format!("{error}; the settings are http_proxy and https_proxy")
        }
        _ => base::report(&error),
    })
}

/// The proxy rules. Proxies of the configuration win over those of the environment.
pub(crate) fn proxies(config: &Config) -> Rules {
    let given = config.proxy_env();
    Rules::read(&|name| match name {
        "HTTP_PROXY" if given.http.is_some() => given.http.map(str::to_owned),
        "HTTPS_PROXY" if given.https.is_some() => given.https.map(str::to_owned),
        _ => env::var(name).ok(),
    })
}
