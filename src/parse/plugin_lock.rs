//! `plugins.lock`: what `plugin-install` has installed. Each line is a JSON object about one
//! source. Lines are sorted by source. Empty lines and lines that begin with `#` are ignored.

use super::plugin_target::{is_plugin, is_sha256, is_tag};
use crate::base::fault::Fault;
use crate::base::json::Json;

/// Maximum number of sources.
const ENTRIES: usize = 1000;
/// Schemes of the URL of an archive.
const SCHEMES: [&str; 3] = ["https://", "http://", "file:///"];

/// What was installed from one source.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Entry {
    /// `owner/repo`, or the URL if that is all there is.
    pub(crate) source: String,
    /// The release; empty for a URL.
    pub(crate) tag: String,
    /// The URL of the archive: https, http or file.
    pub(crate) url: String,
    /// The SHA-256 of the archive, in lower-case digits.
    pub(crate) sha256: String,
    /// Name and SHA-256 of each installed file, sorted by name.
    pub(crate) files: Vec<(String, String)>,
}

/// Parses the lines. Fails with the number of the first invalid one.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = entry(line);
        let wrong = match &entry {
            Err(wrong) => wrong,
            Ok(entry) if entries.iter().any(|other| other.source == entry.source) => {
                "its source has a line already"
            }
            Ok(_) if entries.len() == ENTRIES => "more than 1000 sources",
            Ok(_) => "",
        };
        if !wrong.is_empty() {
            return Err(format!("line {number}: {wrong}; correct or remove the line").into());
        }
        entries.extend(entry);
    }
    Ok(entries)
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let json = Json::parse(line).map_err(|_| "no JSON object")?;
    let text = |name| json.text(name).to_owned();
    let mut entry = Entry {
        source: text("source"),
        tag: text("tag"),
        url: text("url"),
        sha256: text("sha256"),
        files: Vec::new(),
    };
    if entry.source.is_empty() {
        return Err("no source");
    }
    if !entry.tag.is_empty() && !is_tag(&entry.tag) {
        return Err("the tag has a character that tags do not have");
    }
    if !SCHEMES.iter().any(|scheme| entry.url.starts_with(scheme)) {
        return Err("no url of https, http or file");
    }
    if !is_digest(&entry.sha256) {
        return Err("sha256 is not of 64 hexadecimal digits in lower case");
    }
    let Some(Json::Object(files)) = json.member("files") else {
        return Err("no files");
    };
    for (name, digest) in files {
        match digest {
            Json::Text(digest) if is_plugin(name) && is_digest(digest) => {
                entry.files.push((name.clone(), digest.clone()));
            }
            _ => return Err("a file without the name of a plugin or without a digest"),
        }
    }
    Ok(entry)
}

fn is_digest(text: &str) -> bool {
    is_sha256(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// The lines of these entries. Entries without files are left out.
pub(crate) fn text(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        if entry.files.is_empty() {
            continue;
        }
        let mut before = "{";
        for (name, value) in [
            ("source", &entry.source),
            ("tag", &entry.tag),
            ("url", &entry.url),
            ("sha256", &entry.sha256),
        ] {
            member(&mut text, before, name, value);
            before = ",";
        }
        before = ",\"files\":{";
        for (name, digest) in &entry.files {
            member(&mut text, before, name, digest);
            before = ",";
        }
        text.push_str("}}\n");
    }
    text
}

fn member(text: &mut String, before: &str, name: &str, value: &str) {
    let value = Json::Text(value.to_owned()).to_string();
    for part in [before, "\"", name, "\":", &value] {
        text.push_str(part);
    }
}

/// Replaces the entry of the same source, and removes the entry's files from all others.
pub(crate) fn record(entries: &mut Vec<Entry>, new: Entry) {
    let (mut at, mut same) = (0, None);
    for (index, entry) in entries.iter_mut().enumerate() {
        entry
            .files
            .retain(|(name, _)| !new.files.iter().any(|(own, _)| own == name));
        at += usize::from(entry.source < new.source);
        if entry.source == new.source {
            same = Some(index);
        }
    }
    if let Some(same) = same {
        entries.remove(same);
    }
    entries.insert(at.min(entries.len()), new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    fn sample(source: &str, files: &[&str]) -> Entry {
        let digest = "0f".repeat(32);
        let file = |name: &&str| ((*name).to_owned(), digest.clone());
        Entry {
            source: source.to_owned(),
            tag: "v1".to_owned(),
            url: "https://h/a?b&c.zip".to_owned(),
            sha256: digest.clone(),
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn lock_is_read_as_it_was_written_and_sorted() {
        let mut entries = vec![
            sample("a/d", &["check-a", "check-c"]),
            sample("b/c", &["check-b"]),
        ];
        entries.push(sample("c/c", &[]));
        let written = text(&entries);
        let digest = "0f".repeat(32);
        let line = format!(
            "{{\"source\":\"b/c\",\"tag\":\"v1\",\"url\":\"https://h/a?b\\u0026c.zip\",\
             \"sha256\":\"{digest}\",\"files\":{{\"check-b\":\"{digest}\"}}}}\n"
        );
        assert!(written.ends_with(&line), "{written}");
        assert_eq!(parse(&written).unwrap(), entries[..2]);
        assert_eq!(parse(&format!("# own\n\n{written}")).unwrap(), entries[..2]);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn lock_records_each_file_once() {
        let mut entries = vec![
            sample("a/a", &["check-a", "check-b"]),
            sample("b/b", &["check-c"]),
        ];
        record(&mut entries, sample("a/c", &["check-b", "check-z"]));
        assert_eq!(entries[0].files.len(), 1);
        record(&mut entries, sample("a/a", &["check-d"]));
        record(&mut entries, sample("c/c", &["check-e"]));
        record(&mut entries, sample("0/0", &["check-f"]));
        let sources: Vec<_> = entries.iter().map(|entry| &*entry.source).collect();
        assert_eq!(sources, ["0/0", "a/a", "a/c", "b/b", "c/c"]);
        assert_eq!(entries[1].files.len(), 1);
    }

    #[test]
    fn lock_error_names_the_line_and_the_fault() {
        let good = text(&[sample("a/b", &["check-a"])]);
        // (replaced text, replacement, part of the error)
        let table = [
            ("{\"source\"", "\"source\"", "no JSON object"),
            ("a/b", "", "no source"),
            ("v1", "v 1", "the tag has a character"),
            ("https://", "ftp://", "no url of https"),
            ("0f0f", "0F0f", "sha256 is not of 64"),
            ("0f0f", "0f", "sha256 is not of 64"),
            ("files", "file", "no files"),
            ("check-a", "../check-a", "a file without the name"),
            ("check-a\":\"0f", "check-a\":\"", "a file without the name"),
        ];
        for (what, by, expected) in table {
            let error = parse(&format!("\n{}", good.replace(what, by))).unwrap_err();
            assert!(error.starts_with(&format!("line 2: {expected}")), "{error}");
        }
        let error = parse(&good.repeat(2)).unwrap_err();
        assert!(
            error.starts_with("line 2: its source has a line already"),
            "{error}"
        );
    }

    #[test]
    fn never_panics() {
        let good = text(&[sample("a/b", &["check-a"])]);
        survives_damage(&good, |text| drop(parse(text)));
    }
}
