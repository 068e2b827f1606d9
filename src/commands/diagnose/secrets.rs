//! The secrets of a configuration, which are removed from all that is printed or written.
//!
//! No step prints one: this is the second line of defence, for texts of servers, plugins and the
//! log that repeat a secret.

use crate::base::url::{Url, percent_decoded};
use crate::config::{Command, Config};

/// Bytes of the shortest text that counts as a secret. Shorter ones occur everywhere.
const SHORTEST: usize = 4;
/// Printed in place of a secret.
const HIDDEN: &str = "[hidden]";

/// Texts that must not be shown, the longest first.
#[derive(Default)]
pub(super) struct Secrets {
    /// Keys, headers, and logins and queries of URLs.
    strict: Vec<String>,
    /// Arguments and variables of plugins. They are replaced in lines of the log alone, since they
    /// may be words that occur elsewhere, such as `localhost`.
    loose: Vec<String>,
}

impl Secrets {
    /// The secrets of `config`.
    pub(super) fn of(config: &Config) -> Secrets {
        let mut all = Secrets::default();
        let mut urls = vec![&config.apibase];
        urls.extend(&config.http_proxy);
        urls.extend(&config.https_proxy);
        let strict = &mut all.strict;
        strict.push((*config.apikey).to_owned());
        for organization in &config.organizations {
            strict.push((*organization.apikey).to_owned());
            urls.extend(&organization.apibase);
        }
        for otlp in &config.otlp {
            urls.push(&otlp.endpoint);
            for (_, value) in &otlp.headers {
                // A header may be `Bearer TOKEN`.
                strict.extend(value.split(' ').map(str::to_owned));
            }
        }
        for url in urls {
            let Ok(parsed) = Url::parse(url) else {
                continue;
            };
            for word in parsed.login().map_or([""; 2], <[_; 2]>::from) {
                strict.extend([word.to_owned(), percent_decoded(word).unwrap_or_default()]);
            }
            strict.extend(url.split(['?', '=', '&']).skip(1).map(str::to_owned));
        }
        for command in commands(config) {
            all.loose
                .extend(command.env.iter().map(|(_, value)| value.clone()));
            for text in command.argv.iter().skip(1) {
                let words = text.split([' ', '\t', '\n', '=', '"', '\'', ':', '@', ',']);
                all.loose.extend(words.map(str::to_owned));
            }
        }
        for list in [&mut all.strict, &mut all.loose] {
            list.retain(|text| text.len() >= SHORTEST);
            list.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
        all
    }

    /// `text` without keys, headers and logins.
    pub(super) fn hide(&self, text: &str) -> String {
        hide(text, &self.strict)
    }

    /// The same for text of plugins and the log.
    pub(super) fn hide_all(&self, text: &str) -> String {
        hide(&self.hide(text), &self.loose)
    }
}

fn hide(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret, HIDDEN);
    }
    text
}

/// The commands of plugins and actions.
pub(super) fn commands(config: &Config) -> Vec<&Command> {
    let mut all: Vec<&Command> = Vec::new();
    all.extend(config.metric_plugins.values().map(|plugin| &plugin.command));
    for plugin in config.check_plugins.values() {
        all.push(&plugin.command);
        all.extend(&plugin.action);
    }
    all.extend(
        config
            .metadata_plugins
            .values()
            .map(|plugin| &plugin.command),
    );
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_each_kind_are_hidden() {
        let text = "apibase = 'http://base-user:base%2Dpass@127.0.0.1'\n\
                    apikey = 'key-0123456789'\n\
                    http_proxy = 'http://proxy-user:proxy-pass@127.0.0.1'\n\
                    [[organization]]\nname = 'a'\napikey = 'other-key'\n\
                    [[otlp]]\nendpoint = 'http://127.0.0.1/v1?token=query-token'\n\
                    protocol = 'http/protobuf'\nheaders = { authorization = 'Bearer header-token' }\n\
                    [plugin.metrics.a]\ncommand = 'a --password=argument -u u:url-pass@host'\n\
                    env = { PASSWORD = 'variable', SHORT = 'abc' }\n\
                    [plugin.checks.b]\ncommand = ['b', 'second-argument']\n";
        let mut config = Config::default();
        config.read(text.as_bytes()).unwrap();
        let secrets = Secrets::of(&config);
        for secret in [
            "base-user",
            "base%2Dpass",
            "base-pass",
            "key-0123456789",
            "proxy-user",
            "proxy-pass",
            "other-key",
            "query-token",
            "header-token",
        ] {
            assert_eq!(
                secrets.hide(&format!("<{secret}>")),
                "<[hidden]>",
                "{secret}"
            );
        }
        for secret in ["argument", "url-pass", "variable", "second-argument"] {
            let text = format!("<{secret}>");
            assert_eq!(secrets.hide(&text), text, "{secret}");
            assert_eq!(secrets.hide_all(&text), "<[hidden]>", "{secret}");
        }
        let plain = "127.0.0.1 abc a b u";
        assert_eq!(secrets.hide_all(plain), plain);
    }

    #[test]
    fn secrets_that_contain_each_other_are_hidden_whole() {
        let config = Config {
            apikey: crate::config::Secret::new("abcd"),
            http_proxy: Some("http://abcdef:abcdefgh@127.0.0.1".to_owned()),
            ..Config::default()
        };
        let hidden = Secrets::of(&config).hide("abcd abcdef abcdefgh");
        assert_eq!(hidden, "[hidden] [hidden] [hidden]");
    }
}
