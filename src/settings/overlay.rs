//! Flags that override the configuration, and the checks that follow.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use super::table::SECTIONS;
use crate::config::{Config, Flags, Level, Warning};
use crate::sys::log;

/// A flag has a value that cannot be used. Holds the text for the user.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct OverlayError(String);

impl fmt::Display for OverlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for OverlayError {}

/// Whether `text` is `Service:role`. Blanks after the colon are allowed.
fn is_role(text: &str) -> bool {
    let name = |text: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        text.bytes().all(word) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
    };
    let blank = |c: char| matches!(c, '\t' | '\n' | '\x0C' | '\r' | ' ');
    text.split_once(':')
        .is_some_and(|(service, role)| name(service) && name(role.trim_start_matches(blank)))
}

/// No source gives an API key.
#[derive(Debug)]
pub(crate) struct NoApikey;

impl fmt::Display for NoApikey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "apikey must be specified in the config file (or by the DEPRECATED command-line \
             flag); write a line apikey = \"...\" or apikey_file = \"...\" above its first \
             [section], or set MACKEREL_APIKEY",
        )
    }
}

impl Error for NoApikey {}

/// The new values of the variables `HTTP_PROXY` and `HTTPS_PROXY`; `None`: unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ProxyEnv<'c> {
    pub(crate) http: Option<&'c str>,
    pub(crate) https: Option<&'c str>,
}

impl Config {
    /// Stores the values of `flags`. Returns warnings, such as about roles that are invalid and
    /// dropped. Fails if a flag has a value that cannot be used.
    ///
    /// The API key is unchanged, because it has further sources. [`Config::require_apikey`] checks
    /// it.
    pub(crate) fn overlay(&mut self, flags: &Flags) -> Result<Vec<Warning>, OverlayError> {
        for row in SECTIONS.iter().flat_map(|section| section.rows) {
            if let Some(take) = row.flag {
                take(self, flags).map_err(OverlayError)?;
            }
        }
        if flags.child {
            self.pidfile = PathBuf::new();
        }
        let mut warnings = Vec::new();
        let mut keep = |role: &String| {
            let keep = is_role(role);
            if !keep {
                let text = format!(
                    "bad format for a role, which is dropped: '{}'; write Service:role, each of \
                     letters, digits, - and _, and beginning with a letter or digit",
                    role
                );
                warnings.push(Warning {
                    level: Level::Error,
                    line: None,
                    text,
                });
            }
            keep
        };
        self.roles.retain(&mut keep);
        for organization in &mut self.organizations {
            organization.roles.retain(&mut keep);
        }
        if self.verbose && self.silent {
            let text = "both of `verbose` and `silent` option are specified. In this case, \
                        `verbose` get preference over `silent`";
            warnings.push(Warning {
                level: Level::Warn,
                line: None,
                text: text.to_owned(),
            });
        }
        Ok(warnings)
    }

    /// Fails if there is no API key, and one is needed. It is not needed if Mackerel's API is off.
    /// Turns the API off if there is another output and no organisation.
    pub(crate) fn require_apikey(&mut self) -> Result<(), NoApikey> {
        if !self.mackerel || !self.apikey.is_empty() {
            return Ok(());
        }
        let has_other = !self.otlp.is_empty() || self.listen.is_some();
        if !has_other || !self.organizations.is_empty() {
            return Err(NoApikey);
        }
        log::info!("no API key: nothing is sent to Mackerel's API; to change that, set apikey");
        self.mackerel = false;
        Ok(())
    }

    /// The environment variables that the configured proxies set, also for plugins. The proxy for
    /// HTTP is used for HTTPS too, unless `https_proxy` is set, to a proxy or to `direct`.
    pub(crate) fn proxy_env(&self) -> ProxyEnv<'_> {
        let http = self.http_proxy.as_deref().filter(|text| *text != "direct");
        let https = match self.https_proxy.as_deref() {
            Some("direct") => None,
            Some(proxy) => Some(proxy),
            None => http,
        };
        ProxyEnv { http, https }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    /// Vector 1.
    #[test]
    fn flags_win_over_the_file_only_if_they_are_given() {
        let text = b"verbose=false\nroot='/hoge/fuga'\napikey='KEY'\ndiagnostic=false\n";
        let mut config = Config::default();
        config.read(text).unwrap();
        let flags = Flags {
            roles: Some(vec!["My-Service:default".into(), "INVALID#SERVICE".into()]),
            verbose: Some(true),
            diagnostic: Some(true),
            ..Flags::default()
        };
        let warnings = config.overlay(&flags).unwrap();
        assert_eq!(config.root, PathBuf::from("/hoge/fuga"));
        assert_eq!(config.roles, ["My-Service:default"]);
        assert!(config.verbose && config.diagnostic && !config.autoshutdown);
        assert_eq!(&*config.apikey, "KEY");
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].level, Level::Error);
        assert!(warnings[0].text.contains("'INVALID#SERVICE'"));
    }

    #[test]
    fn flags_may_also_empty_and_switch_off() {
        let mut config = Config {
            apikey: Secret::new("KEY"),
            verbose: true,
            silent: true,
            roles: vec!["a:b".into()],
            ..Config::default()
        };
        let warnings = config.clone().overlay(&Flags::default()).unwrap();
        assert_eq!(warnings.len(), 1);
        let flags = Flags {
            apibase: Some(String::new()),
            verbose: Some(false),
            roles: Some(Vec::new()),
            child: true,
            ..Flags::default()
        };
        let warnings = config.overlay(&flags).unwrap();
        assert!(warnings.is_empty() && !config.verbose && config.roles.is_empty());
        assert_eq!(config.pidfile, PathBuf::new());
        assert_eq!(config.apibase, crate::config::APIBASE);
        assert_eq!(&*config.apikey, "KEY");
        let error = Config::default().require_apikey().unwrap_err();
        assert!(error.to_string().starts_with(
            "apikey must be specified in the config file (or by the DEPRECATED command-line flag)"
        ));
    }

    #[test]
    fn apibase_of_a_flag_has_to_be_a_url() {
        let flags = Flags {
            apibase: Some("api.example".into()),
            ..Flags::default()
        };
        let error = Config::default().overlay(&flags).unwrap_err();
        assert_eq!(
            error.to_string(),
            "-apibase: not the address of an HTTP server; write one like https://api.mackerelio.com"
        );
    }

    #[test]
    fn a_role_has_two_names() {
        let table = [
            ("My-Service:default", true),
            ("a:b", true),
            ("a: \tb_-", true),
            ("a:b:c", false),
            ("a", false),
            ("a:", false),
            (":b", false),
            ("-a:b", false),
            ("a:_b", false),
            ("a :b", false),
            ("a:b ", false),
            ("あ:b", false),
            ("", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_role(text), expected, "{text}");
        }
    }

    /// Vector 3.
    #[test]
    fn http_proxy_is_used_for_https_unless_https_proxy_is_set() {
        let table = [
            ("", "", None, None),
            ("direct", "", None, None),
            ("http", "", Some("http"), Some("http")),
            ("", "https", None, Some("https")),
            ("http", "direct", Some("http"), None),
            ("http", "https", Some("http"), Some("https")),
            ("direct", "direct", None, None),
        ];
        for (http_proxy, https_proxy, http, https) in table {
            let mut config = Config::default();
            let text = format!("http_proxy='{http_proxy}'\nhttps_proxy='{https_proxy}'");
            config.read(text.as_bytes()).unwrap();
            assert_eq!(config.proxy_env(), ProxyEnv { http, https }, "{text}");
        }
    }
}
