//! Reads and checks the configuration again while the agent runs.

use super::configtest::{check, verdict};
use crate::config::{Config, Flags};
pub(crate) use crate::settings::as_far_as_possible;

/// The current configuration, if `configtest` accepts it. Fails with the output of `configtest` on
/// one line otherwise. An unknown key is refused too, because it may be the misspelt setting that
/// was meant to change.
pub(crate) fn checked(flags: &Flags) -> Result<Config, String> {
    let survey = check(flags);
    if survey.is_in_order() {
        Ok(survey.config)
    } else {
        Err(verdict(&survey, false).trim_end().replace('\n', "; "))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn config(text: &str) -> Config {
        let mut config = Config::default();
        config.read(text.as_bytes()).unwrap();
        config
    }

    #[test]
    fn reload_refuses_what_configtest_refuses() {
        // (text, expected text; empty: none)
        let table = [
            ("apikey = 'k'\n", ""),
            ("verbose = true\n", "apikey must be specified"),
            (
                "apikey = 'k'\nverbose = 1\nsilent = 2\n",
                "; CONF:3: toml: ",
            ),
            (
                "apikey = 'k'\nrolse = []\npodfile = ''\n",
                "[WARNING] podfile is unexpected key. Did you mean pidfile ? (CONF:3); \
                 [WARNING] rolse is unexpected key. Did you mean roles ? (CONF:2)",
            ),
        ];
        let dir = tempfile::tempdir().unwrap();
        let flags = Flags {
            conf: dir.path().join("agent.conf"),
            ..Flags::default()
        };
        assert!(checked(&flags).is_err(), "no file");
        for (text, expected) in table {
            fs::write(&flags.conf, text).unwrap();
            let found = checked(&flags).err().unwrap_or_default();
            let found = found.replace(&flags.conf.display().to_string(), "CONF");
            assert!(found.contains(expected), "{text}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{text}: {found}");
            assert!(!found.contains('\n'), "{found}");
        }
    }

    #[test]
    fn reload_applies_only_settings_that_need_no_restart() {
        let old = config("apikey = 'a'\nroot = '/old'\nhttps_proxy = 'http://p'\n");
        let new = config(
            "apikey = 'b'\nroles = ['s:r']\nroot = '/new'\nautoshutdown = true\n\
             host_sys = '/s'\npidfile = '/x.pid'\napibase = 'http://h'\nhttp_proxy = 'http://q'\n",
        );
        let (taken, staying) = as_far_as_possible(&old, new.clone());
        let expected = [
            "apibase",
            "root",
            "pidfile",
            "host_root and its like",
            "http_proxy",
            "https_proxy",
            "autoshutdown",
        ];
        assert_eq!(staying, expected);
        assert_eq!((&*taken.apikey, taken.roles.len()), ("b", 1));
        assert_eq!((taken.root, taken.http_proxy), (old.root, None));
        assert_eq!(as_far_as_possible(&new, new.clone()).1, [""; 0]);
    }

    #[test]
    fn reload_keeps_api_and_organisations_and_replaces_otlp() {
        let second = "[[organization]]\nname = 'b'\napikey = 'k'\n";
        let otlp = "[[otlp]]\nendpoint = 'a:1'\n";
        let old = config(&format!("apikey = 'a'\n{second}"));
        // (new file, whether the organisations stay)
        let table = [
            (format!("apikey = 'c'\n\n{second}{otlp}"), false),
            (format!("apikey = 'c'\n{otlp}"), true),
            (
                format!("apikey = 'c'\n{otlp}{}", second.replace("'k'", "'l'")),
                true,
            ),
            (format!("apikey = 'c'\n{otlp}{second}memo = 'm'\n"), true),
            (
                format!("apikey = 'c'\n{otlp}{second}checks = false\n"),
                true,
            ),
            (
                format!("apikey = 'c'\n{otlp}{second}roles = ['s:r']\n"),
                true,
            ),
        ];
        for (text, stays) in table {
            let (taken, staying) = as_far_as_possible(&old, config(&text));
            let expected = Vec::from_iter(stays.then_some("organization"));
            assert_eq!(staying, expected, "{text}");
            assert_eq!(taken.organizations, old.organizations, "{text}");
            assert_eq!((taken.otlp.len(), &*taken.apikey), (1, "c"), "{text}");
        }
        // The key was removed, which turns the API off at the next start.
        let mut new = config(&format!("{otlp}{second}"));
        new.mackerel = false;
        let (taken, staying) = as_far_as_possible(&old, new);
        assert_eq!(staying, ["mackerel"]);
        assert_eq!((taken.mackerel, &*taken.apikey), (true, "a"));
    }
}
