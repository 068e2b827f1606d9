//! `configtest`: its messages, their places, and exit codes.

use crate::process::Finished;
use crate::sandbox::{Sandbox, limit};
use fake_server::{FakeServer, KEY};

/// The lines on stderr that are not log lines.
fn verdict(finished: &Finished) -> Vec<&str> {
    assert_eq!(finished.stdout, "");
    assert!(!finished.stderr.contains(KEY), "{}", finished.stderr);
    let is_said = |line: &&str| !line.starts_with("20");
    finished.stderr.lines().filter(is_said).collect()
}

#[test]
fn configtest_judges_without_connecting() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let conf = sandbox.conf().display().to_string();
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr, format!("SUCCESS ({conf})"));
    sandbox.configure(&fake_server.base(), "rolls = []\n");
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = format!("[WARNING] rolls is unexpected key. Did you mean roles ? ({conf}:6)\n");
    assert_eq!(finished.stderr, expected, "and an empty line after it");
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.pidfile().exists() && !sandbox.root().exists());
}

/// Vector 17.
#[test]
fn every_unknown_key_is_told_in_its_order() {
    let sandbox = Sandbox::empty();
    let text = include_str!("../../fixtures/config/unknown-keys.conf");
    let conf = sandbox.write("agent.conf", text).display().to_string();
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    // (key, suggestion, line)
    let table = [
        ("filesystems.use_mntpoint", "filesystems.use_mountpoint", 5),
        ("foobar", "", 7),
        ("plugin.check.incorrect2", "plugin.checks.incorrect2", 16),
        ("plugin.check.incorrect3", "plugin.checks.incorrect3", 19),
        (
            "plugin.checks.incorrect9.action.en",
            "plugin.checks.incorrect9.action.env",
            37,
        ),
        ("plugin.foo.bar", "plugin.metrics.bar", 10),
        ("plugin.metric.incorrect1", "plugin.metrics.incorrect1", 13),
        (
            "plugin.metrics.incorrect5.action.use",
            "plugin.metrics.incorrect5.action.user",
            27,
        ),
        ("plugin.metrics.incorrect6.action.xxx", "", 31),
        ("plugin.metrics.incorrect7.incorrect8", "", 33),
        ("plugins", "plugin", 22),
        ("podfile", "pidfile", 2),
    ];
    let mut expected = String::new();
    for (key, suggestion, line) in table {
        expected += &format!("[WARNING] {key} is unexpected key.");
        if !suggestion.is_empty() {
            expected += &format!(" Did you mean {suggestion} ?");
        }
        expected += &format!(" ({conf}:{line})\n");
    }
    expected += &format!("[WARNING] {conf}: apikey: only 5 characters, API keys have more; ");
    assert!(
        finished.stderr.starts_with(&expected),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stderr.lines().count(), table.len() + 1);
}

#[test]
fn unknown_keys_of_an_included_file_are_told_and_are_no_failure() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let included = sandbox
        .write("conf.d/a.conf", "verbos = true\n[disks]\nunk = 1\n")
        .display()
        .to_string();
    let more = format!(
        "include = \"{}\"\n",
        sandbox.path("conf.d/*.conf").display()
    );
    sandbox.configure(&fake_server.base(), &more);
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let conf = sandbox.conf().display().to_string();
    let expected = [
        format!("[WARNING] disks.unk is unexpected key. ({included}:3)"),
        format!("[WARNING] verbos is unexpected key. Did you mean verbose ? ({included}:1)"),
        format!("SUCCESS ({conf})"),
    ];
    assert_eq!(verdict(&finished), expected);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let sandbox = Sandbox::empty();
    let included = sandbox.write("conf.d/a.conf", "\nverbose = 1\nnonsense = 1\n");
    let key = sandbox.path("key");
    let text = format!(
        "apikey_file = \"{}\"\nsilent = \"yes\"\nrolls = []\nroot = /tmp\ninclude = \"{}\"\n\
         [plugin.checks.a]\n[plugin.metrics.b]\ncommand = \"x\"\ninclude_pattern = \"(\"\n",
        key.display(),
        sandbox.path("conf.d/*.conf").display()
    );
    let conf = sandbox.write("agent.conf", &text).display().to_string();
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let included = included.display();
    let beginnings = [
        format!("[CRITICAL] failed to test config: failed to load the config file: {conf}:2: "),
        format!("{conf}:4: toml: line 4, column 8 (last key \"root\"): "),
        format!("{conf}:6: plugin.checks.a: failed to parse plugin command. "),
        format!("{conf}:9: plugin.metrics.b: error parsing regexp: "),
        format!("while loading included config file {included}:2: toml: line 2 (last key \"v"),
        format!(
            "{conf}:1: apikey_file {} cannot be used: read ",
            key.display()
        ),
        format!("[WARNING] rolls is unexpected key. Did you mean roles ? ({conf}:3)"),
        format!("[WARNING] nonsense is unexpected key. ({included}:3)"),
        String::new(),
    ];
    let lines = verdict(&finished);
    assert_eq!(lines.len(), beginnings.len() - 1, "{}", finished.stderr);
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(&beginning), "{line}\n{beginning}");
    }
}

/// An error in the sandbox's own file: the invalid text, its line, and words of the message that
/// name the key and the remedy.
type Row = (&'static str, usize, &'static [&'static str]);

/// The sandbox's own part of the configuration is five lines long.
const BROKEN: &[Row] = &[
    (
        "verbose = \n",
        6,
        &["verbose", "write a text in quotes, and true"],
    ),
    ("verbose = True\n", 6, &["verbose", "write true or false"]),
    (
        "verbose = \"yes\"\n",
        6,
        &["verbose", "write true or false, without quotes"],
    ),
    (
        "verbose = true\nverbose = false\n",
        7,
        &["verbose", "join the two"],
    ),
    (
        "display_name = web 1\n",
        6,
        &["display_name", "write a text in quotes"],
    ),
    (
        "display_name = \"web 1\n",
        6,
        &["display_name", "end the text with a quote"],
    ),
    (
        "display_name: \"web 1\"\n",
        6,
        &["display_name", "write key = value"],
    ),
    (
        "roles = \"web:app\"\n",
        6,
        &["roles", "write a list such as [\"one\", \"two\"]"],
    ),
    (
        "roles = [\"web:app\" \"web:db\"]\n",
        6,
        &["roles", "expected `,`"],
    ),
    (
        "roles = [\n\"web:app\",\nverbose = true\n",
        8,
        &["in array", "expected value, `]`"],
    ),
    ("roles = [1]\n", 6, &["roles", "write it in quotes"]),
    (
        "\n[filesystems]\nignore = \"^/dev/\\d\"\n",
        8,
        &["ignore", "write \\\\ for a backslash"],
    ),
    (
        "[filesystems]\nignore = \"(\"\n",
        7,
        &["filesystems.ignore", "closing ')'"],
    ),
    (
        "[disks]\nignore = '\\p{L}'\n",
        7,
        &["disks.ignore", "list the characters instead"],
    ),
    (
        "interfaces = \"eth0\"\n",
        6,
        &["interfaces", "write its keys below a line [interfaces]"],
    ),
    (
        "[host_status]\non_start = 1\n",
        7,
        &["host_status.on_start", "write it in quotes"],
    ),
    (
        "[plugin.checks.ping\n",
        6,
        &["plugin.checks.ping", "expected `]`"],
    ),
    (
        "[plugin.checks.ping]\n",
        6,
        &["plugin.checks.ping", "write command = "],
    ),
    (
        "[plugin.checks.ping]\ncommand = 1\n",
        7,
        &["plugin.checks.ping", "write command = "],
    ),
    (
        "[plugin.metrics.m]\ncommand = \"x\"\nenv = { \"A=B\" = \"c\" }\n",
        8,
        &["plugin.metrics.m", "`env`", "write env = {"],
    ),
    (
        "[plugin.metrics.m]\ncommand = \"x\"\nuse_plugin_timestamp = 0\n",
        8,
        &[
            "plugin.metrics.m.use_plugin_timestamp",
            "write true or false",
        ],
    ),
    (
        "[plugin.checks.ping]\ncommand = \"x\"\ncheck_interval = \"90s\"\n",
        8,
        &[
            "plugin.checks.ping.check_interval",
            "write minutes as a number",
        ],
    ),
    (
        "[plugin.checks.ping]\ncommand = \"x\"\ntimeout_seconds = \"5\"\n",
        8,
        &[
            "plugin.checks.ping.timeout_seconds",
            "write a whole number, without quotes",
        ],
    ),
    (
        "[plugin.checks.ping]\ncommand = \"x\"\naction = \"y\"\n",
        8,
        &[
            "plugin.checks.ping.action",
            "write its keys below a line [plugin.checks.ping.action]",
        ],
    ),
    (
        "[plugin.metadata]\nfacts = \"x\"\n",
        7,
        &[
            "plugin.metadata.facts",
            "write its keys below a line [plugin.metadata.facts]",
        ],
    ),
    (
        "include = \"conf.d/[a\"\n",
        6,
        &["include", "close each [ with a ]"],
    ),
    (
        "apikey_file = \"nowhere\"\n",
        6,
        &["apikey_file nowhere", "No such file or directory"],
    ),
    (
        "apikey_file = \"empty\"\n",
        6,
        &["apikey_file empty", "write the API key"],
    ),
    (
        "apikey_file = \"agent.conf\"\n",
        6,
        &["apikey_file agent.conf", "on a single line"],
    ),
    (
        "ca_file = \"nowhere.pem\"\n",
        6,
        &["ca_file nowhere.pem", "No such file or directory"],
    ),
    (
        "ca_file = \"empty\"\n",
        6,
        &["ca_file empty", "no certificate that can be used"],
    ),
    (
        "listen = \"localhost\"\n",
        6,
        &["listen", "write \"127.0.0.1:9100\", or the path"],
    ),
    (
        "listen = \"0.0.0.0:9100\"\n",
        6,
        &["listen", "write listen_token_file = "],
    ),
    (
        "listen_token_file = \"nowhere\"\n",
        6,
        &["listen_token_file nowhere", "No such file or directory"],
    ),
    (
        "listen_token_file = \"empty\"\n",
        6,
        &["listen_token_file empty", "write a token"],
    ),
    (
        "[[otlp]]\n",
        6,
        &["otlp", "endpoint", "write \"host:4317\""],
    ),
    (
        "[otlp]\nendpoint = \"a:1\"\n",
        6,
        &["otlp", "write its keys below a line [[otlp]]"],
    ),
    (
        "[[otlp]]\nendpoint = \"a:1\"\nprotocol = \"http\"\n",
        8,
        &["otlp.protocol", "write grpc or http/protobuf"],
    ),
    (
        "[[otlp]]\nendpoint = \"a:1\"\nmetrics = [\"disk\"]\n",
        8,
        &["otlp.metrics", "write disk.io_time, ", "paging.operations"],
    ),
    (
        "[[otlp]]\nendpoint = \"a:1\"\nheaders = { te = \"x\" }\n",
        8,
        &["otlp.headers.te", "remove it"],
    ),
    (
        "[[otlp]]\nendpoint = \"a:1\"\nheaders_file = \"nowhere\"\n",
        8,
        &["headers_file nowhere", "No such file or directory"],
    ),
    (
        "[[otlp]]\nendpoint = \"a:1\"\ntimeout = 90\n",
        8,
        &["otlp.timeout", "1 to 60"],
    ),
    (
        "[[organization]]\nname = \"A B\"\n",
        6,
        &["organization", "write name = "],
    ),
    (
        "[[organization]]\nname = \"b\"\n",
        6,
        &["organization", "write apikey = "],
    ),
    (
        "[[organization]]\nname = \"b\"\napikey_file = \"empty\"\n",
        8,
        &["apikey_file empty", "write the API key"],
    ),
    (
        "mackerel = false\n[[organization]]\nname = \"b\"\napikey = \"2w9Xk3bTqLr7VnYp4sDf\"\n",
        7,
        &["organization", "mackerel = false", "remove one of the two"],
    ),
];

#[test]
fn a_broken_file_is_told_with_line_key_and_remedy() {
    let sandbox = Sandbox::empty();
    sandbox.write("empty", "\n");
    let conf = sandbox.conf().display().to_string();
    for (more, line, words) in BROKEN {
        // Certificates are read only for HTTPS.
        sandbox.configure("https://127.0.0.1:1", more);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(1), "{more}: {}", finished.stderr);
        let lines = verdict(&finished);
        let [said] = lines.as_slice() else {
            panic!("{more}: {}", finished.stderr);
        };
        assert!(
            said.starts_with("[CRITICAL] failed to test config: "),
            "{said}"
        );
        assert!(said.contains(&format!("{conf}:{line}: ")), "{said}");
        for word in *words {
            assert!(said.contains(word), "{word}: {said}");
        }
        // The agent itself logs the same.
        let why = said.trim_start_matches("[CRITICAL] failed to test config: ");
        let finished = sandbox.run(&[], &[]);
        assert_eq!(finished.code, Some(1), "{more}: {}", finished.stderr);
        assert!(finished.stderr.contains(why), "{}\n{why}", finished.stderr);
    }
}

#[test]
fn what_has_no_line_is_told_with_the_file() {
    let table = [
        (
            "apibase = \"http://a\"\n",
            "apikey must be specified in the config file",
        ),
        (
            "apikey = \"\"\n",
            "apikey must be specified in the config file",
        ),
        (
            "apikey = \"x\"\nhttps_proxy = \"gopher://a\"\n",
            "https_proxy",
        ),
    ];
    let sandbox = Sandbox::empty();
    let missing = sandbox.run(&["configtest"], &[]);
    let conf = sandbox.conf().display().to_string();
    assert_eq!(missing.code, Some(1));
    let said = format!(
        "[CRITICAL] failed to test config: failed to load the config file: read {conf}: \
         No such file or directory (os error 2); create it with mackerel-agent init -conf {conf} \
         -apikey=KEY, or "
    );
    assert!(missing.stderr.starts_with(&said), "{}", missing.stderr);
    for (text, word) in table {
        sandbox.write("agent.conf", text);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(1), "{text}: {}", finished.stderr);
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
    }
}

/// Nothing of Mackerel's API is needed if there is another output.
#[test]
fn api_key_is_needed_unless_there_is_another_output() {
    const OFF: &str = " no API key: nothing is sent to Mackerel's API; to change that, set apikey";
    let otlp = "[[otlp]]\nendpoint = \"127.0.0.1:1\"\n";
    let organization = "[[organization]]\nname = \"b\"\napikey = \"k\"\n";
    // (configuration, whether it is accepted, whether the log says that the API is off)
    let table = [
        (String::new(), false, false),
        ("mackerel = false\n".to_owned(), true, false),
        (otlp.to_owned(), true, true),
        (format!("apikey = \"\"\n{otlp}"), true, true),
        (format!("apikey = \"k\"\n{otlp}"), true, false),
        (format!("mackerel = false\n{otlp}"), true, false),
        ("listen = \"127.0.0.1:1\"\n".to_owned(), true, true),
        ("listen = \"/run/a.sock\"\n".to_owned(), true, true),
        (organization.to_owned(), false, false),
        (format!("{otlp}{organization}"), false, false),
    ];
    let sandbox = Sandbox::empty();
    for (text, is_accepted, is_off) in table {
        sandbox.write("agent.conf", &text);
        let finished = sandbox.run(&["configtest"], &[]);
        let said = finished.stderr;
        assert_eq!(finished.code == Some(0), is_accepted, "{text}: {said}");
        assert_eq!(said.contains(OFF), is_off, "{text}: {said}");
        let is_missing = said.contains("apikey must be specified in the config file");
        assert_eq!(is_missing, !is_accepted, "{text}: {said}");
    }
}

#[test]
fn otlp_by_variables_needs_no_file() {
    let mut sandbox = Sandbox::empty();
    let conf = sandbox.conf();
    sandbox.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    sandbox.env("OTEL_EXPORTER_OTLP_HEADERS", "SECRET");
    // The variables have no effect beside a file, not even a wrong one.
    sandbox.write(
        "agent.conf",
        "apikey = \"2w9Xk3bTqLr7VnYp4sDfGhJkZ8cMxE6uAeRiOo5tUyQ1\"\n",
    );
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.stderr, format!("SUCCESS ({})", conf.display()));
}

#[test]
fn files_with_secrets_that_every_user_can_read_are_reported() {
    let sandbox = Sandbox::empty();
    for name in ["headers", "key", "token", "conf.d/a.conf", "conf.d/b.conf"] {
        let text = match name {
            "headers" => "a: SECRET\n",
            "conf.d/a.conf" => "[[otlp]]\nendpoint = \"a:1\"\nheaders = { a = \"SECRET\" }\n",
            "conf.d/b.conf" => "[[organization]]\nname = \"c\"\napikey = \"SECRET\"\n",
            _ => "SECRET\n",
        };
        sandbox.write(name, text);
        sandbox.mode(name, 0o644);
    }
    let more = format!(
        "listen_token_file = \"token\"\ninclude = \"{}\"\n\
         [[otlp]]\nendpoint = \"a:1\"\nheaders_file = \"headers\"\n\
         [[organization]]\nname = \"b\"\napikey_file = \"key\"\n",
        sandbox.path("conf.d/*.conf").display()
    );
    sandbox.configure("http://127.0.0.1:1", &more);
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("SECRET"), "{}", finished.stderr);
    let directory = sandbox.path("").display().to_string();
    let said = finished.stderr.replace(&directory, "");
    let said: Vec<_> = said
        .lines()
        .filter(|line| line.contains("every user"))
        .collect();
    for what in [
        "the API key in key; chmod o-r key ends that",
        "the API key in conf.d/b.conf; ",
        "the headers for OTLP in headers; ",
        "the headers for OTLP in conf.d/a.conf; ",
        "the token in token; ",
    ] {
        let text = format!("every user of this host can read {what}");
        let count = said.iter().filter(|line| line.contains(&text)).count();
        assert_eq!(count, 1, "{what}: {said:#?}");
    }
    assert_eq!(said.len(), 5, "{said:#?}");
}

#[test]
fn unknown_keys_of_repeated_tables_are_told_with_a_suggestion() {
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    let more = "[[otlp]]\nendpont = 1\nendpoint = \"a:1\"\n\
                [[organization]]\nname = \"b\"\napikey = \"k\"\nrole = []\n";
    sandbox.configure("http://127.0.0.1:1", more);
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = [
        format!(
            "[WARNING] organization.role is unexpected key. Did you mean organization.roles ? \
             ({conf}:12)"
        ),
        format!(
            "[WARNING] otlp.endpont is unexpected key. Did you mean otlp.endpoint ? ({conf}:7)"
        ),
    ];
    assert_eq!(verdict(&finished)[..2], expected);
}

#[test]
fn harmless_oddities_are_logged_before_success() {
    let sandbox = Sandbox::empty();
    let more = "roles = [\"web:app\", \"INVALID#SERVICE\"]\nverbose = true\nsilent = true\n\
                env = \"x\"\n";
    sandbox.configure("http://127.0.0.1:1", &more.replace("env = \"x\"\n", ""));
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", finished.stderr);
    assert!(lines[0].contains("ERROR <config> ") && lines[0].contains("INVALID#SERVICE"));
    assert!(lines[1].contains("WARNING <config> both of `verbose` and `silent`"));
    assert!(lines[2].starts_with("SUCCESS ("));
}

/// The server rejects these values. The agent cannot start with the first of them.
#[test]
fn host_status_that_mackerel_does_not_have_is_a_failure() {
    // (why this row exists, line, key, exit code)
    let table = [
        (
            "as reported",
            "on_start = \"workin\"",
            "on_start: \"workin\"",
            1,
        ),
        (
            "the other one",
            "on_stop = \"power off\"",
            "on_stop: \"power off\"",
            1,
        ),
        (
            "words have one case",
            "on_stop = \"Poweroff\"",
            "on_stop: \"Poweroff\"",
            1,
        ),
        (
            "a blank",
            "on_start = \"working \"",
            "on_start: \"working \"",
            1,
        ),
        ("a word", "on_start = \"maintenance\"", "", 0),
        ("none", "on_start = \"\"", "", 0),
    ];
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    for (why, line, said, code) in table {
        sandbox.configure("http://127.0.0.1:1", &format!("[host_status]\n{line}\n"));
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(code), "{why}: {}", finished.stderr);
        if code == 0 {
            assert_eq!(finished.stderr, format!("SUCCESS ({conf})"), "{why}");
            continue;
        }
        let expected = format!(
            "[WARNING] {conf}:7: host_status.{said}; write working, standby, maintenance, poweroff\n"
        );
        assert_eq!(finished.stderr, expected, "{why}");
    }
}

/// The log lines that are warnings or errors.
fn warnings(finished: &Finished) -> Vec<&str> {
    let lines = finished.stderr.lines();
    lines
        .filter(|line| line.contains(" WARNING <") || line.contains(" ERROR <"))
        .collect()
}

#[test]
fn values_out_of_bounds_are_reported_and_are_no_failure() {
    let check = "[plugin.checks.a]\ncommand = \"true\"\n";
    let metadata = "[plugin.metadata.a]\ncommand = \"true\"\n";
    let memo = format!("{check}memo = \"{}\"\n", "0123456789".repeat(26));
    let action = format!("{check}action = {{ command = \"true\", timeout_seconds = -1 }}\n");
    let with = |table: &str, line: &str| format!("{table}{line}\n");
    // (why this row exists, configuration, expected message; empty for none)
    let table = [
        (
            "a status",
            "[host_status]\non_start = \"standby\"\non_stop = \"\"\n".to_owned(),
            "",
        ),
        (
            "too often",
            with(check, "check_interval = 0"),
            ":6: plugin.checks.a: check_interval is 0 minutes and is taken as 1; write 1 or more",
        ),
        (
            "too seldom",
            with(check, "check_interval = \"2h\""),
            "check_interval is 120 minutes and is taken as 60; write 60 or less",
        ),
        (
            "notified too often",
            with(check, "notification_interval = 5"),
            ":6: plugin.checks.a: notification_interval is 5 minutes and is taken as 10",
        ),
        (
            "no attempts",
            with(check, "max_check_attempts = 0"),
            "max_check_attempts is not used; write 1 or more",
        ),
        (
            "fewer",
            with(check, "max_check_attempts = -1"),
            "max_check_attempts is not used; write 1 or more",
        ),
        (
            "both",
            with(
                check,
                "max_check_attempts = 3\nprevent_alert_auto_close = true",
            ),
            "max_check_attempts is taken as 1",
        ),
        (
            "a long memo",
            memo,
            "memo is longer than 250 characters and is cut",
        ),
        (
            "no time",
            with(check, "timeout_seconds = -5"),
            ":6: plugin.checks.a: timeout_seconds is negative",
        ),
        (
            "no time for an action",
            action,
            "timeout_seconds is negative",
        ),
        (
            "metadata too often",
            with(metadata, "execution_interval = 5"),
            ":6: plugin.metadata.a: execution_interval is 5 minutes and is taken as 10",
        ),
        (
            "a name for no check",
            "[plugin.checks.\"a b\"]\ncommand = \"true\"\n".to_owned(),
            "plugin.checks.a b: is not run: its name has to be made of",
        ),
        (
            "a role",
            "roles = [\"web\"]\n".to_owned(),
            "'web'; write Service:role",
        ),
        (
            "an invisible character in a value",
            "roles = [\"web:\u{200B}app\"]\n".to_owned(),
            ":6: roles: column 15 has U+200B, an invisible character; remove it",
        ),
        (
            "within bounds",
            with(
                check,
                "check_interval = 60\nnotification_interval = 10\nmax_check_attempts = 1\n\
                 timeout_seconds = 0",
            ),
            "",
        ),
    ];
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    for (why, more, expected) in table {
        sandbox.configure("http://127.0.0.1:1", &more);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
        let told = warnings(&finished).join("\n");
        assert_eq!(told.is_empty(), expected.is_empty(), "{why}: {told}");
        assert!(finished.stderr.contains(expected), "{why}: {told}");
        let place = format!("{conf}:");
        assert!(
            expected.is_empty() || expected.starts_with('\'') || told.contains(&place),
            "{why}: {told}"
        );
        assert!(finished.stderr.ends_with(&format!("SUCCESS ({conf})")));
    }
}

#[test]
fn commands_that_cannot_be_started_are_reported_and_are_no_failure() {
    let sandbox = Sandbox::empty();
    let plain = sandbox.write("plain", "").display().to_string();
    let inner = sandbox.write("inner.conf", "[plugin.checks.b]\ncommand = \"gone-too\"\n");
    let more = format!(
        "include = \"{}\"\n[plugin.checks.a]\ncommand = \"check-dsk -w 10%\"\n\
         action.command = [\"{plain}\"]\n[plugin.checks.b]\ncommand = \"gone-first\"\n\
         [plugin.metrics.c]\ncommand = \"/opt/gone/plugin | cat\"\n\
         [plugin.metadata.d]\ncommand = \"cd /tmp; gone\"\n\
         [plugin.metrics.e]\ncommand = \"plain\"\nenv = {{ PATH = \"/nowhere\" }}\n\
         [readiness_probe]\nexec = [\"gone\"]\n\
         [plugin.checks.built-in]\ncommand = \"check-uptime -w 1\"\n\
         env = {{ PATH = \"/nowhere\" }}\n",
        inner.display()
    );
    sandbox.configure("http://127.0.0.1:1", &more);
    let conf = sandbox.conf().display().to_string();
    let inner = inner.display();
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let path = "not found in PATH; install it, or write its whole path";
    let expected = [
        format!(
            "[WARNING] plugin.metrics.c.command: /opt/gone/plugin: no such file; install it, or \
             correct its path ({conf}:13)"
        ),
        format!("[WARNING] plugin.metrics.e.command: plain: {path} ({conf}:17)"),
        format!("[WARNING] plugin.checks.a.command: check-dsk: {path} ({conf}:8)"),
        format!(
            "[WARNING] plugin.checks.a.action.command: {plain}: the permission to execute it \
             is missing; chmod a+rx it ({conf}:9)"
        ),
        // The plugin of the included file replaces the other one.
        format!("[WARNING] plugin.checks.b.command: gone-too: {path} ({inner}:2)"),
        format!("[WARNING] readiness_probe.exec: gone: {path}"),
        format!("SUCCESS ({conf})"),
    ];
    assert_eq!(verdict(&finished), expected);
}

#[test]
fn implausible_api_keys_are_reported_with_their_source() {
    let good = "2w9Xk3bTqLr7VnYp4sDfGhJkZ8cMxE6uAeRiOo5tUyQ1";
    // (why this row exists, key, exit code, expected message; empty for none)
    let table = [
        ("a key", good.to_owned(), 0, ""),
        (
            "the README's",
            "<your API key>".to_owned(),
            1,
            "character 1 is U+003C",
        ),
        (
            "a placeholder of letters",
            "YOUR_API_KEY".to_owned(),
            0,
            "only 12 characters",
        ),
        ("cut off", good[..9].to_owned(), 0, "only 9 characters"),
        (
            "a byte order mark",
            format!("\u{FEFF}{good}"),
            1,
            "character 1 is U+FEFF",
        ),
        (
            "a blank",
            format!("{good} "),
            1,
            "character 45 is U+0020, a space",
        ),
        (
            "in the middle",
            format!("{good} {good}"),
            1,
            "character 45 is U+0020",
        ),
        (
            "a no-break space",
            format!("{good}\u{A0}"),
            1,
            "character 45 is U+00A0",
        ),
        (
            "quoted twice",
            format!("'{good}'"),
            1,
            "character 1 is U+0027, a quote",
        ),
        (
            "curly quotes",
            format!("\u{201C}{good}\u{201D}"),
            1,
            "character 1 is U+201C",
        ),
    ];
    for (why, key, code, expected) in table {
        let mut named = Sandbox::empty();
        let conf = named.conf().display().to_string();
        let rest = "apibase = \"http://127.0.0.1:1\"\ncloud_platform = \"none\"\n";
        let text = format!("apikey = \"{key}\"\n{rest}");
        named.write("agent.conf", &text);
        let of_conf = named.run(&["configtest"], &[]);
        named.write("agent.conf", &format!("apikey_file = \"key\"\n{rest}"));
        named.write("key", &format!("{key}\r\n"));
        let of_file = named.run(&["configtest"], &[]);
        named.write("agent.conf", rest);
        named.env("MACKEREL_APIKEY", &key);
        let of_variable = named.run(&["configtest"], &[]);
        let sources = [
            (of_conf, format!("[WARNING] {conf}: apikey: ")),
            (of_file, format!("[WARNING] {conf}:1: apikey_file key: ")),
            (
                of_variable,
                "[WARNING] the variable MACKEREL_APIKEY: ".to_owned(),
            ),
        ];
        for (finished, source) in sources {
            let told = finished.stderr;
            assert_eq!(finished.code, Some(code), "{why}: {told}");
            let line = told.lines().find(|line| line.starts_with(&source));
            assert_eq!(line.is_none(), expected.is_empty(), "{why}: {told}");
            assert!(line.unwrap_or_default().contains(expected), "{why}: {told}");
            assert!(!told.contains(good), "{why}: {told}");
            assert_eq!(told.contains("SUCCESS"), code == 0, "{why}: {told}");
        }
    }
    // A line end within the key. In a file, it is refused altogether.
    let sandbox = Sandbox::empty();
    sandbox.write("agent.conf", &format!("apikey = \"{good}\\n\"\n"));
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains("apikey: character 45 is U+000A, a line break")
    );
}

#[test]
fn lookalikes_that_break_a_file_are_reported_with_their_column() {
    // (why this row exists, configuration, words)
    let table: [(_, _, &[&str]); 6] = [
        (
            "curly quotes",
            "display_name = \u{201C}web\u{201D}\n",
            &["display_name", "column 16 has U+201C, a curly quote"],
        ),
        (
            "a full-width space",
            "verbose\u{3000}= true\n",
            &["verbose", "column 8 has U+3000, a full-width space"],
        ),
        (
            "a no-break space",
            "verbose = true\u{A0}\n",
            &["verbose", "column 15 has U+00A0, a no-break"],
        ),
        (
            "a mark of a joined file",
            "\u{FEFF}verbose = true\n",
            &["column 1 has U+FEFF, a byte order mark"],
        ),
        (
            "zero width",
            "[disks\u{200B}]\nignore = \"x\"\n",
            &["column 7 has U+200B, an invisible character"],
        ),
        (
            "full-width",
            "verbose＝true\n",
            &["column 8 has U+FF1D, a full-width character"],
        ),
    ];
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    for (why, more, words) in table {
        sandbox.configure("http://127.0.0.1:1", more);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(1), "{why}: {}", finished.stderr);
        for word in words.iter().copied().chain([&*format!("{conf}:6: ")]) {
            assert!(
                finished.stderr.contains(word),
                "{why}: {word}: {}",
                finished.stderr
            );
        }
    }
}

#[test]
fn misplaced_keys_are_reported_with_their_place() {
    let above = |key: &str| format!("{key} belongs above the first [section] of the file.");
    let meant = |key: &str| format!("Did you mean {key} ?");
    // (why this row exists, configuration, key, expected message)
    let table = [
        (
            "as reported",
            "[plugin.metrics.a]\ncommand = \"true\"\nroles = []\n",
            "plugin.metrics.a.roles",
            above("roles"),
        ),
        (
            "a section",
            "[disks]\nverbose = true\n",
            "disks.verbose",
            above("verbose"),
        ),
        (
            "a newer section",
            "[spool]\nwndow = 5\n",
            "spool.wndow",
            meant("spool.window"),
        ),
        (
            "that one itself",
            "[spol]\nwindow = 5\n",
            "spol",
            meant("spool"),
        ),
        (
            "outside of it",
            "window = 5\n",
            "window",
            meant("spool.window"),
        ),
        (
            "of a container",
            "[container]\npod_id = \"x\"\n",
            "container.pod_id",
            meant("container.pod_uid"),
        ),
        (
            "of a probe",
            "[readiness_probe]\ntimeout_second = 5\n",
            "readiness_probe.timeout_second",
            meant("readiness_probe.timeout_seconds"),
        ),
    ];
    let sandbox = Sandbox::empty();
    for (why, more, key, expected) in table {
        sandbox.configure("http://127.0.0.1:1", more);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(1), "{why}: {}", finished.stderr);
        let line = format!("[WARNING] {key} is unexpected key. {expected} (");
        assert!(
            finished.stderr.starts_with(&line),
            "{why}: {}",
            finished.stderr
        );
    }
}

#[test]
fn configtest_refuses_a_ca_file_of_otlp_that_cannot_be_used() {
    let sandbox = Sandbox::empty();
    let otlp = "[[otlp]]\nendpoint = \"127.0.0.1:4317\"\nca_file = \"missing.pem\"\n";
    sandbox.configure("http://127.0.0.1:1", otlp);
    let tested = sandbox.run(&["configtest"], &[]);
    assert_eq!(tested.code, Some(1), "{}", tested.stderr);
    assert!(tested.stderr.contains("missing.pem"), "{}", tested.stderr);
    let started = sandbox.start().wait_exit(limit(20));
    assert_eq!(started.code, Some(1), "{}", started.stderr);
    assert!(started.stderr.contains("missing.pem"), "{}", started.stderr);
}
