//! Which files are searched.

use std::mem;
use std::path::Path;

use super::search;
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::{Host, failed};
use crate::sys::glob::glob_by;

/// Maximum number of files of a pattern, and of directories that wait to be searched for them.
const MOST: usize = 1000;
/// The error beyond [`MOST`].
const TOO_MANY: &str = "invalid glob for --file: more than 1000 files or directories";

/// The files of the command line.
#[derive(Default)]
pub(super) struct Files {
    pub(super) found: Vec<String>,
    pub(super) missing: Vec<String>,
}

impl Files {
    pub(super) fn find(arguments: &Arguments, host: &Host<'_>) -> Result<Files, Failure> {
        let [file, names, directory] =
            ["file", "file-pattern", "search-in-directory"].map(|flag| arguments.text(flag));
        if file.is_empty() && names.is_empty() {
            return Err("No log file specified".into());
        }
        if !directory.is_empty() && names.is_empty() {
            return Err("search-in-directory option must be used with file-pattern option".into());
        }
        let mut files = Files::default();
        if !file.is_empty() {
            files.globbed(file, host)?;
            if files.found.is_empty() && files.missing.is_empty() {
                files.missing.push(file.to_owned());
            }
        }
        if !names.is_empty() {
            files.named(arguments, directory, names, host)?;
        }
        if !arguments.is_on("no-state") {
            files.leave_out_rotated();
        }
        Ok(files)
    }

    /// Adds the files of a pattern for paths.
    fn globbed(&mut self, pattern: &str, host: &Host<'_>) -> Result<(), Failure> {
        // Alternatives are written out: `{a,b}.log` is `a.log` and `b.log`.
        if let Some((before, rest)) = pattern.split_once('{')
            && let Some((names, after)) = rest.split_once('}')
        {
            for name in names.split(',') {
                self.globbed(&[before, name, after].concat(), host)?;
            }
            return Ok(());
        }
        // `**/` stands for any number of directories.
        if let Some((above, after)) = pattern.split_once("**/") {
            if above.contains(['*', '[']) {
                return Err(
                    "invalid glob for --file: name the directories before **/ without * and ["
                        .into(),
                );
            }
            let mut ahead = vec![above.to_owned()];
            while let Some(above) = ahead.pop() {
                self.globbed(&[&above, after].concat(), host)?;
                let directory = if above.is_empty() { "." } else { &above };
                for name in host.root.directories(directory) {
                    if ahead.len() == MOST {
                        return Err(TOO_MANY.into());
                    }
                    if let Ok(name) = name.into_string() {
                        ahead.push([&above, &name, "/"].concat());
                    }
                }
            }
            return Ok(());
        }
        let exists = |path: &Path| host.root.exists(path);
        let names = |directory: &Path| host.root.names(directory).ok()?;
        let paths = glob_by(pattern, &exists, &names).map_err(|error| {
            Failure::unknown(["invalid glob for --file: ", &error.to_string()].concat())
        })?;
        if self.found.len() + paths.len() > MOST {
            return Err(TOO_MANY.into());
        }
        for path in paths {
            match path.to_str() {
                Some(text) if exists(&path) => self.found.push(text.to_owned()),
                _ => self.missing.push(path.display().to_string()),
            }
        }
        Ok(())
    }

    /// Adds the files of a directory whose names match a regular expression. Without `directory`,
    /// the expression begins with the directory's path.
    fn named(
        &mut self,
        arguments: &Arguments,
        directory: &str,
        names: &str,
        host: &Host<'_>,
    ) -> Result<(), Failure> {
        let (directory, names) = match (directory, names.rsplit_once('/')) {
            ("", Some(("", names))) => ("/", names),
            ("", Some(split)) => split,
            ("", None) => (".", names),
            _ => (directory, names),
        };
        let pattern = search::compile(arguments, names).map_err(|error| {
            Failure::unknown(["file-pattern is invalid: ", &error.to_string()].concat())
        })?;
        let listed = host.root.names(directory).map_err(|error| failed(&error))?;
        let Some(mut listed) = listed else {
            return Err(Failure::unknown(
                [
                    "cannot read the directory: open ",
                    directory,
                    ": no such file or directory",
                ]
                .concat(),
            ));
        };
        listed.sort_unstable();
        for name in listed {
            let Some(name) = name.to_str().filter(|name| pattern.matches(name)) else {
                continue;
            };
            let path = [directory.trim_end_matches('/'), "/", name].concat();
            match host.root.metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => self.found.push(path),
                Err(_) => self.missing.push(path),
            }
        }
        Ok(())
    }

    /// Leaves out files that others of the list were rotated to: these are followed from there.
    fn leave_out_rotated(&mut self) {
        let all = mem::take(&mut self.found);
        for path in &all {
            if !all.iter().any(|other| is_rotation(path, other)) {
                self.found.push(path.clone());
            }
        }
    }
}

/// Whether `name` is `of` with a number or a date after it: `app.log.1`, `app.log-20261129`.
pub(super) fn is_rotation(name: &str, of: &str) -> bool {
    let Some(rest) = name.strip_prefix(of) else {
        return false;
    };
    let is_of_number = |byte: u8| byte.is_ascii_digit() || b".-_".contains(&byte);
    rest.starts_with(['.', '-', '_'])
        && rest.ends_with(|last: char| last.is_ascii_digit())
        && rest.bytes().all(is_of_number)
}
