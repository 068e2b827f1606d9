//! `check-file-size`: bytes of the files in a directory.

use std::path::PathBuf;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::{Host, explained};
use crate::base::packed::packed;
use crate::base::{decimal, report};
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-file-size",
    help: packed!(
        "check how many bytes the files in a directory have
  -b, --base=DIR            the directory
  -w, --warning=SIZE        WARNING if it is more; units are k, M, G and T
                            (default: 1K)
  -c, --critical=SIZE       CRITICAL if it is more (default: 1K)
  -d, --depth=N             levels of directories; 1 is DIR alone (default: 1)
"
    ),
    work: Work::Check("FileSize", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let base = arguments.required("base")?;
    let depth = arguments.integer("depth")?.unwrap_or_default();
    let [warning, critical] = ["warning", "critical"].map(|name| arguments.text(name));
    let [least, most] = [bytes(warning)?, bytes(critical)?];
    let size = match size(host, base, depth) {
        Ok(size) => size,
        // So does the official plugin.
        Err(error) => return Ok(Finding::new(CheckStatus::Ok, error.why().to_owned())),
    };
    let (status, limits) = if most < size as f64 {
        (CheckStatus::Critical, [" Byte > ", critical, ""])
    } else if least < size as f64 {
        (CheckStatus::Warning, [" Byte > ", warning, ""])
    } else {
        (CheckStatus::Ok, [" Byte < warning ", warning, critical])
    };
    let mut message = ["size ", &size.to_string()].concat();
    let [sign, limit, other] = limits;
    message.extend([sign, limit, " Byte"]);
    if !other.is_empty() {
        message.extend([", critical ", other, " Byte"]);
    }
    message.extend([" in ", base]);
    Ok(Finding::new(status, message))
}

/// A size such as `1.5M` in bytes.
fn bytes(text: &str) -> Result<f64, Failure> {
    let (number, scale) = match text.as_bytes().last().map(u8::to_ascii_lowercase) {
        Some(b'k') => (text.len() - 1, 10),
        Some(b'm') => (text.len() - 1, 20),
        Some(b'g') => (text.len() - 1, 30),
        Some(b't') => (text.len() - 1, 40),
        _ => (text.len(), 0),
    };
    let number = text.get(..number).unwrap_or_default();
    let is_number = number.starts_with(|first: char| first.is_ascii_digit())
        && number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match decimal::parse(number) {
        Some(number) if is_number => Ok(number * (1_u64 << scale) as f64),
        _ => Err(Failure::unknown([text, " is invalid"].concat())),
    }
}

/// Bytes of the files in `base`, and in the directories below up to this depth. Links to files
/// count as their files; links to directories are not followed. What cannot be read is left out.
///
/// Fails, with the reason, if `base` does not exist.
fn size(host: &Host<'_>, base: &str, depth: i64) -> Result<u64, Failure> {
    let top = match host.root.metadata(base) {
        Ok(top) => top,
        Err(error) => return Err(["l", &explained(report(&error))].concat().into()),
    };
    if !top.is_dir() {
        return Ok(if depth > 0 { top.len() } else { 0 });
    }
    let mut size = 0;
    let mut ahead = vec![(PathBuf::from(base), 1)];
    while let Some((directory, level)) = ahead.pop() {
        if level > depth {
            continue;
        }
        for name in host.root.files(&directory) {
            if let Ok(file) = host.root.metadata(directory.join(name)) {
                size += file.len();
            }
        }
        for name in host.root.directories(&directory) {
            ahead.push((directory.join(name), level + 1));
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_file_size_adds_files() {
        let tree = Tree::new(&[
            ("b/a", &"x".repeat(1000)),
            ("b/d/b", &"x".repeat(500)),
            ("b/d/e/c", &"x".repeat(200)),
        ]);
        symlink("nowhere", tree.path("b/dangling")).unwrap();
        symlink("a", tree.path("b/link")).unwrap();
        // (arguments, exit code, message)
        let table = [
            ("", 2, "CRITICAL: size 2000 Byte > 1K Byte in /b"),
            (
                "-w 3k -c 4K",
                0,
                "OK: size 2000 Byte < warning 3k Byte, critical 4K Byte in /b",
            ),
            (
                "-w 1.5K -c 1M",
                1,
                "WARNING: size 2000 Byte > 1.5K Byte in /b",
            ),
            ("-w 1 -c 2000", 1, "WARNING: size 2000 Byte > 1 Byte in /b"),
            (
                "-w 1 -c 1999",
                2,
                "CRITICAL: size 2000 Byte > 1999 Byte in /b",
            ),
            (
                "-d 0",
                0,
                "OK: size 0 Byte < warning 1K Byte, critical 1K Byte in /b",
            ),
            ("-d 2 -c 2g", 1, "WARNING: size 2500 Byte > 1K Byte in /b"),
            ("-d 3 -c 1T", 1, "WARNING: size 2700 Byte > 1K Byte in /b"),
            ("-w K", 3, "UNKNOWN: K is invalid"),
            ("-c 1x", 3, "UNKNOWN: 1x is invalid"),
            ("-c -1", 3, "UNKNOWN: -1 is invalid"),
            ("-c .5", 3, "UNKNOWN: .5 is invalid"),
            ("-c 1e3", 3, "UNKNOWN: 1e3 is invalid"),
            ("-c=", 3, "UNKNOWN:  is invalid"),
        ];
        for (arguments, code, text) in table {
            let found = tree.run("check-file-size", &format!("-b /b {arguments}"));
            assert_eq!(
                found,
                said(code, &format!("FileSize {text}\n")),
                "{arguments}"
            );
        }
        let found = tree.run("check-file-size", "-b /none");
        let path = tree.path("none");
        let why = format!("lstat {}: no such file or directory", path.display());
        assert_eq!(found, said(0, &format!("FileSize OK: {why}\n")));
        assert_eq!(tree.run("check-file-size", "-b /b/a -w 1").code, 1);
        assert_eq!(tree.run("check-file-size", "").code, 1);
    }
}
