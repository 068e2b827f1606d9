//! `configtest`: what it says, where, and how it ends.

use crate::process::Finished;
use crate::sandbox::Sandbox;
use crate::standin::{KEY, Standin};

/// The lines on stderr that are not of the log.
fn verdict(finished: &Finished) -> Vec<&str> {
    assert_eq!(finished.stdout, "");
    assert!(!finished.stderr.contains(KEY), "{}", finished.stderr);
    let is_said = |line: &&str| !line.starts_with("20");
    finished.stderr.lines().filter(is_said).collect()
}

#[test]
fn configtest_judges_without_connecting() {
    let standin = Standin::http();
    let sandbox = Sandbox::of(&standin);
    let conf = sandbox.conf().display().to_string();
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr, format!("SUCCESS ({conf})"));
    sandbox.configure(&standin.base(), "rolls = []\n");
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let expected = format!("[WARNING] rolls is unexpected key. Did you mean roles ? ({conf}:6)\n");
    assert_eq!(finished.stderr, expected, "and an empty line after it");
    assert_eq!(standin.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.pidfile().exists() && !sandbox.root().exists());
}

/// Vector 17.
#[test]
fn every_unknown_key_is_told_in_its_order() {
    let sandbox = Sandbox::empty();
    let text = include_str!("../fixtures/config/unknown-keys.conf");
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
    assert_eq!(finished.stderr, expected);
}

#[test]
fn unknown_keys_of_an_included_file_are_told_and_are_no_failure() {
    let standin = Standin::http();
    let sandbox = Sandbox::of(&standin);
    let included = sandbox.write("conf.d/a.conf", "verbos = true\n[disks]\nunk = 1\n");
    let included = included.display().to_string();
    let more = format!(
        "include = \"{}\"\n",
        sandbox.path("conf.d/*.conf").display()
    );
    sandbox.configure(&standin.base(), &more);
    let finished = sandbox.run(&["configtest"], &[]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let conf = sandbox.conf().display().to_string();
    let expected = [
        format!("[WARNING] disks.unk is unexpected key. Did you mean disks.env ? ({included}:3)"),
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

/// How what is wrong in the sandbox's own file is told: the line, and words that name the key and
/// what to do.
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
        &["verbose", "remove one of the two"],
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
];

#[test]
fn a_broken_file_is_told_with_line_key_and_remedy() {
    let sandbox = Sandbox::empty();
    sandbox.write("empty", "\n");
    let conf = sandbox.conf().display().to_string();
    for (more, line, words) in BROKEN {
        // Certificates are read only where they are needed.
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
        // The agent itself says the same.
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
         No such file or directory (os error 2); -conf names another"
    );
    assert_eq!(missing.stderr, said);
    for (text, word) in table {
        sandbox.write("agent.conf", text);
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(1), "{text}: {}", finished.stderr);
        assert!(finished.stderr.contains(word), "{}", finished.stderr);
    }
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
