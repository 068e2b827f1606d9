//! The file for maintainers, and that no secret gets into it or on the screen.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::Diagnosis;
use crate::sandbox::Sandbox;
use fake_server::FakeServer;

/// A configuration with a secret wherever one may be. Each contains this word.
const SECRET: &str = "5ECRET";

fn secretive(base: &str) -> String {
    let host = base.strip_prefix("http://").unwrap();
    format!(
        "apibase = \"http://base-user-{SECRET}:base-{SECRET}@{host}\"\n\
         apikey = \"key-of-this-test-{SECRET}-0123456789\"\n\
         https_proxy = \"http://proxy-{SECRET}:pass%2D{SECRET}@127.0.0.1:1\"\n\
         cloud_platform = \"none\"\n\
         memo = \"memo-{SECRET}\"\n\
         no_such_key = \"unknown-{SECRET}\"\n\
         [[organization]]\nname = \"other\"\napikey = \"other-key-of-this-test-{SECRET}\"\n\
         apibase = \"http://127.0.0.1:1\"\n\
         [[otlp]]\nendpoint = \"http://127.0.0.1:1/v1/{SECRET}?t={SECRET}\"\n\
         protocol = \"http/protobuf\"\n\
         headers = {{ authorization = \"Bearer header-{SECRET}\", x-token = \"x-{SECRET}\" }}\n\
         [plugin.metrics.a]\ncommand = \"/nowhere/a --password=argument-{SECRET}\"\n\
         env = {{ PASSWORD = \"env-{SECRET}\" }}\n\
         [plugin.checks.b]\ncommand = [\"/nowhere/b\", \"-p\", \"argument-{SECRET}\"]\n\
         action.command = \"TOKEN=action-{SECRET} /nowhere/c {SECRET}\"\n\
         [plugin.metadata.d]\ncommand = \"curl -H 'X-Key: {SECRET}' http://u:{SECRET}@127.0.0.1/\"\n"
    )
}

#[test]
fn diagnose_shows_no_secret_on_the_screen_or_in_the_bundle() {
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::empty();
    sandbox.env("MACKEREL_PLUGIN_WORKDIR", sandbox.path("work"));
    let (root, pidfile) = (sandbox.root(), sandbox.pidfile());
    let text = format!(
        "root = \"{}\"\npidfile = \"{}\"\n{}",
        root.display(),
        pidfile.display(),
        secretive(&fake_server.base())
    );
    sandbox.write("agent.conf", &text);
    let bundle = sandbox.path("bundle");
    let diagnosis = Diagnosis::of(&sandbox, &["-bundle", bundle.to_str().unwrap()]);
    assert!(!diagnosis.text.contains(SECRET), "{}", diagnosis.text);
    let written = fs::read_to_string(&bundle).unwrap();
    assert!(!written.contains(SECRET), "{written}");
    // What is in it.
    for line in [
        "# host",
        "# steps",
        "# configuration",
        "apibase = [hidden]",
        "apikey = [hidden]",
        "https_proxy = [hidden]",
        "memo = [hidden]",
        "no_such_key = [hidden]",
        "[[organization]]",
        "[[otlp]]",
        "headers = [hidden]",
        "[plugin.metrics.a]",
        "command = /nowhere/a",
        "env = [hidden]",
        "command = /nowhere/b",
        "action.command = [hidden]",
        "command = curl",
        "cloud_platform = \"none\"",
        "# log",
    ] {
        assert!(
            written.lines().any(|have| have == line),
            "{line}: {written}"
        );
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        written.contains(&format!("mackerel-agent/{version} ")),
        "{written}"
    );
    let steps = diagnosis
        .text
        .lines()
        .filter(|line| line.starts_with("  FAIL"));
    for line in steps {
        assert!(written.contains(line), "{line}: {written}");
    }
}

#[test]
fn diagnose_writes_its_bundle_for_the_owner_alone_and_replaces_nothing() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let bundle = sandbox.path("bundle");
    let flags = ["-bundle", bundle.to_str().unwrap()];
    Diagnosis::of(&sandbox, &flags);
    let mode = fs::metadata(&bundle).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let first = fs::read(&bundle).unwrap();

    let link = sandbox.path("link");
    symlink(sandbox.path("target"), &link).unwrap();
    for path in [&bundle, &link] {
        let path = path.to_str().unwrap();
        let finished = sandbox.run(&["diagnose"], &["-bundle", path]);
        assert_eq!(finished.code, Some(1));
        assert_eq!(finished.stdout, "");
        let expected = format!("-bundle: create {path}: File exists");
        assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
        assert!(
            finished
                .stderr
                .contains("; name a file that does not exist")
        );
    }
    assert_eq!(fs::read(&bundle).unwrap(), first);
    assert!(!sandbox.path("target").exists());
}
