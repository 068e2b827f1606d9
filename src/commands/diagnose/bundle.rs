//! The file of `-bundle`: what maintainers need to find a fault, without secrets.
//!
//! Only named values of the configuration are written. The text of the configuration file is not
//! read for it, so that a value with an unknown name cannot get into the file.

use std::io::Write;
use std::path::Path;

use super::report::Report;
use super::secrets::commands;
use crate::base;
use crate::base::clock::Clock;
use crate::base::program;
use crate::base::url::{Url, without_userinfo};
use crate::config::outputs::path_of;
use crate::config::{Command, Config, Listen};
use crate::sys::file::{self, NewFile};
use crate::sys::log::escaped;
use crate::sys::uname::uname;

/// Files that name the distribution.
const RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// Creates the file at `path`, if one is wanted. Fails if it exists.
pub(super) fn create(path: Option<&Path>) -> Result<Option<NewFile>, String> {
    let made = path.map(|path| NewFile::create(path, 0o600)).transpose();
    made.map_err(|error| {
        format!(
            "-bundle: {}; name a file that does not exist",
            base::report(&error)
        )
    })
}

/// Writes the bundle. `log` are the last lines of the agent's log.
pub(super) fn write(
    mut file: NewFile,
    report: &Report,
    config: &Config,
    log: &str,
) -> Result<(), String> {
    let log: String = log.lines().map(|line| escaped(line) + "\n").collect();
    let log = report.secrets().hide_all(&log);
    let parts = [
        "mackerel-agent diagnose\n\n# program and host\n",
        &host(report),
        "\n# steps\n",
        &report.text(),
        "\n# configuration\n",
        &configuration(config),
        "\n# log\n",
        &log,
    ];
    let text = report.secrets().hide(&parts.concat());
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| format!("-bundle: cannot write: {error}"))
}

/// Program, kernel and distribution.
fn host(report: &Report) -> String {
    let kernel = uname().unwrap_or_default();
    let release = RELEASE
        .iter()
        .find_map(|path| file::read(Path::new(path)).ok());
    let release = String::from_utf8_lossy(&release.unwrap_or_default()).into_owned();
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let pairs = [
        ("version", program::VERSION),
        ("revision", program::REVISION),
        ("target", program::TARGET),
        ("kernel", &kernel.release),
        ("machine", &kernel.machine),
        ("distribution", name.unwrap_or("unknown").trim_matches('"')),
        ("day", &report.clock().unix().day()),
    ];
    lines(&pairs)
}

fn lines(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.extend([name, " = ", &escaped(value), "\n"]);
    }
    text
}

/// The values of the configuration that are no secrets.
fn configuration(config: &Config) -> String {
    let proxy = |url: &Option<String>| match url.as_deref() {
        None => "none".to_owned(),
        Some("direct") => "direct".to_owned(),
        Some(url) => origin(url),
    };
    let path = |path: Option<&Path>| {
        path.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
    };
    let switch = |is_on| if is_on { "true" } else { "false" };
    let listen = match &config.listen {
        None => "none".to_owned(),
        Some(listen) => match &listen.value {
            Listen::Tcp(address) => address.to_string(),
            Listen::Unix(at) => path(Some(at)),
        },
    };
    let mut text = lines(&[
        ("apibase", &origin(&config.apibase)),
        (
            "apikey",
            if config.apikey.is_empty() {
                "none"
            } else {
                "[hidden]"
            },
        ),
        ("apikey_file", &path(path_of(&config.apikey_file))),
        ("ca_file", &path(path_of(&config.ca_file))),
        ("root", &path(Some(&config.root))),
        ("pidfile", &path(Some(&config.pidfile))),
        ("http_proxy", &proxy(&config.http_proxy)),
        ("https_proxy", &proxy(&config.https_proxy)),
        (
            "disable_http_keep_alive",
            switch(config.disable_http_keep_alive),
        ),
        ("verbose", switch(config.verbose)),
        ("mackerel", switch(config.mackerel)),
        ("roles", &config.roles.join(" ")),
        (
            "include",
            config
                .include
                .as_ref()
                .map_or("none", |include| &include.pattern),
        ),
        ("listen", &listen),
    ]);
    for organization in &config.organizations {
        let base = organization
            .apibase
            .as_deref()
            .map(origin)
            .unwrap_or_default();
        text.push_str(&lines(&[
            ("organization", &organization.name),
            ("organization.apibase", &base),
        ]));
    }
    for otlp in &config.otlp {
        let names: Vec<&str> = otlp.headers.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&lines(&[
            ("otlp.endpoint", &origin(&otlp.endpoint)),
            ("otlp.headers", &names.join(" ")),
        ]));
    }
    for command in commands(config) {
        let names: Vec<&str> = command.env.iter().map(|(name, _)| name.as_str()).collect();
        text.push_str(&lines(&[
            ("command", program_of(command)),
            ("command.user", command.user.as_deref().unwrap_or_default()),
            ("command.env", &names.join(" ")),
        ]));
    }
    text
}

/// Scheme, host and port of a URL: path and query may hold a token.
fn origin(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => without_userinfo(&url.base()),
        // `host:port`, for gRPC.
        Err(_) if !url.contains(['@', '/', '?']) => url.to_owned(),
        Err(_) => "[hidden]".to_owned(),
    }
}

/// The program of a command, without arguments.
fn program_of(command: &Command) -> &str {
    let line = match &command.argv[..] {
        [shell, option, line] if shell == "sh" && option == "-c" => line,
        [program, ..] => return program,
        [] => return "",
    };
    let word = line.split_ascii_whitespace().next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    if word.chars().all(is_plain) {
        word
    } else {
        "[hidden]"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_shows_no_login_path_or_query_of_a_url() {
        let table = [
            (
                "https://u:p@a.example:8443/path/token?q=x",
                "https://a.example:8443",
            ),
            ("http://[2001:db8::1]:80/x", "http://[2001:db8::1]:80"),
            ("a.example:4317", "a.example:4317"),
            ("u:p@a.example:4317", "[hidden]"),
            ("http://", "[hidden]"),
        ];
        for (url, expected) in table {
            assert_eq!(origin(url), expected);
        }
    }

    #[test]
    fn bundle_shows_of_a_command_its_program() {
        let table: [(&[&str], &str); 6] = [
            (&["/a", "-p", "secret"], "/a"),
            (&["sh", "-c", "/a -p secret"], "/a"),
            (&["sh", "-c", "PASSWORD=secret /a"], "[hidden]"),
            (&["sh", "-c", "\"$SECRET\""], "[hidden]"),
            (&["sh", "-c", ""], ""),
            (&["sh", "-e", "secret"], "sh"),
        ];
        for (argv, expected) in table {
            let command = Command {
                argv: argv.iter().map(|word| (*word).to_owned()).collect(),
                user: None,
                env: Vec::new(),
                timeout: std::time::Duration::ZERO,
            };
            assert_eq!(program_of(&command), expected, "{argv:?}");
        }
    }
}
