//! Tests of variables that override a file.

use super::*;
use crate::config::{IdStore, NamedFile};

fn variables(all: &[(&str, &str)]) -> Variables {
    let all = all.iter().map(|(name, value)| (name.into(), value.into()));
    Variables::of(all, true)
}

fn read(all: &[(&str, &str)]) -> (Config, Said) {
    let mut config = Config::default();
    config
        .read(b"display_name = 'of the file'\nroles = ['a:b']\n")
        .unwrap();
    let said = config.read_variables(&variables(all));
    (config, said)
}

#[test]
fn each_variable_has_one_name() {
    let mut all = names();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(
        all.len(),
        count - 1,
        "MACKEREL_APIKEY is there twice: {all:?}"
    );
    for none in ["MACKEREL_CONFFILE", "MACKEREL_INTERFACES_USE_ADAPTER"] {
        assert!(!all.iter().any(|name| name == none) && key(none).is_none());
    }
}

#[test]
fn a_variable_wins_over_the_file() {
    let (config, said) = read(&[
        ("MACKEREL_APIBASE", "http://h:1"),
        ("MACKEREL_ROLES", "x:y, x:z"),
        ("MACKEREL_DISPLAY_NAME", "of the environment"),
        ("MACKEREL_MEMO", "m"),
        ("MACKEREL_IGNORE_CONTAINER", "^pause"),
        ("MACKEREL_HOST_STATUS_ON_START", "standby"),
        ("MACKEREL_HOST_ID_STORE", "memory"),
        ("MACKEREL_LOG_LEVEL", "DEBUG"),
        ("MACKEREL_APIKEY_FILE", "/run/secrets/key"),
        ("MACKEREL_FILESYSTEMS_USE_MOUNTPOINT", "1"),
        ("MACKEREL_READINESS_PROBE_TIMEOUT_SECONDS", "7"),
        ("MACKEREL_CONTAINER_PLATFORM", "kubernetes"),
        ("MACKEREL_HTTP_PROXY", ""),
    ]);
    assert_eq!(said, Said::default());
    assert_eq!(config.apibase, "http://h:1");
    assert_eq!(config.roles, ["x:y", "x:z"]);
    assert_eq!(config.display_name.as_deref(), Some("of the environment"));
    assert_eq!(config.memo.as_deref(), Some("m"));
    assert!(config.container.ignore.unwrap().matches("pause"));
    assert_eq!(config.host_status.on_start.as_deref(), Some("standby"));
    assert_eq!(config.host_id_store, IdStore::Memory);
    assert!(config.verbose && config.filesystems.use_mountpoint);
    assert_eq!(config.readiness.timeout.as_secs(), 7);
    assert_eq!(config.container.metrics, Scope::Auto);
    let key = NamedFile {
        path: "/run/secrets/key".into(),
        by: "MACKEREL_APIKEY_FILE".into(),
        line: 0,
    };
    assert_eq!(key.to_string(), "MACKEREL_APIKEY_FILE");
    assert_eq!(config.apikey_file, Some(key));
    let (config, _) = read(&[]);
    assert_eq!(config.display_name.as_deref(), Some("of the file"));
}

#[test]
fn the_image_of_the_go_agent_has_its_own_names() {
    let all = [
        ("apikey", "k"),
        ("auto_retirement", "yes please"),
        ("enable_docker_plugin", "1"),
        ("include", "/a/*.conf"),
    ];
    let (config, said) = read(&all);
    assert_eq!(said, Said::default());
    assert!(config.auto_retirement);
    let docker = &config.metric_plugins["docker"].command.argv;
    assert_eq!(docker[0], "/usr/bin/mackerel-plugin-docker");
    assert_eq!(variables(&all).include().unwrap().0, "include");
    let (config, _) = read(&[("auto_retirement", "0"), ("enable_docker_plugin", "0")]);
    assert!(!config.auto_retirement && config.metric_plugins.is_empty());
    let all = all.iter().map(|(name, value)| (name.into(), value.into()));
    assert!(
        Variables::of(all, false).0.is_empty(),
        "elsewhere they are anybody's"
    );
}

#[test]
fn says_what_is_wrong_and_what_was_meant() {
    // (name, value, expected text; empty: none)
    let table = [
        (
            "MACKEREL_VERBOSE",
            "maybe",
            "the variable MACKEREL_VERBOSE: write true or false",
        ),
        (
            "MACKEREL_LOG_LEVEL",
            "loud",
            "the variable MACKEREL_LOG_LEVEL: write TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL",
        ),
        (
            "MACKEREL_HOST_ID_STORE",
            "x",
            "the variable MACKEREL_HOST_ID_STORE: no id is kept in \"x\"; write file or memory",
        ),
        (
            "MACKEREL_IGNORE_CONTAINER",
            "[",
            "the variable MACKEREL_IGNORE_CONTAINER: error parsing regexp: missing closing ]: `[`",
        ),
        (
            "MACKEREL_ROLE",
            "a:b",
            "MACKEREL_ROLE is an unexpected variable. Did you mean MACKEREL_ROLES ?",
        ),
        (
            "MACKEREL_DISPLAYNAME",
            "a",
            "MACKEREL_DISPLAYNAME is an unexpected variable. Did you mean MACKEREL_DISPLAY_NAME ?",
        ),
        (
            "MACKEREL_NONSENSE",
            "a",
            "MACKEREL_NONSENSE is an unexpected variable.",
        ),
        (
            "MACKEREL_SPOOL_WINDWO",
            "5m",
            "MACKEREL_SPOOL_WINDWO is an unexpected variable. Did you mean MACKEREL_SPOOL_WINDOW ?",
        ),
        (
            "MACKEREL_SPOOL_WINDOW",
            "1",
            "the variable MACKEREL_SPOOL_WINDOW: 1 minutes; write 2 to 60",
        ),
        (
            "MACKEREL_HOST_STATUS_ON_START",
            "workin",
            "the variable MACKEREL_HOST_STATUS_ON_START: \"workin\"; write working, standby, \
             maintenance, poweroff",
        ),
        (
            "MACKEREL_KUBERNETES_KUBELET_PORT",
            "1",
            "MACKEREL_KUBERNETES_KUBELET_PORT has no effect: the kubelet is not asked; cgroups are read instead",
        ),
        ("MACKEREL_PLUGIN_WORKDIR", "/tmp", ""),
        ("MACKEREL_STATUS", "OK", ""),
        ("MACKEREL_AGENT_PORT", "tcp://10.0.0.1:80", ""),
        ("MACKEREL_AGENT_PORT_80_TCP_ADDR", "10.0.0.1", ""),
        ("MACKEREL_AGENT_SERVICE_HOST", "10.0.0.1", ""),
        ("MACKEREL_SERVICE_PORT_HTTP", "80", ""),
        ("_MACKEREL_AGENT_SUPERVISOR", "1", ""),
    ];
    for (name, value, expected) in table {
        let (_, said) = read(&[(name, value)]);
        let warnings = said.warnings.into_iter().map(|warning| warning.text);
        let said: Vec<_> = said.problems.into_iter().chain(warnings).collect();
        assert_eq!(said.join("\n"), expected, "{name}");
    }
}
