//! Tests of `[[otlp]]` and `[[organization]]`.

use super::*;
use crate::config::{Families, HostStatus, Secret};

fn read(text: &str) -> Config {
    let mut config = Config::default();
    let found = config.read(text.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(found.unread.report(), [], "{text}");
    config
}

/// The problems and the unknown keys of a file.
fn found(text: &str) -> Vec<String> {
    match Config::default().read(text.as_bytes()) {
        Ok(found) => {
            let unknown = found.unread.report().into_iter();
            let unknown = unknown.map(|key| format!("{}: {key}", key.line));
            let warnings = found.warnings.into_iter().map(|warning| warning.text);
            unknown.chain(warnings).collect()
        }
        Err(error) => {
            let problems = error.problems.into_iter();
            problems.map(|problem| problem.text).collect()
        }
    }
}

fn shown(headers: &[(String, Secret)]) -> Vec<String> {
    let shown = |(name, value): &(String, Secret)| format!("{name}: {}", &**value);
    headers.iter().map(shown).collect()
}

#[test]
fn otlp_stores_every_key_of_each_table() {
    let config = read(
        "[[otlp]]\nendpoint = 'collector:4317'\n\
         [[otlp]]\nprotocol = 'http/protobuf'\nendpoint = 'https://h'\nper_cpu = true\n\
         checks = true\ntimeout = 60\nca_file = '/ca'\nheaders_file = '/h'\n\
         metrics = ['paging.faults', 'system.disk.merged']\n\
         resource = { host.name = 'a', \"service.name\" = 'b', number = 1 }\n\
         [otlp.headers]\nX-Key = ' SECRET '\nauthorization = 'Bearer x'\n",
    );
    let [first, second] = config.otlp.as_slice() else {
        panic!("{:?}", config.otlp);
    };
    let expected = Otlp {
        endpoint: "collector:4317".to_owned(),
        ..Otlp::default()
    };
    assert_eq!(*first, expected);
    assert_eq!((first.place.line, second.place.line), (2, 5));
    assert_eq!(second.endpoint, "https://h/v1/metrics");
    assert_eq!(second.protocol, OtlpProtocol::Http);
    assert!(second.per_cpu && second.checks && !second.insecure);
    assert_eq!(second.timeout.as_secs(), 60);
    assert_eq!(second.ca_file.as_ref().unwrap().line, 9);
    assert_eq!(second.headers_file.as_ref().unwrap().line, 10);
    let expected = Families::PAGING_FAULTS.with(Families::DISK_MERGED);
    assert_eq!(second.metrics, expected);
    let mut resource = second.resource.clone();
    resource.sort();
    let expected = [("host.name", "a"), ("number", "1"), ("service.name", "b")];
    assert_eq!(
        resource,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    let mut headers = shown(&second.headers);
    headers.sort();
    assert_eq!(headers, ["authorization: Bearer x", "x-key: SECRET"]);
    assert!(!format!("{config:?}").contains("SECRET"));
}

#[test]
fn endpoint_has_the_form_of_its_protocol() {
    let http = "protocol = 'http/protobuf'\n";
    // (other keys, endpoint, expected, insecure)
    let table = [
        (
            "",
            "otlp.mackerelio.com:4317",
            "otlp.mackerelio.com:4317",
            false,
        ),
        ("", " [::1]:4317 ", "[::1]:4317", false),
        ("", "https://a:4317/", "a:4317", false),
        ("", "http://a:4317", "a:4317", true),
        ("insecure = true\n", "a:4317", "a:4317", true),
        (http, "https://a", "https://a/v1/metrics", false),
        (http, "http://a:4318/", "http://a:4318/v1/metrics", true),
        (
            http,
            "https://a/otlp/v1/metrics",
            "https://a/otlp/v1/metrics",
            false,
        ),
        (http, "https://a/?x=1", "https://a/?x=1", false),
    ];
    for (keys, endpoint, expected, insecure) in table {
        let config = read(&format!("[[otlp]]\n{keys}endpoint = '{endpoint}'\n"));
        let otlp = &config.otlp[0];
        assert_eq!(
            (otlp.endpoint.as_str(), otlp.insecure),
            (expected, insecure),
            "{endpoint}"
        );
    }
}

#[test]
fn otlp_that_cannot_be_used_is_reported_with_line_and_remedy() {
    let no_place = "endpoint: no host with a port; write \"host:4317\", or protocol = \
                    \"http/protobuf\" for a URL with a path";
    let no_url = "endpoint: no URL, or one with a password; write \"https://host:4318\", a password \
                  into headers, or protocol = \"grpc\" for a host with a port";
    let text = "incompatible types: TOML value has type";
    // (file below the first line, line, key, message)
    let table = [
        ("", 1, "otlp", no_place.to_owned()),
        ("\nendpoint = 'a'", 3, "otlp", no_place.to_owned()),
        (
            "endpoint = 'https://a:1/v1/metrics'",
            2,
            "otlp",
            no_place.to_owned(),
        ),
        (
            "endpoint = 'http://u:SECRET@a:1'",
            2,
            "otlp",
            no_place.to_owned(),
        ),
        (
            "endpoint = 'a:1'\nprotocol = 'http/protobuf'",
            2,
            "otlp",
            no_url.to_owned(),
        ),
        (
            "endpoint = 'ftp://a'\nprotocol = 'http/protobuf'",
            2,
            "otlp",
            no_url.to_owned(),
        ),
        (
            "endpoint = 'https://u:SECRET@a'\nprotocol = 'http/protobuf'",
            2,
            "otlp",
            no_url.to_owned(),
        ),
        (
            "endpoint = 'https://a:1'\ninsecure = true",
            2,
            "otlp",
            "insecure contradicts https:// in endpoint; remove one of the two".to_owned(),
        ),
        (
            "endpoint = 'http://otlp.mackerelio.com:4317'",
            2,
            "otlp",
            "endpoint: Mackerel's needs TLS; remove insecure or http://".to_owned(),
        ),
        (
            "endpoint = 'a:1'\nprotocol = 'http/json'",
            3,
            "otlp.protocol",
            "\"http/json\"; write grpc or http/protobuf".to_owned(),
        ),
        (
            "endpoint = 'a:1'\ntimeout = 61",
            3,
            "otlp.timeout",
            "not a number of seconds from 1 to 60".to_owned(),
        ),
        (
            "endpoint = 'a:1'\ntimeout = 0",
            3,
            "otlp.timeout",
            "not a number of seconds from 1 to 60".to_owned(),
        ),
        (
            "endpoint = 'a:1'\nmetrics = ['disk.io_time', 'disk.iotime']",
            3,
            "otlp.metrics",
            Families::named("disk.iotime").unwrap_err(),
        ),
        (
            "endpoint = 'a:1'\nmetrics = 'disk.io_time'",
            3,
            "otlp.metrics",
            format!(
                "{text} string; destination has type slice; write a list such as [\"one\", \"two\"]"
            ),
        ),
        (
            "endpoint = 'a:1'\nheaders = 'a=SECRET'",
            3,
            "otlp.headers",
            "type mismatch for config.Table: expected table but found string; write its keys \
             below a line [otlp.headers]"
                .to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\nX-Key = []",
            4,
            "otlp.headers.X-Key",
            format!(
                "{text} array; destination has type primitive (string-like); write a text in quotes"
            ),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\nTE = 'x'",
            4,
            "otlp.headers.TE",
            "the agent sets this header itself; remove it".to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\ngrpc-timeout = '1S'",
            4,
            "otlp.headers.grpc-timeout",
            "the agent sets this header itself; remove it".to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\n'a b' = 'x'",
            4,
            "otlp.headers.\\\"a b\\\"",
            "not the name of a header; write letters, digits, - and _".to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\na = \"SECRET\\nSECRET\"",
            4,
            "otlp.headers.a",
            "the value of a header is missing or not printable ASCII; write it in ASCII, on one line"
                .to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.headers]\na = '1'\nA = '2'",
            5,
            "otlp.headers.a",
            "this header is given twice; remove one of the two".to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.resource]\na = []",
            4,
            "otlp.resource.a",
            format!(
                "{text} array; destination has type primitive (string-like); write a text in quotes"
            ),
        ),
        (
            "endpoint = 'a:1'\n[otlp.resource]\n'' = 'x'",
            4,
            "otlp.resource.\\\"\\\"",
            "an attribute without a key; write key = \"value\"".to_owned(),
        ),
        (
            "endpoint = 'a:1'\n[otlp.resource]\n'a.b' = 'x'\na.b = 'y'",
            5,
            "otlp.resource.a.b",
            "this attribute is given twice; remove one of the two".to_owned(),
        ),
    ];
    for (below, line, key, message) in table {
        let expected = format!("toml: line {line} (last key \"{key}\"): {message}");
        let found = found(&format!("[[otlp]]\n{below}\n"));
        assert!(!found.concat().contains("SECRET"), "{found:?}");
        let is_twice = message.contains("given twice");
        // Which of two equal keys is read first depends on the parser.
        let found: Vec<_> = found.iter().map(|text| text.to_lowercase()).collect();
        let without_line = |text: &str| text.replace("line 4", "line 5");
        if is_twice {
            let found: Vec<_> = found.iter().map(|text| without_line(text)).collect();
            assert!(found[0].ends_with(&message.to_lowercase()), "{found:?}");
        } else {
            assert_eq!(found, [expected.to_lowercase()], "{below}");
        }
    }
    let many = "[[otlp]]\nendpoint = 'a:1'\n".repeat(9);
    let expected = "toml: line 18 (last key \"otlp\"): more than 8 of these tables; remove some";
    assert_eq!(found(&many), [expected]);
}

#[test]
fn arrays_that_are_none_are_reported() {
    // (file, expected)
    let table = [
        (
            "[otlp]\nendpoint = 'a:1'",
            "toml: line 1 (last key \"otlp\"): no array of tables; write its keys below a \
             line [[otlp]]",
        ),
        (
            "\notlp = 'a:1'",
            "toml: line 2 (last key \"otlp\"): no array of tables; write its keys below a \
             line [[otlp]]",
        ),
        (
            "organization = [1]",
            "toml: line 1 (last key \"organization\"): no array of tables; write its keys \
             below a line [[organization]]",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(found(text), [expected], "{text}");
    }
    assert_eq!(read("otlp = []\norganization = []").otlp, []);
}

#[test]
fn unknown_keys_of_arrays_have_suggestions() {
    let otlp = "[[otlp]]\nendpoint = 'a:1'\n";
    let second = "[[organization]]\nname = 'a'\n";
    // (file, expected)
    let table = [
        (
            format!("{otlp}heders = {{}}\n"),
            "3: otlp.heders is unexpected key. Did you mean otlp.headers ?",
        ),
        (
            format!("{otlp}{otlp}metric = []\n"),
            "5: otlp.metric is unexpected key. Did you mean otlp.metrics ?",
        ),
        (
            format!("{otlp}apikey = 'SECRET'\n"),
            "3: otlp.apikey is unexpected key. apikey belongs above the first [section] of the \
             file.",
        ),
        (
            format!("{second}apikeyfile = '/x'\n"),
            "3: organization.apikeyfile is unexpected key. Did you mean organization.apikey_file ?",
        ),
        (
            format!("{second}on_start = 'working'\n"),
            "3: organization.on_start is unexpected key. Did you mean \
             organization.host_status.on_start ?",
        ),
        (
            format!("{second}host_status.on_strt = 'working'\n"),
            "3: organization.host_status.on_strt is unexpected key. Did you mean \
             organization.host_status.on_start ?",
        ),
        (
            format!("{second}host_status.on_start = 'workin'\n"),
            "organization.host_status.on_start: \"workin\"; write working, standby, maintenance, \
             poweroff",
        ),
        (
            "endpoint = 'a:1'".to_owned(),
            "1: endpoint is unexpected key. Did you mean otlp.endpoint ?",
        ),
        (
            "[[oltp]]\nendpoint = 'a:1'".to_owned(),
            "1: oltp is unexpected key. Did you mean otlp ?",
        ),
        (
            "[[organisation]]\nname = 'a'".to_owned(),
            "1: organisation is unexpected key. Did you mean organization ?",
        ),
        (
            "[disks.otlp]\nendpoint = 'a:1'".to_owned(),
            "1: disks.otlp is unexpected key. Did you mean otlp ?",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(found(&text), [expected], "{text}");
    }
}

#[test]
fn organization_has_a_name_of_its_own() {
    // (name, whether it is accepted)
    let longest = "a".repeat(NAME);
    let table = [
        ("second", true),
        ("a-b_0", true),
        (&longest, true),
        ("", false),
        ("A", false),
        ("a.b", false),
        ("../x", false),
        ("あ", false),
        ("new", false),
        ("set-aside", false),
        (&[&longest, "a"].concat(), false),
    ];
    for (name, expected) in table {
        let found = found(&format!("[[organization]]\nname = '{name}'\n"));
        assert_eq!(found.is_empty(), expected, "{name}");
        if !expected {
            let expected = "toml: line 1 (last key \"organization\"): write name = \"...\" \
                 with 1 to 32 characters of a-z, 0-9, - and _, and not \"new\" or \"set-aside\"";
            assert_eq!(found, [expected]);
        }
    }
    let twice = "[[organization]]\nname = 'a'\n".repeat(2);
    let expected = "toml: line 3 (last key \"organization\"): another \
                    [[organization]] has this name; write another one";
    assert_eq!(found(&twice), [expected]);
}

#[test]
fn organization_replaces_the_settings_at_the_top() {
    let config = read(
        "apikey = 'k'\nroles = ['s:r']\ndisplay_name = 'top'\nmemo = 'm'\n\
         apibase = 'http://top'\ncustom_identifier = 'c'\n[host_status]\non_start = 'standby'\n\
         on_stop = 'poweroff'\n[plugin.checks.c]\ncommand = 'x'\n[[otlp]]\nendpoint = 'a:1'\n\
         [[organization]]\nname = 'plain'\napikey = 'p'\n\
         [[organization]]\nname = 'full'\napikey = 'f'\nroles = ['t:q']\ndisplay_name = 'own'\n\
         memo = 'n'\napibase = 'http://own'\nchecks = false\nhost_status.on_stop = 'standby'\n",
    );
    let [plain, full] = config.organizations.as_slice() else {
        panic!("{:?}", config.organizations);
    };
    let plain = config.for_organization(plain);
    assert_eq!(plain.organization.as_deref(), Some("plain"));
    assert_eq!((&*plain.apikey, plain.roles.len()), ("p", 0));
    assert_eq!(plain.display_name.as_deref(), Some("top"));
    assert_eq!(plain.memo.as_deref(), Some("m"));
    assert_eq!(plain.apibase, "http://top");
    assert_eq!(plain.host_status, config.host_status);
    assert_eq!(plain.custom_identifier, config.custom_identifier);
    assert_eq!(plain.check_plugins.len(), 1);
    assert!(plain.otlp.is_empty() && plain.organizations.is_empty() && plain.mackerel);
    assert_eq!(plain.state_name("id"), "id.plain");
    let full = config.for_organization(full);
    assert_eq!((&*full.apikey, full.roles[0].as_str()), ("f", "t:q"));
    assert_eq!(full.display_name.as_deref(), Some("own"));
    assert_eq!(full.memo.as_deref(), Some("n"));
    assert_eq!(full.apibase, "http://own");
    let expected = HostStatus {
        on_start: Some("standby".to_owned()),
        on_stop: Some("standby".to_owned()),
    };
    assert_eq!(full.host_status, expected);
    assert!(full.check_plugins.is_empty());
    assert_eq!(config.state_name("spool"), "spool");
}

#[test]
fn otlp_is_unchanged_by_a_move_in_the_file() {
    let text = "[[otlp]]\nendpoint = 'a:1'\nca_file = '/c'\n[otlp.headers]\na = 'b'\n";
    let (one, moved) = (read(text), read(&format!("\n\n{text}")));
    assert_ne!(one.otlp[0].place.line, moved.otlp[0].place.line);
    assert_eq!(one.otlp, moved.otlp);
    for (from, to) in [
        ("a:1", "a:2"),
        ("/c", "/d"),
        ("a = 'b'", "a = 'c'"),
        ("ca_file", "per_cpu = true\nca_file"),
        ("ca_file", "insecure = true\nca_file"),
        ("ca_file", "checks = true\nca_file"),
        ("ca_file", "timeout = 9\nca_file"),
        ("ca_file", "metrics = ['disk.merged']\nca_file"),
        ("ca_file", "resource = { a = 'b' }\nca_file"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(one.otlp, read(&changed).otlp, "{changed}");
    }
}

#[test]
fn survives_damage() {
    let text = "[[otlp]]\nendpoint = 'http://a:1'\nresource = { a.b = 'c' }\n\
                [[organization]]\nname = 'a'\nhost_status = { on_start = 'x' }\n";
    crate::config::damage::survives_damage(text, |text| {
        drop(Config::default().read(text));
    });
}
