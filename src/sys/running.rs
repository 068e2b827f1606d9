//! Finds the processes that run a program file.

use std::env;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use super::file;

/// Bytes that are read of a pid file.
const PID: u64 = 32;

/// The ids of the processes, except this one, that run the file now at `program` as an agent, in
/// ascending order. Only those of root and of the user with the id `user`, because every user can
/// start the program. Only root finds the processes of other users.
pub(crate) fn of(program: &Path, user: u32) -> Vec<u32> {
    let agent = program.file_name().unwrap_or_default().as_encoded_bytes();
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
            && fs::metadata(entry.path()).is_ok_and(|is| is.uid() == 0 || is.uid() == user)
            && command_line(pid).is_some_and(|line| is_agent(&line, agent))
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

/// The words of a process, each with a NUL behind it.
fn command_line(pid: u32) -> Option<Vec<u8>> {
    file::read(Path::new(&format!("/proc/{pid}/cmdline"))).ok()
}

/// Whether the command line of a process is that of an agent or its supervisor: neither the name of
/// the program nor the first argument names an applet or another command.
fn is_agent(line: &[u8], program: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == 0);
    words.next().is_some_and(|name| name.ends_with(program))
        && words.next().is_none_or(|word| {
            word == b"supervise" || !word.first().is_some_and(u8::is_ascii_lowercase)
        })
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
    let words = command_line(pid)?;
    let command = words.split(|byte| *byte == 0).nth(1);
    Some((pid, command == Some(b"supervise")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process to be found")]
    fn running_process_is_found_by_its_file_and_user_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let [program, copy] = ["program", "copy"].map(|name| dir.path().join(name));
        for path in [&program, &copy] {
            fs::copy("/bin/sleep", path).unwrap();
        }
        // Root's processes count in any case.
        let user = match fs::metadata(&program).unwrap().uid() {
            0 => 65534,
            own => own,
        };
        assert_eq!(of(&program, user), [0; 0]);
        let mut command = process::Command::new(&program);
        let mut child = command.arg("600").uid(user).spawn().unwrap();
        // spawn returns only after exec, so the program is running.
        assert_eq!(of(&program, user), [child.id()]);
        assert_eq!(of(&program, user + 1), [0; 0], "another user's");
        assert_eq!(of(&copy, user), [0; 0]);
        fs::rename(&copy, &program).unwrap();
        assert_eq!(
            of(&program, user),
            [0; 0],
            "another file is another program"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let own = std::env::current_exe().unwrap();
        assert!(!of(&own, user).contains(&process::id()));
        assert_eq!(of(Path::new("/nowhere"), user), [0; 0]);
    }

    #[test]
    fn running_agent_is_distinguished_from_other_commands() {
        // (command line, whether it is an agent's)
        let table = [
            ("/usr/bin/mackerel-agent\0-root\0/state\0", true),
            ("mackerel-agent\0", true),
            ("mackerel-agent\0supervise\0-v\0", true),
            ("/usr/bin/mackerel-agent\0check-http\0-u\0x\0", false),
            ("/usr/lib/mackerel-agent/applets/check-http\0-u\0x\0", false),
            ("mackerel-agent\0upgrade\0-spread=6h\0", false),
            ("mackerel-agent\0wrap\0--\0job\0", false),
            ("", false),
        ];
        for (line, expected) in table {
            let found = is_agent(line.as_bytes(), b"mackerel-agent");
            assert_eq!(found, expected, "{line:?}");
        }
    }
}
