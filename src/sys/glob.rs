//! Paths that match a pattern, in the notation of Go's `filepath.Glob`. `*` and `?` match
//! characters of one name, including a leading dot. `[a-z]` and `[^a-z]` match one character. `\`
//! escapes the next character. There are no braces, and `**` means the same as `*`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{error, fmt, fs};

/// Maximum number of paths that a pattern may match.
const MOST: usize = 1000;
/// Special characters of patterns. A pattern without them is the name of one file.
const SPECIAL: [char; 4] = ['*', '?', '[', '\\'];

/// The paths that match `pattern`, sorted within each directory. A relative pattern starts at the
/// working directory.
///
/// Returns no path if nothing matches, and skips directories that cannot be read. Fails if the
/// pattern is malformed, and if there are more than [`MOST`] matches.
pub(crate) fn glob(pattern: &str) -> Result<Vec<PathBuf>, GlobError> {
    // A dangling link counts as existing.
    let exists = |path: &Path| fs::symlink_metadata(path).is_ok();
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).ok()?.flatten();
        Some(entries.map(|entry| entry.file_name()).collect())
    };
    glob_by(pattern, &exists, &names)
}

/// Lists the names in a directory; `None` if it cannot be read.
pub(crate) type Names<'n> = &'n dyn Fn(&Path) -> Option<Vec<OsString>>;

/// The same as [`glob`] for files that `exists` and `names` look up.
pub(crate) fn glob_by(
    pattern: &str,
    exists: &dyn Fn(&Path) -> bool,
    names: Names<'_>,
) -> Result<Vec<PathBuf>, GlobError> {
    if !pattern.contains(SPECIAL) {
        let path = PathBuf::from(pattern);
        return Ok(exists(&path).then_some(path).into_iter().collect());
    }
    let (above, name) = match pattern.rfind('/') {
        Some(0) => ("/", &pattern[1..]),
        Some(at) => (&pattern[..at], &pattern[at + 1..]),
        None => ("", pattern),
    };
    let name = parse(name)?;
    let above = if above.contains(SPECIAL) {
        glob_by(above, exists, names)?
    } else {
        vec![PathBuf::from(above)]
    };
    let mut found = Vec::new();
    for directory in above {
        let here = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &directory
        };
        let mut fitting: Vec<OsString> = Vec::new();
        for file in names(here).unwrap_or_default() {
            let text: Vec<char> = file.to_string_lossy().chars().collect();
            if matches(&name, &text) {
                if found.len() + fitting.len() == MOST {
                    return Err(GlobError::TooMany);
                }
                let at = fitting.partition_point(|before| *before < file);
                fitting.insert(at, file);
            }
        }
        found.extend(fitting.iter().map(|file| directory.join(file)));
    }
    Ok(found)
}

/// One element of a pattern.
enum Part {
    /// `*`
    Any,
    /// `?`
    One,
    Char(char),
    /// `[…]`
    Range {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

fn parse(pattern: &str) -> Result<Vec<Part>, GlobError> {
    let mut rest = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Char(rest.next().ok_or(GlobError::Syntax)?),
            '[' => {
                let negated = rest.as_str().starts_with('^');
                if negated {
                    rest.next();
                }
                let mut ranges = Vec::new();
                while ranges.is_empty() || !rest.as_str().starts_with(']') {
                    let low = member(&mut rest)?;
                    let mut high = low;
                    if rest.as_str().starts_with('-') {
                        rest.next();
                        high = member(&mut rest)?;
                    }
                    ranges.push((low, high));
                }
                rest.next();
                Part::Range { negated, ranges }
            }
            _ => Part::Char(c),
        });
    }
    Ok(parts)
}

/// A character of a range; `-` and `]` must be escaped by a backslash.
fn member(rest: &mut std::str::Chars<'_>) -> Result<char, GlobError> {
    match rest.next() {
        Some('\\') => rest.next(),
        other => other.filter(|c| !matches!(c, '-' | ']')),
    }
    .ok_or(GlobError::Syntax)
}

/// Whether `parts` match all of `name`.
fn matches(parts: &[Part], name: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    // The last `*`: the index of the part after it, and the position in the name tried for that
    // part.
    let mut retry = None;
    loop {
        let fits = match (parts.get(part), name.get(at)) {
            (None, None) => return true,
            (Some(Part::Any), _) => {
                part += 1;
                retry = Some((part, at));
                continue;
            }
            (Some(Part::One), Some(_)) => true,
            (Some(Part::Char(wanted)), Some(c)) => wanted == c,
            (Some(Part::Range { negated, ranges }), Some(c)) => {
                ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated
            }
            _ => false,
        };
        if fits {
            part += 1;
            at += 1;
            continue;
        }
        match retry {
            Some((after, tried)) if tried < name.len() => {
                retry = Some((after, tried + 1));
                (part, at) = (after, tried + 1);
            }
            _ => return false,
        }
    }
}

/// Why a pattern cannot be used.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum GlobError {
    Syntax,
    TooMany,
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GlobError::Syntax => {
                f.write_str("syntax error in pattern; close each [ with a ], or write \\[ for one")
            }
            GlobError::TooMany => write!(f, "more than {MOST} files match"),
        }
    }
}

impl error::Error for GlobError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glob_matches_as_go_does() {
        let table = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*", ".hidden", true),
            ("*", "", true),
            ("*c", "abc", true),
            ("a*/b", "a", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("**.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?", "aあ", true),
            ("a?", "a", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[あ-ん]", "い", true),
            (r"[\]a]", "]", true),
            (r"[\-x]", "-", true),
            (r"\*", "*", true),
            (r"\*", "a", false),
            ("{a,b}", "a", false),
            ("[!a]", "b", false),
        ];
        for (pattern, name, expected) in table {
            let name: Vec<char> = name.chars().collect();
            assert_eq!(
                matches(&parse(pattern).unwrap(), &name),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn glob_of_a_malformed_pattern_is_an_error_even_without_files() {
        for pattern in [
            "[", "[a", "[]a]", "[^]", "[a-]", "[-x]", "a\\", "[x-]", "*[", "[",
        ] {
            let error = glob(&format!("/nowhere/{pattern}")).unwrap_err();
            assert_eq!(error, GlobError::Syntax, "{pattern}");
        }
        assert_eq!(glob("/nowhere/[/*"), Err(GlobError::Syntax));
    }

    #[test]
    fn glob_finds_files_in_order() {
        let include = "tests/fixtures/config/include";
        let table: [(&str, &[&str]); 7] = [
            ("*.conf", &[".hidden.conf", "a.conf", "b.conf"]),
            ("[ab].conf", &["a.conf", "b.conf"]),
            ("a.conf", &["a.conf"]),
            ("missing.conf", &[]),
            ("missing/*", &[]),
            ("*.none", &[]),
            (r"\b.*", &["b.conf"]),
        ];
        for (pattern, expected) in table {
            let found = glob(&format!("{include}/{pattern}")).unwrap();
            let expected: Vec<_> = expected
                .iter()
                .map(|name| Path::new(include).join(name))
                .collect();
            assert_eq!(found, expected, "{pattern}");
        }
        let nested = glob("tests/fixtures/conf*/incl?de/a.conf").unwrap();
        assert_eq!(nested, [Path::new(include).join("a.conf")]);
        assert_eq!(glob("Cargo.t[o]ml").unwrap(), [Path::new("Cargo.toml")]);
        assert_eq!(glob("/pro[c]").unwrap(), [Path::new("/proc")]);
    }

    #[test]
    fn glob_never_panics() {
        let good = r"a*?[a-z^\]][^あ-ん]**b\*";
        let name: Vec<char> = "ab]あ*b*".chars().collect();
        for (at, _) in good.char_indices() {
            for more in ["", "[", "]", "-", "\\", "*", "^"] {
                for text in [&good[at..], &good[..at]] {
                    if let Ok(parts) = parse(&format!("{text}{more}")) {
                        matches(&parts, &name);
                    }
                }
            }
        }
    }
}
