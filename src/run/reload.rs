//! What becomes of a configuration that has changed while the agent runs.

use super::configtest::{check, verdict};
use crate::config::{Config, Container, Flags};

/// The configuration as it is now, if `configtest` has no objection to it: a key that nobody knows
/// is one, for it may be the one that was meant to change something. Otherwise what `configtest`
/// says, on one line.
pub(super) fn checked(flags: &Flags) -> Result<Config, String> {
    let survey = check(flags);
    match survey.is_in_order() {
        true => Ok(survey.config),
        false => Err(verdict(&survey, false).trim_end().replace('\n', "; ")),
    }
}

/// `new` as far as an agent can go over to it that runs with `old`, and the settings for which it
/// has to be started again: they stay as they are.
pub(super) fn as_far_as_possible(old: &Config, new: Config) -> (Config, Vec<&'static str>) {
    let has_changed = [
        ("apibase", old.apibase != new.apibase),
        ("root", old.root != new.root),
        ("pidfile", old.pidfile != new.pidfile),
        ("host_root and its like", old.host != new.host),
        ("http_proxy", old.http_proxy != new.http_proxy),
        ("https_proxy", old.https_proxy != new.https_proxy),
        ("autoshutdown", old.autoshutdown != new.autoshutdown),
        ("spool", old.spool != new.spool),
        ("host_id_store", old.host_id_store != new.host_id_store),
        (
            "custom_identifier",
            old.custom_identifier != new.custom_identifier,
        ),
        ("health", old.health != new.health),
        (
            "container.metrics",
            old.container.metrics != new.container.metrics,
        ),
        ("readiness_probe", old.readiness != new.readiness),
    ];
    let changed = has_changed.into_iter().filter(|(_, is_other)| *is_other);
    let staying = changed.map(|(name, _)| name).collect();
    let config = Config {
        apibase: old.apibase.clone(),
        root: old.root.clone(),
        pidfile: old.pidfile.clone(),
        host: old.host.clone(),
        http_proxy: old.http_proxy.clone(),
        https_proxy: old.https_proxy.clone(),
        autoshutdown: old.autoshutdown,
        spool: old.spool,
        host_id_store: old.host_id_store,
        custom_identifier: old.custom_identifier.clone(),
        health: old.health,
        container: Container {
            metrics: old.container.metrics,
            ..new.container
        },
        readiness: old.readiness.clone(),
        ..new
    };
    (config, staying)
}

#[cfg(test)]
mod settings;

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
    fn what_configtest_would_refuse_is_refused() {
        // (text, what is said; empty: nothing)
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
    fn only_what_can_change_does() {
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
}
