//! Finds the processes that run a program file.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

/// Bytes that are read of a pid file.
const PID: u64 = 32;

/// The ids of the processes, except this one, that run the file now at `program`, in ascending
/// order. Only root finds the processes of other users.
pub(crate) fn of(program: &Path) -> Vec<u32> {
    let Ok(file) = fs::metadata(program) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<u32> = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
            && pid != process::id()
            && runs(pid, &file)
        {
            found.push(pid);
        }
    }
    found.sort_unstable();
    found
}

/// Whether the process runs the file.
fn runs(pid: u32, file: &fs::Metadata) -> bool {
    fs::metadata(format!("/proc/{pid}/exe"))
        .is_ok_and(|running| (running.dev(), running.ino()) == (file.dev(), file.ino()))
}

/// The process that a pid file names, and whether it is `mackerel-agent supervise`; `None` if it
/// does not run this program.
pub(crate) fn of_pidfile(path: &Path) -> Option<(u32, bool)> {
    let mut text = String::new();
    let file = fs::File::open(path).ok()?;
    file.take(PID).read_to_string(&mut text).ok()?;
    let pid: u32 = text.trim_ascii().parse().ok()?;
    let own = fs::metadata(env::current_exe().ok()?).ok()?;
    if pid == process::id() || !runs(pid, &own) {
        return None;
    }
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = words.split(|byte| *byte == 0).nth(1);
    Some((pid, command == Some(b"supervise")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process to be found")]
    fn running_process_is_found_by_its_file_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let [program, copy] = ["program", "copy"].map(|name| dir.path().join(name));
        for path in [&program, &copy] {
            fs::copy("/bin/sleep", path).unwrap();
        }
        assert_eq!(of(&program), [0; 0]);
        let mut child = process::Command::new(&program).arg("600").spawn().unwrap();
        // spawn returns only after exec, so the program is running.
        assert_eq!(of(&program), [child.id()]);
        assert_eq!(of(&copy), [0; 0]);
        fs::rename(&copy, &program).unwrap();
        assert_eq!(of(&program), [0; 0], "another file is another program");
        child.kill().unwrap();
        child.wait().unwrap();
        let own = std::env::current_exe().unwrap();
        assert!(!of(&own).contains(&process::id()));
        assert_eq!(of(Path::new("/nowhere")), [0; 0]);
    }
}
