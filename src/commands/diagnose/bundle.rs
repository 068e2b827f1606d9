//! The file of `-bundle`: what maintainers need to find a fault, without secrets.

use std::io::Write;
use std::path::Path;

use super::report::Report;
use crate::base;
use crate::base::program;
use crate::sys::file::{self, NewFile};
use crate::sys::log::escaped;
use crate::sys::uname::uname;

/// The file that names the distribution.
const RELEASE: &str = "/etc/os-release";
/// Keys whose values are no secrets, outside of tables of plugins and outputs.
const PLAIN: &str = " root pidfile roles include verbose silent diagnostic cloud_platform health \
                     display_name on_start on_stop ignore use_mountpoint ca_file apikey_file \
                     disable_http_keep_alive auto_retirement mackerel host_id_store listen window size ";

/// Creates the file at `path`, if one is wanted. Fails if it exists.
pub(super) fn create(path: Option<&Path>) -> Result<Option<NewFile>, String> {
    let made = path.map(|path| NewFile::create(path, 0o600)).transpose();
    made.map_err(|error| {
        let why = base::report(&error);
        ["-bundle: ", &why, "; name a file that does not exist"].concat()
    })
}

/// Writes the bundle. `log` are the last lines of the agent's log.
pub(super) fn write(
    mut file: NewFile,
    report: &Report,
    conf: &Path,
    log: &str,
) -> Result<(), String> {
    let read = |path| String::from_utf8_lossy(&file::read(path).unwrap_or_default()).into_owned();
    let kernel = uname().unwrap_or_default();
    let parts = [
        "# host\n",
        &program::agent_name(),
        " ",
        program::TARGET,
        ", kernel ",
        &kernel.release,
        "\n",
        &read(Path::new(RELEASE)),
        "# steps\n",
        report.text(),
        "# configuration\n",
        &redacted(&read(conf)),
        "# log\n",
    ];
    let secrets = report.secrets();
    let all = secrets.hide(&parts.concat()) + &secrets.hide_all(log);
    let mut text = String::new();
    for line in all.lines() {
        text.extend([&*escaped(line), "\n"]);
    }
    let written = file.write_all(text.as_bytes());
    written.map_err(|error| ["-bundle: cannot write: ", &error.to_string()].concat())
}

/// The text of a configuration file without comments, and without values that may be secret. Of a
/// command, the program is left.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    let mut is_secret = false;
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        // Within a text of several lines, nothing is a key.
        let was_inside = is_inside;
        let quotes = line.matches("\"\"\"").count() + line.matches("'''").count();
        is_inside ^= quotes % 2 == 1;
        if was_inside || line.starts_with('#') {
            continue;
        }
        if line.starts_with('[') {
            let table = line.to_ascii_lowercase();
            is_secret = ["plugin", "otlp", "organization"]
                .iter()
                .any(|name| table.contains(name));
            if line.ends_with(']')
                && line
                    .bytes()
                    .all(|byte| is_plain(byte) || b"[]\" ".contains(&byte))
            {
                out.extend([line, "\n"]);
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim_end(), value.trim_start());
        if !key.bytes().all(is_plain) {
            continue;
        }
        let quoted = value.trim_start_matches(&['[', ' ', '"', '\''][..]);
        let length = quoted.bytes().take_while(|byte| is_plain(*byte)).count();
        let (word, after) = quoted.split_at(length);
        let is_whole = matches!(after.bytes().next(), Some(b' ' | b'"' | b'\''));
        let is_program = key == "command" && is_whole;
        let shown = match key {
            _ if is_program => word,
            // A comment may follow. One within quotes ends the value too early, which is safe.
            _ if !is_secret && PLAIN.contains(&[" ", key, " "].concat()) => {
                value.split('#').next().unwrap_or_default().trim_end()
            }
            _ => "[hidden]",
        };
        out.extend([key, " = ", shown, "\n"]);
    }
    out
}

/// Whether the byte is one of a plain key or path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundle_shows_keys_and_harmless_values() {
        // (line of the file, line of the bundle)
        let table = [
            ("apikey = \"SECRET\"", "apikey = [hidden]\n"),
            ("root = \"/var/lib/x\"", "root = \"/var/lib/x\"\n"),
            ("  verbose=true", "verbose = true\n"),
            ("verbose = true # SECRET", "verbose = true\n"),
            (
                "[Plugin.Checks.a]\nroot = \"SECRET\"",
                "[Plugin.Checks.a]\nroot = [hidden]\n",
            ),
            (
                "http_proxy = \"http://u:SECRET@proxy\"",
                "http_proxy = [hidden]\n",
            ),
            ("no_such_key = \"SECRET\"", "no_such_key = [hidden]\n"),
            ("\"apikey\" = \"SECRET\"", ""),
            ("apikey \"SECRET=\"", ""),
            ("# apikey = \"SECRET\"", ""),
            ("SECRET", ""),
            ("[disks]\nignore = \"sr0\"", "[disks]\nignore = \"sr0\"\n"),
            (
                "[plugin.checks.a]\ncommand = \"/a -p SECRET\"\nroot = \"SECRET\"",
                "[plugin.checks.a]\ncommand = /a\nroot = [hidden]\n",
            ),
            ("[plugin.checks.\"a b\"]", "[plugin.checks.\"a b\"]\n"),
            ("command = [\"/a\", \"SECRET\"]", "command = /a\n"),
            ("command = '/a'", "command = /a\n"),
            ("command = \"P=SECRET /a\"", "command = [hidden]\n"),
            ("command = \"$(SECRET)\"", "command = [hidden]\n"),
            ("env = { P = \"SECRET\" }", "env = [hidden]\n"),
            (
                "[plugin.metrics.a.env]\nverbose = \"SECRET\"",
                "[plugin.metrics.a.env]\nverbose = [hidden]\n",
            ),
            (
                "[[otlp]]\nheaders.x = \"SECRET\"",
                "[[otlp]]\nheaders.x = [hidden]\n",
            ),
            (
                "memo = \"\"\"\nroot = \"SECRET\"\n\"\"\"\nverbose = true",
                "memo = [hidden]\nverbose = true\n",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(redacted(line), expected, "{line}");
        }
    }
}
