//! Tests of the secrets of outputs.

use std::fs;

use tempfile::TempDir;

use super::*;

/// A directory with files, and a configuration that is read from it.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Files {
        let directory = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Files(directory)
    }

    /// The configuration of a text in which `DIR` stands for the directory, its problems, and the
    /// keys whose place was passed on.
    fn read(&self, text: &str) -> (Config, Vec<String>, Vec<String>) {
        let directory = self.0.path().display().to_string();
        let mut config = Config::default();
        let text = text.replace("DIR", &directory);
        config
            .read(text.as_bytes())
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        config.name_places("a.conf".as_ref());
        let mut doubts = Vec::new();
        let problems = read(&mut config, &mut |source, key| {
            doubts.push(format!("{source}: {key}").replace(&directory, "DIR"));
        });
        let problems = problems
            .into_iter()
            .map(|text| text.replace(&directory, "DIR"));
        (config, problems.collect(), doubts)
    }
}

fn shown(otlp: &Otlp) -> Vec<String> {
    let headers = otlp.headers.iter();
    headers
        .map(|(name, value)| format!("{name}: {}", &**value))
        .collect()
}

#[test]
fn headers_of_a_file_are_added() {
    let files = Files::new(&[("headers", "X-Team: a b\r\n\nauthorization:Bearer x:y\n")]);
    let otlp = "[[otlp]]\nendpoint = 'a:1'\nheaders = { a = 'b' }\nheaders_file = 'DIR/headers'\n";
    let (config, problems, _) = files.read(otlp);
    assert_eq!(problems, [""; 0]);
    let expected = ["a: b", "x-team: a b", "authorization: Bearer x:y"];
    assert_eq!(shown(&config.otlp[0]), expected);
}

#[test]
fn api_key_is_sent_to_mackerels_endpoint_only() {
    let files = Files::new(&[("headers", "Mackerel-Api-Key: c\n")]);
    let mackerel = "[[otlp]]\nendpoint = 'otlp.mackerelio.com:4317'\n";
    // (why this row exists, configuration, expected headers)
    let table: [(_, _, &[&str]); 5] = [
        (
            "the agent's key",
            format!("apikey = 'k'\n{mackerel}"),
            &["mackerel-api-key: k"],
        ),
        (
            "another key",
            format!("apikey = 'k'\n{mackerel}headers = {{ Mackerel-Api-Key = 'b' }}\n"),
            &["mackerel-api-key: b"],
        ),
        (
            "another key in a file",
            format!("apikey = 'k'\n{mackerel}headers_file = 'DIR/headers'\n"),
            &["mackerel-api-key: c"],
        ),
        (
            "a key without the API",
            format!("apikey = 'k'\nmackerel = false\n{mackerel}"),
            &["mackerel-api-key: k"],
        ),
        (
            "another destination",
            format!(
                "apikey = 'k'\n{}",
                mackerel.replace("mackerelio.com", "mackerelio.com.example")
            ),
            &[],
        ),
    ];
    for (why, text, expected) in table {
        let (config, problems, _) = files.read(&text);
        assert_eq!(problems, [""; 0], "{why}");
        assert_eq!(shown(&config.otlp[0]), expected, "{why}");
    }
}

#[test]
fn keys_of_organizations_come_from_the_file_or_the_table() {
    let files = Files::new(&[("key", "of the file\n")]);
    let (config, problems, doubts) = files.read(
        "[[organization]]\nname = 'a'\napikey = 'of the table'\n\
         [[organization]]\nname = 'b'\napikey = 'x'\napikey_file = 'DIR/key'\n",
    );
    assert_eq!(problems, [""; 0]);
    let keys = config.organizations.iter().map(|one| &*one.apikey);
    assert!(keys.eq(["of the table", "of the file"]));
    let expected = [
        "a.conf:1: organization.apikey: of the table",
        "a.conf:7: apikey_file DIR/key: of the file",
    ];
    assert_eq!(doubts, expected);
    assert!(!format!("{config:?}").contains("of the"));
}

#[test]
fn token_of_the_listener_is_needed_where_other_hosts_reach_it() {
    let files = Files::new(&[("token", "TOKEN\n")]);
    let token = "listen_token_file = 'DIR/token'";
    let why = "a.conf:1: listen: other hosts reach this address; write listen_token_file = \"...\" \
               with the path of a file that holds a token, or an address such as 127.0.0.1";
    // (address, problem without a token)
    let table = [
        ("127.0.0.1:9100", false),
        ("127.8.8.8:9100", false),
        ("[::1]:9100", false),
        ("/run/a.sock", false),
        ("0.0.0.0:9100", true),
        ("[::]:9100", true),
        ("192.0.2.1:9100", true),
        ("[::ffff:127.0.0.1]:9100", true),
    ];
    for (address, expected) in table {
        let text = format!("listen = '{address}'\n");
        let (_, problems, _) = files.read(&text);
        assert_eq!(
            problems,
            Vec::from_iter(expected.then_some(why)),
            "{address}"
        );
        let (config, problems, _) = files.read(&format!("{text}{token}\n"));
        assert_eq!(problems, [""; 0], "{address}");
        assert!(!format!("{config:?}").contains("TOKEN"));
    }
}

#[test]
fn outputs_that_cannot_be_used_are_reported_with_place_and_remedy() {
    let files = Files::new(&[
        ("empty", "\n"),
        ("lines", "SECRET\nSECRET\n"),
        ("headers", "a: b\nSECRET\n"),
        ("twice", "a: b\nA: c\n"),
    ]);
    let otlp = "[[otlp]]\nendpoint = 'a:1'\nheaders_file";
    // (configuration, expected problem)
    let table = [
        (
            "[[otlp]]\nendpoint = 'otlp.mackerelio.com:4317'\n".to_owned(),
            "a.conf:2: otlp: no API key for this endpoint; write apikey = \"...\" above the first \
             [section], or headers = { mackerel-api-key = \"...\" } here",
        ),
        (
            format!("{otlp} = 'DIR/absent'"),
            "a.conf:3: headers_file DIR/absent cannot be used: read DIR/absent: No such file or \
             directory (os error 2)",
        ),
        (
            format!("{otlp} = 'DIR/headers'"),
            "a.conf:3: headers_file DIR/headers: line 2: the value of a header is missing or not \
             printable ASCII; write it in ASCII, on one line",
        ),
        (
            format!("{otlp} = 'DIR/twice'"),
            "a.conf:3: headers_file DIR/twice: line 2: this header is given twice; remove one of \
             the two",
        ),
        (
            "[[organization]]\nname = 'b'".to_owned(),
            "a.conf:1: organization: no API key; write apikey = \"...\" or apikey_file = \"...\" \
             here",
        ),
        (
            "[[organization]]\nname = 'b'\napikey_file = 'DIR/empty'".to_owned(),
            "a.conf:3: apikey_file DIR/empty is empty; write the API key of your organization into \
             it",
        ),
        (
            "mackerel = false\n[[organization]]\nname = 'b'\napikey = 'k'".to_owned(),
            "a.conf:2: organization: mackerel = false excludes it; remove one of the two",
        ),
        (
            "listen_token_file = 'DIR/empty'".to_owned(),
            "a.conf:1: listen_token_file DIR/empty is empty; write a token into it",
        ),
        (
            "listen_token_file = 'DIR/lines'".to_owned(),
            "a.conf:1: listen_token_file DIR/lines holds more than a token; write the token alone \
             into it, on a single line",
        ),
    ];
    for (text, expected) in table {
        let (_, problems, _) = files.read(&text);
        assert_eq!(problems, [expected], "{text}");
    }
}
