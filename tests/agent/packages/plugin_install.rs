//! `plugin-install`: plugins from servers that answer like GitHub, over TLS.

mod archive;
mod faults;
mod lock;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use fake_server::{Act, Answer, FakeServer, Rule};
use ring::digest::{SHA256, digest};
use serde_json::json;

use self::archive::{script, zip};
use crate::process::Finished;
use crate::sandbox::{Sandbox, is_emulated, limit};

const REPO: &str = "Arthur1/check-debian-reboot-required";
const PLUGIN: &str = "check-debian-reboot-required";
const TOKEN: &str = "ghp_a-token-that-nobody-may-see";

/// GitHub, its API, and the server with its files. All are addressed by IP: not every machine
/// resolves `localhost`.
struct Hub {
    github: FakeServer,
    api: FakeServer,
    files: FakeServer,
    sandbox: Sandbox,
}

impl Hub {
    /// Starts the servers. The program trusts their certificates, and has a token for GitHub.
    fn start() -> Hub {
        let [github, api, files] = [(); 3].map(|()| FakeServer::https());
        let mut sandbox = Sandbox::empty();
        let ca = [github.ca(), api.ca(), files.ca()].concat();
        let ca = sandbox.write("ca.pem", &ca);
        sandbox.env("SSL_CERT_FILE", ca);
        sandbox.env("GITHUB_TOKEN", TOKEN);
        Hub {
            github,
            api,
            files,
            sandbox,
        }
    }

    /// Publishes a release of [`REPO`], which is the newest one. Rules that were there before win.
    fn publish(&self, tag: &str, content: &[u8]) {
        self.github.clear_script();
        self.api.clear_script();
        self.files.clear_script();
        self.add_release(tag, content);
    }

    fn add_release(&self, tag: &str, content: &[u8]) {
        let page = format!("{}/{REPO}/releases/tag/{tag}", self.github.base());
        let latest = format!("HEAD /{REPO}/releases/latest");
        self.github.rule(Rule::on(&latest, redirection(&page)));
        let name = asset();
        let stored = format!("/stored/{tag}/{name}");
        let elsewhere = format!("{}{stored}?sp=r&sig=a%2Fb%3D", self.files.base());
        let url = download(tag, &name);
        self.github.rule(Rule::on(&url, redirection(&elsewhere)));
        self.files.rule(Rule::on(&stored, answer(200, content)));
        let release = json!({
            "tag_name": tag,
            "assets": [
                {"name": "other.zip", "digest": format!("sha256:{}", sha256(b""))},
                {"name": name, "digest": format!("sha256:{}", sha256(content))},
            ],
        });
        for which in [format!("tags/{tag}"), "latest".to_owned()] {
            let path = format!("/repos/{REPO}/releases/{which}");
            let answer = Act::Answer(Answer::json(&release));
            self.api.rule(Rule::on(&path, answer));
        }
    }

    fn prefix(&self) -> PathBuf {
        self.sandbox.path("prefix/plugins")
    }

    /// The words of the command with these flags and operands.
    fn words(&self, words: &[&str]) -> Vec<String> {
        let (github, api) = (self.github.base(), self.api.base());
        let mut all = vec![
            "plugin-install".to_owned(),
            format!("-prefix={}", self.prefix().display()),
            format!("-github-url={github}"),
            format!("-api-url={api}"),
            format!("-registry-url={github}/registry/plugins/"),
        ];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all
    }

    /// Runs the command.
    fn run(&self, words: &[&str]) -> Finished {
        let words = self.words(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let finished = self.sandbox.start_bare(&[], &words).wait_exit(limit(300));
        let said = finished.stdout.clone() + &finished.stderr;
        assert!(!said.contains(TOKEN), "{said}");
        assert!(!said.contains("sig="), "a query is a secret: {said}");
        finished
    }

    /// The same. Panics if it fails. Returns its output.
    fn said(&self, words: &[&str]) -> String {
        let finished = self.run(words);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_eq!(finished.stderr, "");
        finished.stdout
    }

    /// The same. Panics unless it fails with this message and changes nothing.
    fn fails(&self, words: &[&str], expected: &str) {
        let before = self.everything();
        let finished = self.run(words);
        assert_eq!(finished.code, Some(1), "{expected}: {}", finished.stdout);
        let said = &finished.stderr;
        assert!(said.contains(expected), "{expected}: {said}");
        assert_eq!(self.everything(), before, "{expected}");
    }

    /// Path, mode and content of all files of the prefix, and of the directory that it is in.
    fn everything(&self) -> Vec<(PathBuf, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut left = vec![self.sandbox.path("prefix")];
        while let Some(path) = left.pop() {
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            let mut content = Vec::new();
            if metadata.is_dir() {
                left.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else if metadata.is_file() {
                content = fs::read(&path).unwrap();
            }
            found.push((path, metadata.permissions().mode() & 0o7777, content));
        }
        found.sort();
        found
    }

    /// The names of the installed plugins, with their contents.
    fn installed(&self) -> Vec<(String, String)> {
        let bin = self.prefix().join("bin");
        let mut found = Vec::new();
        for (path, mode, content) in self.everything() {
            if path.parent() == Some(&*bin) {
                assert_eq!(mode, 0o755, "{}", path.display());
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                found.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
        found
    }

    /// The entries of the lock.
    fn lock(&self) -> Vec<serde_json::Value> {
        let path = self.prefix().join("plugins.lock");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The name of a plugin's archive for the program's machine.
fn asset() -> String {
    format!("{PLUGIN}_linux_{}.zip", archive::goarch())
}

/// The path of a file of a release.
fn download(tag: &str, name: &str) -> String {
    format!("/{REPO}/releases/download/{tag}/{name}")
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Act {
    Act::Answer(Answer::new(status, body))
}

fn redirection(to: &str) -> Act {
    Act::Answer(Answer::new(302, "").header("Location", to))
}

fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The archive of a release: the plugin in its folder, beside other files.
fn release(version: &str) -> Vec<u8> {
    let folder = asset().replace(".zip", "");
    let text = script(version);
    let name = |name: &str| format!("{folder}/{name}");
    zip(&[
        (&name(""), 0o040_755, b""),
        (&name("README.md"), 0o100_644, b"text"),
        (&name(PLUGIN), 0o100_755, text.as_bytes()),
        (&name("check-notes"), 0o100_644, b"not executable"),
        (&name("helper"), 0o100_755, b"no plugin"),
    ])
}

#[test]
fn plugin_install_takes_the_newest_release_of_a_repository() {
    let hub = Hub::start();
    let content = release("1");
    hub.publish("v1.0.0", &content);
    let said = hub.said(&[REPO]);
    let url = format!("{}{}", hub.github.base(), download("v1.0.0", &asset()));
    let path = hub.prefix().join("bin").join(PLUGIN);
    let digest = sha256(script("1").as_bytes());
    let expected = format!(
        "download {url}\n{} is installed (SHA-256 {digest})\n",
        path.display()
    );
    assert_eq!(said, expected);
    assert_eq!(hub.installed(), [(PLUGIN.to_owned(), script("1"))]);
    let entry = json!({
        "source": REPO,
        "tag": "v1.0.0",
        "url": url,
        "sha256": sha256(&content),
        "files": {PLUGIN: digest},
    });
    assert_eq!(hub.lock(), [entry]);
    let listed = hub.said(&["-list"]);
    assert_eq!(listed, format!("{PLUGIN}  {REPO} v1.0.0  installed\n"));

    // The token goes to the API alone. Each server sees only what it has to.
    let asked = |server: &FakeServer| {
        server.seen(|seen| {
            assert_eq!(seen.counts.failed_handshakes, 0);
            let one = |request: &fake_server::Request| {
                let head = &request.head;
                let header = |name| head.header(name).unwrap_or_default().to_owned();
                (
                    format!("{} {}", head.method, head.path),
                    header("Authorization"),
                )
            };
            seen.requests.iter().map(one).collect::<Vec<_>>()
        })
    };
    let none = |line: String| (line, String::new());
    let expected = [
        none(format!("HEAD /{REPO}/releases/latest")),
        none(format!("GET {}", download("v1.0.0", &asset()))),
    ];
    assert_eq!(asked(&hub.github), expected);
    let release = format!("GET /repos/{REPO}/releases/tags/v1.0.0");
    assert_eq!(asked(&hub.api), [(release, format!("Bearer {TOKEN}"))]);
    let file = format!("GET /stored/v1.0.0/{}", asset());
    assert_eq!(asked(&hub.files), [none(file)]);
}

#[test]
fn plugin_install_finds_a_release_by_name_tag_and_api() {
    let tag = "v1.0.0";
    let pinned = format!("{REPO}@{tag}#sha256={}", sha256(&release("1")));
    // (why this row exists, operand, rules that come first, requests of the API)
    type First = fn(&Hub);
    let none: First = |_| {};
    let table: [(&str, &str, First, usize); 6] = [
        (
            "a tag",
            "Arthur1/check-debian-reboot-required@v1.0.0",
            none,
            1,
        ),
        ("a digest: the API is not asked", &pinned, none, 0),
        (
            "a name of the registry",
            PLUGIN,
            |hub| {
                let entry = json!({"source": REPO, "description": "x"});
                let path = format!("/registry/plugins/{PLUGIN}.json");
                hub.github
                    .rule(Rule::on(&path, Act::Answer(Answer::json(&entry))));
            },
            1,
        ),
        (
            "no redirect: the API has the tag",
            REPO,
            |hub| hub.github.rule(Rule::on("latest", answer(200, "<html>"))),
            2,
        ),
        (
            "a repository that was renamed",
            REPO,
            |hub| {
                let to = format!("/{REPO}/releases/latest");
                let old = Rule::on("latest", redirection(&to));
                hub.github.rule(old.only(1, 1));
            },
            1,
        ),
        (
            "no API: the digests of a file",
            REPO,
            |hub| {
                hub.api
                    .rule(Rule::on("releases", answer(403, "rate limit")));
                let sums = format!("{}  {}\n", sha256(&release("1")), asset());
                hub.github
                    .rule(Rule::on("checksums.txt", answer(200, sums)));
            },
            1,
        ),
    ];
    for (why, operand, first, requests) in table {
        let hub = Hub::start();
        first(&hub);
        hub.add_release(tag, &release("1"));
        let said = hub.said(&[operand]);
        assert!(!said.contains("no digest"), "{why}: {said}");
        assert_eq!(hub.installed(), [(PLUGIN.to_owned(), script("1"))], "{why}");
        assert_eq!(hub.lock()[0]["tag"], tag, "{why}");
        let asked = hub.api.seen(|seen| seen.requests.len());
        assert_eq!(asked, requests, "{why}");
    }
}

#[test]
fn plugin_install_does_not_pass_the_token_on() {
    let hub = Hub::start();
    // The API of a repository that was moved, and a server that would like to have the token.
    let to = format!("{}/stolen", hub.files.base());
    hub.api.rule(Rule::on("v1.0.0", redirection(&to)));
    hub.add_release("v1.0.0", &release("1"));
    let said = hub.said(&[REPO]);
    assert!(
        said.contains("no digest is published for it; #sha256="),
        "{said}"
    );
    for server in [&hub.github, &hub.files] {
        server.seen(|seen| {
            assert!(!seen.requests.is_empty());
            for request in &seen.requests {
                assert_eq!(request.head.header("Authorization"), None);
            }
        });
    }
    hub.api.seen(|seen| assert_eq!(seen.requests.len(), 1));
}

#[test]
fn plugin_install_takes_files_and_urls() {
    let mut hub = Hub::start();
    let plain = FakeServer::http();
    let rows: [archive::Row<'_>; 2] = [
        ("x/check-a", 0o100_755, b"#!/bin/sh\n"),
        ("x/mackerel-plugin-b", 0o100_755, b"#!/bin/sh\n"),
    ];
    let tarball = archive::tar_gz(&rows);
    let zipped = zip(&rows);
    fs::write(hub.sandbox.path("a.tar.gz"), &tarball).unwrap();
    fs::write(hub.sandbox.path("b"), &zipped).unwrap();
    hub.files
        .rule(Rule::on("/a.tgz", answer(200, tarball.clone())));
    plain.rule(Rule::on("/a.zip", answer(200, zipped.clone())));
    let file = format!("file://{}", hub.sandbox.path("b").display());
    let pinned = |place: &str, archive: &[u8]| format!("{place}#sha256={}", sha256(archive));
    let http = format!("{}/a.zip", plain.base());
    let targets = [
        "a.tar.gz".to_owned(),
        pinned("./b", &zipped),
        file.clone(),
        pinned(&file, &zipped),
        format!("{}/a.tgz", hub.files.base()),
        pinned(&http, &zipped),
    ];
    for target in &targets {
        let said = hub.said(&[target]);
        assert_eq!(said.contains("no digest"), !target.contains('#'), "{said}");
        let names: Vec<_> = hub.installed().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["check-a", "mackerel-plugin-b"], "{target}");
        let lock = hub.lock();
        assert_eq!(lock.len(), 1);
        assert_eq!(lock[0]["source"], lock[0]["url"]);
        fs::remove_dir_all(hub.prefix()).unwrap();
    }
    hub.fails(&[&http], "http does not protect the archive");
    hub.sandbox.env("GITHUB_TOKEN", "");
    // Several at once: of two with the same files the first one's stay.
    let said = hub.said(&["a.tar.gz", "./b"]);
    assert_eq!(said.matches("is installed (SHA-256").count(), 2, "{said}");
    assert_eq!(said.matches("exists and is skipped").count(), 2, "{said}");
    assert_eq!(hub.lock().len(), 1);
}

#[test]
fn plugin_install_replaces_a_program_that_runs() {
    only_if!(!is_emulated(), "the plugin is a program of this machine");
    let hub = Hub::start();
    let sleep = fs::read("/bin/sleep").unwrap();
    fs::write(
        hub.sandbox.path("a.zip"),
        zip(&[("check-sleep", 0o100_755, &sleep)]),
    )
    .unwrap();
    hub.said(&["a.zip"]);
    let path = hub.prefix().join("bin/check-sleep");
    let mut running = hub.sandbox.spawn(&[path.to_str().unwrap(), "1000"]);
    let before = hub.everything();
    let said = hub.said(&["a.zip"]);
    assert!(
        said.contains("exists and is skipped; -overwrite replaces it"),
        "{said}"
    );
    assert_eq!(hub.everything(), before);

    fs::write(
        hub.sandbox.path("a.zip"),
        zip(&[("check-sleep", 0o100_755, b"#!/bin/sh\n")]),
    )
    .unwrap();
    hub.said(&["a.zip", "-overwrite"]);
    assert_eq!(
        hub.installed(),
        [("check-sleep".to_owned(), "#!/bin/sh\n".to_owned())]
    );
    running.assert_running();
}
