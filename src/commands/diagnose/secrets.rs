//! The secrets of a configuration, which are removed from all that is printed or written.
//!
//! No step prints one: this is the second line of defence, for texts of servers, plugins and the
//! log that repeat a secret.

use crate::base::url::{Url, percent_decoded};
use crate::config::{Command, Config};

/// Bytes of the shortest text that counts as a secret. Shorter ones occur everywhere.
const SHORTEST: usize = 4;

/// Texts that must not be shown.
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
        all.key(&config.apikey);
        all.url(&config.apibase);
        for proxy in [&config.http_proxy, &config.https_proxy] {
            all.url(proxy.as_deref().unwrap_or_default());
        }
        for organization in &config.organizations {
            all.key(&organization.apikey);
            all.url(organization.apibase.as_deref().unwrap_or_default());
        }
        for otlp in &config.otlp {
            all.url(&otlp.endpoint);
            // A header may be `Bearer TOKEN`.
            for (_, value) in &otlp.headers {
                add_words(&mut all.strict, value, &[' '], 0);
            }
        }
        for command in commands(config) {
            for (_, value) in &command.env {
                add(&mut all.loose, value);
            }
            for text in command.argv.iter().skip(1) {
                let separators = [' ', '\t', '\n', '=', '"', '\'', ':', '@', ','];
                add_words(&mut all.loose, text, &separators, 0);
            }
        }
        all
    }

    fn key(&mut self, text: &str) {
        add(&mut self.strict, text);
    }

    fn url(&mut self, text: &str) {
        let parsed = Url::parse(text).ok();
        if let Some((user, password)) = parsed.as_ref().and_then(Url::login) {
            for word in [user, password] {
                self.key(word);
                self.key(&percent_decoded(word).unwrap_or_default());
            }
        }
        add_words(&mut self.strict, text, &['?', '=', '&'], 1);
    }

    /// `text` without keys, headers and logins.
    pub(super) fn hide(&self, text: &str) -> String {
        hide(text.to_owned(), &self.strict)
    }

    /// The same for text of plugins and the log.
    pub(super) fn hide_all(&self, text: &str) -> String {
        hide(self.hide(text), &self.loose)
    }
}

fn add(list: &mut Vec<String>, text: &str) {
    if text.len() >= SHORTEST {
        list.push(text.to_owned());
    }
}

/// Adds the words of `text` between these characters, except for the first `skipped` ones.
fn add_words(list: &mut Vec<String>, text: &str, separators: &[char], skipped: usize) {
    for word in text.split(separators).skip(skipped) {
        add(list, word);
    }
}

/// `text` without `secrets`. Longer ones, which may contain others, are removed first.
fn hide(mut text: String, secrets: &[String]) -> String {
    let longest = secrets.iter().map(String::len).max().unwrap_or(0);
    for length in (SHORTEST..=longest).rev() {
        for secret in secrets {
            if secret.len() == length {
                text = text.replace(secret, "[hidden]");
            }
        }
    }
    text
}

/// The commands of plugins and actions.
pub(super) fn commands(config: &Config) -> Vec<&Command> {
    let mut all: Vec<&Command> = Vec::new();
    for plugin in config.metric_plugins.values() {
        all.push(&plugin.command);
    }
    for plugin in config.check_plugins.values() {
        all.push(&plugin.command);
        all.extend(&plugin.action);
    }
    for plugin in config.metadata_plugins.values() {
        all.push(&plugin.command);
    }
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
