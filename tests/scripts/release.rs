//! `packaging/release`: with which key it builds, and when it signs.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Programs, Said, TOP};

/// The workflow that makes releases.
const WORKFLOW: &str = include_str!("../../.github/workflows/release.yml");

/// A tree of a release of version 1.2.3 with two keys, `private.pem` and `public.pem`, and programs
/// that stand for git and make. Make prints its environment.
fn tree() -> Programs {
    let programs = Programs::new();
    for name in ["openssl", "od", "tail", "date", "realpath"] {
        let path = Path::new("/usr/bin").join(name);
        std::os::unix::fs::symlink(path, programs.path("bin").join(name)).unwrap();
    }
    programs.make("bin/git", "[ \"$1\" = status ] || echo 1");
    programs.make("bin/make", "env; mkdir -p dist");
    fs::create_dir(programs.path("packaging")).unwrap();
    programs.make("packaging/charts", "exit 0");
    for name in ["release", "manifest", "install.sh"] {
        let path = format!("packaging/{name}");
        fs::copy(Path::new(TOP).join(&path), programs.path(&path)).unwrap();
    }
    fs::write(programs.path("Cargo.toml"), "version = \"1.2.3\"\n").unwrap();
    fs::write(programs.path("CHANGELOG.md"), "## 1.2.3\n").unwrap();
    for words in [
        "genpkey -algorithm ed25519 -out private.pem",
        "pkey -in private.pem -pubout -out public.pem",
    ] {
        let mut command = Command::new("openssl");
        command
            .args(words.split(' '))
            .current_dir(programs.path(""));
        assert!(command.status().unwrap().success());
    }
    programs
}

/// Runs a script of the tree. `variables` are names of the variables of keys and of their files.
fn run(programs: &Programs, words: &[&str], variables: &[(&str, &str)]) -> Said {
    let script = programs.path(words[0]);
    let words = [&["sh", script.to_str().unwrap()], &words[1..]].concat();
    let files: Vec<_> = variables
        .iter()
        .map(|(name, file)| (*name, programs.path(file)))
        .collect();
    let mut all = vec![
        ("RELEASES", "https://releases.example"),
        ("MAINTAINER", "name <a@b.example>"),
    ];
    all.extend(
        files
            .iter()
            .map(|(name, file)| (*name, file.to_str().unwrap())),
    );
    programs.run(&words, &all)
}

#[test]
fn release_is_built_with_either_key_and_signed_with_the_private_one() {
    fake_server::require!(Path::new("/usr/bin/openssl").exists(), "no openssl");
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        Result<bool, &'static str>,
    );
    // (why, variables, whether the manifest is signed by the build, or the message)
    let table: [Row; 6] = [
        (
            "the build has the public key alone",
            &[("PUBLIC_KEY", "public.pem")],
            Ok(false),
        ),
        (
            "a local release signs itself",
            &[("KEY", "private.pem")],
            Ok(true),
        ),
        (
            "no key",
            &[],
            Err("PUBLIC_KEY names no file with a public key, and KEY is not set"),
        ),
        (
            "a private key for a public one",
            &[("PUBLIC_KEY", "private.pem")],
            Err("private.pem has no Ed25519 public key in PEM"),
        ),
        (
            "a public key for a private one",
            &[("KEY", "public.pem")],
            Err("public.pem has no Ed25519 key in PEM"),
        ),
        (
            "two keys, which may not belong together",
            &[("KEY", "private.pem"), ("PUBLIC_KEY", "public.pem")],
            Err("KEY and PUBLIC_KEY are set: set one of them"),
        ),
    ];
    for (why, variables, expected) in table {
        let programs = tree();
        let said = run(&programs, &["packaging/release", "1.2.3", "ci"], variables);
        let manifest = programs.path("dist/manifest");
        let is_signed = match expected {
            Ok(is_signed) => is_signed,
            Err(message) => {
                assert_eq!(said.code, Some(1), "{why}: {}", said.text);
                assert!(said.text.contains(message), "{why}: {}", said.text);
                assert!(!programs.path("dist").exists(), "{why}");
                continue;
            }
        };
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        assert_eq!(manifest.exists(), is_signed, "{why}: {}", said.text);
        let sums = fs::read_to_string(programs.path("dist/SHA256SUMS")).unwrap();
        assert!(sums.ends_with("  install.sh\n"), "{why}: {sums}");
        if !is_signed {
            let key = programs.path("private.pem");
            let dist = programs.path("dist");
            let [key, dist] = [&key, &dist].map(|path| path.to_str().unwrap());
            let said = run(&programs, &["packaging/manifest", dist, "1.2.3", key], &[]);
            assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        }
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains(&sums), "{why}: {text}");
        assert!(text.contains("\nsignature "), "{why}: {text}");
        // The programs have the key that the manifest is signed with.
        let key = fs::read_to_string(programs.path("dist/release.pub")).unwrap();
        let line = format!("MACKEREL_AGENT_RELEASE_KEY={key}");
        assert!(said.stdout.contains(&line), "{why}: {}", said.text);
    }
}

#[test]
fn release_workflow_has_no_secret_where_it_builds() {
    let (build, publish) = WORKFLOW.split_once("\n  publish:\n").unwrap();
    assert!(!build.contains("secrets."), "{build}");
    assert!(build.contains("make release"), "{build}");
    assert!(
        publish.contains("\n    environment: release\n"),
        "{publish}"
    );
    for builds in ["make ", "cargo", "apt-get", "docker"] {
        assert!(!publish.contains(builds), "{builds}: {publish}");
    }
    for line in WORKFLOW.lines().filter(|line| line.contains("uses: ")) {
        let commit = line.split_once('@').unwrap().1.split(' ').next().unwrap();
        assert_eq!(commit.len(), 40, "not pinned by commit: {line}");
    }
}
