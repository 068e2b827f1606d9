//! Tests of loading a file together with the files that it includes.

use super::*;
use crate::base::pattern::Pattern;
use crate::config::{CloudPlatform, Flags, NamedFile};

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/fixtures/config").join(name)
}

/// Vector 15; unknown keys of included files are reported as well.
#[test]
fn included_files_are_read_over_the_main_file() {
    let loaded = load(&fixture("main.conf"), &Beside::default())
        .checked()
        .unwrap();
    let config = loaded.config;
    assert_eq!(&*config.apikey, "KEY");
    assert_eq!(config.root, PathBuf::from("/tmp/root"));
    assert_eq!(config.pidfile, PathBuf::from("/tmp/b.pid"));
    assert_eq!(config.display_name.as_deref(), Some("hidden"));
    assert_eq!(config.roles, ["Service:role"]);
    assert!(!config.verbose);
    assert!(config.filesystems.ignore.unwrap().matches("tmpfs"));
    assert!(config.filesystems.use_mountpoint);
    let names: Vec<_> = config.metric_plugins.keys().collect();
    assert_eq!(names, ["bar", "foo1", "foo2"]);
    let bar = &config.metric_plugins["bar"];
    assert_eq!(bar.command.argv[2], "bar of a");
    assert_eq!(bar.custom_identifier, None);

    let unknown = loaded.unknown.iter();
    let unknown: Vec<_> = unknown
        .map(|unknown| {
            let Unknown { key, path, .. } = unknown;
            (&*key.key, path.clone(), key.line, unknown.is_included)
        })
        .collect();
    let expected = [
        ("nonsens", fixture("main.conf"), 5, false),
        ("nonsense", fixture("include/b.conf"), 3, true),
    ];
    assert_eq!(unknown, expected);
    assert_eq!(loaded.with_apikey, [fixture("main.conf")]);
    let names = [".hidden.conf", "a.conf", "b.conf"].map(|name| format!("include/{name}"));
    assert_eq!(loaded.included, names.map(|name| fixture(&name)));
    let warnings: Vec<_> = loaded.warnings.into_iter().map(|w| w.text).collect();
    let expected = "tests/fixtures/config/include/b.conf:5: plugin.checks.long: \
                    max_check_attempts is taken as 1, because prevent_alert_auto_close is true";
    assert_eq!(warnings, [expected]);
}

/// A configuration as it is found on a server that has been maintained for years.
#[test]
fn a_large_configuration_means_what_it_says() {
    let loaded = load(&fixture("large/mackerel-agent.conf"), &Beside::default())
        .checked()
        .unwrap();
    assert!(loaded.unknown.is_empty());
    let mut config = loaded.config;
    let warnings = config.overlay(&Flags::default()).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.apikey.len(), 44);
    assert_eq!(config.apibase, "https://api.mackerelio.com");
    assert_eq!(config.root, Path::new("/var/lib/mackerel-agent"));
    assert!(config.diagnostic && config.verbose && config.disable_http_keep_alive);
    assert_eq!(config.display_name.as_deref(), Some("web-01.example.com"));
    assert_eq!(
        config.roles,
        ["Web:app"],
        "the included file's replace them"
    );
    assert_eq!(config.cloud_platform, CloudPlatform::Ec2);
    let proxies = config.proxy_env();
    assert_eq!(
        (proxies.http, proxies.https),
        (None, Some("http://proxy.example:3128"))
    );
    assert_eq!(config.host_status.on_start.as_deref(), Some("working"));
    assert_eq!(config.host_status.on_stop.as_deref(), Some("poweroff"));
    let ignored = |pattern: &Option<Pattern>, yes: &str, no: &str| {
        let pattern = pattern.as_ref().unwrap();
        assert!(pattern.matches(yes) && !pattern.matches(no), "{yes} {no}");
    };
    ignored(&config.filesystems.ignore, "/dev/loop3", "/dev/sda1");
    ignored(&config.disks_ignore, "sr0", "sda");
    ignored(&config.interfaces_ignore, "veth1234", "eth0");
    assert!(config.filesystems.use_mountpoint);

    let plugins = &config.metric_plugins;
    assert_eq!((plugins.len(), config.check_plugins.len()), (17, 10));
    assert_eq!(config.metadata_plugins.len(), 3);
    let mysql = &plugins["mysql"];
    let env = [(
        "MYSQL_PASSWORD".to_owned(),
        "pass'word \"with\" quotes".to_owned(),
    )];
    assert_eq!(mysql.command.argv[..2], ["mackerel-plugin-mysql", "-host"]);
    assert_eq!(
        (mysql.command.user.as_deref(), &*mysql.command.env),
        (Some("mysql"), &env[..])
    );
    assert_eq!(mysql.command.timeout.as_secs(), 20);
    ignored(&mysql.exclude_pattern, "mysql.innodb_rows.x", "mysql.cmd.x");
    let nginx = &plugins["nginx"].command;
    assert_eq!(nginx.argv[..2], ["sh", "-c"]);
    assert!(nginx.argv[2].contains("| sed -e 's/^/web./'") && nginx.timeout.as_secs() == 30);
    let rds = &plugins["rds"];
    assert!(rds.use_plugin_timestamp && rds.custom_identifier.is_some());
    assert!(rds.command.argv[2].ends_with("-identifier=db-01 -access-key-id=AKIA"));
    assert!(
        plugins["app0"].command.argv[2].ends_with("--all"),
        "the included file's"
    );

    let ssh = &config.check_plugins["ssh"];
    assert_eq!(ssh.check_interval.as_secs(), 300);
    assert_eq!(
        (ssh.notification_interval, ssh.max_check_attempts),
        (Some(60), Some(3))
    );
    assert_eq!(
        (ssh.command.timeout.as_secs(), ssh.memo.chars().count()),
        (45, 16)
    );
    let ssl = &config.check_plugins["ssl"];
    assert_eq!(ssl.check_interval.as_secs(), 3_600);
    assert!(ssl.prevent_alert_auto_close);
    let action = ssl.action.as_ref().unwrap();
    assert_eq!(
        (action.user.as_deref(), action.timeout.as_secs()),
        (Some("root"), 60)
    );
    assert_eq!(action.env, [("WHERE".to_owned(), "here".to_owned())]);
    let oven = &config.check_plugins["oven"];
    assert_eq!(oven.notification_interval, Some(10), "at the least");
    assert_eq!(oven.action.as_ref().unwrap().argv, ["logger", "-t", "oven"]);
    let seconds = |name: &str| config.metadata_plugins[name].execution_interval.as_secs();
    assert_eq!(
        ["ec2", "packages", "hardware"].map(seconds),
        [3_600, 600, 600]
    );
}

#[test]
fn named_file_keeps_the_file_and_line_that_name_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let main = format!(
        "include = '{}/*.toml'\napikey_file = '/a'\nca_file = '/b'",
        directory.path().display()
    );
    std::fs::write(path("main.conf"), main).unwrap();
    std::fs::write(path("more.toml"), "\n\nca_file = '/c'\napikey = ''").unwrap();
    let loaded = load(&path("main.conf"), &Beside::default())
        .checked()
        .unwrap();
    let named = |path: &str, by, line| {
        Some(NamedFile {
            path: path.into(),
            by,
            line,
        })
    };
    assert_eq!(loaded.config.apikey_file, named("/a", path("main.conf"), 2));
    assert_eq!(loaded.config.ca_file, named("/c", path("more.toml"), 3));
    assert_eq!(loaded.with_apikey, [""; 0].map(PathBuf::from));
}

#[test]
fn says_which_file_is_wrong_and_where() {
    let table = [
        (
            "missing.conf",
            "failed to load the config file: read tests/fixtures/config/missing.conf: \
             No such file or directory (os error 2); create it with mackerel-agent init \
             -conf tests/fixtures/config/missing.conf -apikey=KEY, or with mackerel-agent install, \
             which also sets up the service; or set MACKEREL_APIKEY and run without -conf; or name \
             another file with -conf",
        ),
        (
            "broken/main.conf",
            "failed to load the config file: tests/fixtures/config/broken/main.conf:3: toml: \
             line 3 (last key \"silent\"): incompatible types: TOML value has type integer; \
             destination has type boolean; write true or false, without quotes\n\
             while loading included config file tests/fixtures/config/broken/included.toml:1: \
             toml: line 1 (last key \"verbose\"): incompatible types: TOML value has type \
             integer; destination has type boolean; write true or false, without quotes\n\
             while loading included config file tests/fixtures/config/broken/included.toml:4: \
             plugin.checks.a: failed to parse plugin command. A configuration value of `command` \
             should be string or string slice, but int64; write command = \"program argument\" \
             or command = [\"program\", \"argument\"]",
        ),
        (
            "broken/pattern.conf",
            "failed to load the config file: tests/fixtures/config/broken/pattern.conf:2: \
             include: syntax error in pattern; close each [ with a ], or write \\[ for one",
        ),
        (
            "broken/directory.conf",
            "failed to load the config file: while loading included config file \
             tests/fixtures/config/include: read tests/fixtures/config/include: Is a directory \
             (os error 21)",
        ),
    ];
    for (name, expected) in table {
        let error = load(&fixture(name), &Beside::default())
            .checked()
            .unwrap_err();
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

fn beside(variables: &[(&str, &str)]) -> Beside {
    let all = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Beside {
        variables: Variables::of(all, false),
        may_be_alone: true,
        top: None,
    }
}

#[test]
fn variables_alone_are_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let pattern = path("*.conf").display().to_string();
    std::fs::write(path("a.conf"), "display_name = 'a'\nmemo = 'm'").unwrap();
    let variables = beside(&[
        ("MACKEREL_DISPLAY_NAME", "b"),
        ("MACKEREL_INCLUDE", &pattern),
    ]);
    let loaded = load(&path("absent.toml"), &variables).checked().unwrap();
    assert!(loaded.is_alone && loaded.config.health);
    assert_eq!(loaded.config.pidfile, PathBuf::new());
    assert_eq!(loaded.config.display_name.as_deref(), Some("b"));
    assert_eq!(loaded.config.memo.as_deref(), Some("m"));
    let loaded = load(&path("a.conf"), &beside(&[])).checked().unwrap();
    assert!(!loaded.is_alone && !loaded.config.health);
    let loaded = load(&path("a.conf"), &beside(&[("MACKEREL_INCLUDE", "[")]));
    let error = loaded.checked().unwrap_err().to_string();
    assert!(
        error.contains("the variable MACKEREL_INCLUDE: include: "),
        "{error}"
    );
}

#[test]
fn yaml_is_refused_by_name() {
    for name in ["/etc/mackerel.yml", "/etc/mackerel.YAML"] {
        let error = load(Path::new(name), &Beside::default()).checked();
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("reads TOML"),
            "{error}"
        );
    }
}
