//! The system user that the agent runs as.

use super::command::Commands;
use super::layout::NAME;
use crate::base;
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// The range of ids for system users. It is searched downwards.
const NUMBERS: std::ops::Range<u32> = 100..1000;

/// The ids of the user and its primary group; `None` if there is no such user.
pub(super) fn find(tree: &Tree) -> Option<(u32, u32)> {
    let passwd = text(tree, "/etc/passwd");
    let mut fields = line(&passwd)?.split(':').skip(2);
    let mut next = || fields.next()?.parse().ok();
    Some((next()?, next()?))
}

/// Creates the user and its group of the same name. Uses the host's tools. In a tree that is not
/// the running host, or without tools, writes the files directly.
pub(super) fn make(tree: &Tree, commands: &Commands, home: &str) -> Result<(), String> {
    let shell = "/sbin/nologin";
    let has_group = line(&text(tree, "/etc/group")).is_some();
    match tool(tree, "useradd", "adduser") {
        Some("useradd") => {
            let group: &[&str] = if has_group { &["-g", NAME] } else { &["-U"] };
            let words = ["useradd", "-r", "-M", "-d", home, "-s", shell];
            commands.run(&[&words, group, &[NAME]].concat())
        }
        Some(_) => {
            if !has_group {
                commands.run(&["addgroup", "-S", NAME])?;
            }
            let words = ["adduser", "-S", "-D", "-H", "-h", home, "-s", shell, "-G"];
            commands.run(&[&words[..], &[NAME, NAME]].concat())
        }
        None => {
            let (passwd, group) = (whole(tree, "/etc/passwd")?, whole(tree, "/etc/group")?);
            let is_used = |text: &str, number: u32| {
                let mut lines = text.lines().filter_map(|line| line.split(':').nth(2));
                lines.any(|used| used.parse() == Ok(number))
            };
            let free = |number: &u32| !is_used(&passwd, *number) && !is_used(&group, *number);
            let number = NUMBERS
                .rev()
                .find(free)
                .ok_or("no number is left for a user")?;
            append(tree, "/etc/group", &format!("{NAME}:*:{number}:"))?;
            let user = format!("{NAME}:*:{number}:{number}:Mackerel agent:{home}:{shell}");
            append(tree, "/etc/passwd", &user)
        }
    }
}

/// Removes the user and its group.
pub(super) fn remove(tree: &Tree, commands: &Commands) -> Result<(), String> {
    match tool(tree, "userdel", "deluser") {
        Some(tool) => commands.run(&[tool, NAME])?,
        None => {
            for path in ["/etc/passwd", "/etc/group"] {
                let text = whole(tree, path)?;
                let mut kept = String::new();
                for line in text.lines() {
                    if !is_ours(line) {
                        kept.push_str(line);
                        kept.push('\n');
                    }
                }
                write(tree, path, &kept)?;
            }
        }
    }
    // Some tools leave the group.
    match tool(tree, "groupdel", "delgroup") {
        Some(tool) if line(&text(tree, "/etc/group")).is_some() => commands.run(&[tool, NAME]),
        _ => Ok(()),
    }
}

/// The first of the two programs that exists on the host; `None` in another tree.
fn tool(tree: &Tree, shadow: &'static str, busybox: &'static str) -> Option<&'static str> {
    let has = |name: &&str| {
        let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
        tree.is_host()
            && places
                .iter()
                .any(|place| tree.has(&format!("{place}/{name}")))
    };
    [shadow, busybox].into_iter().find(|name| has(name))
}

/// The content of a file, for lookups only; empty if it cannot be read.
fn text(tree: &Tree, path: &str) -> String {
    let bytes = tree.read(path).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The content of a file that will be written back. Fails if it cannot be read, so that its content
/// is never lost.
fn whole(tree: &Tree, path: &str) -> Result<String, String> {
    let bytes = tree.read(path).map_err(|error| base::report(&error))?;
    String::from_utf8(bytes.unwrap_or_default()).map_err(|_| {
        format!("{path} is no UTF-8, and is left alone: add the user {NAME} and its group, or remove them, by hand")
    })
}

/// The line of the agent's user or group.
fn line(text: &str) -> Option<&str> {
    text.lines().find(|line| is_ours(line))
}

fn is_ours(line: &str) -> bool {
    line.strip_prefix(NAME)
        .is_some_and(|rest| rest.starts_with(':'))
}

fn append(tree: &Tree, path: &str, line: &str) -> Result<(), String> {
    let mut text = whole(tree, path)?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.extend([line, "\n"]);
    write(tree, path, &text)
}

fn write(tree: &Tree, path: &str, text: &str) -> Result<(), String> {
    let access = match tree.there(path) {
        There::File(access) => access,
        _ => Access {
            mode: 0o644,
            uid: 0,
            gid: 0,
        },
    };
    let written = tree.write(path, text.as_bytes(), access);
    written.map_err(|error| base::report(&error))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn account_in_a_tree_is_created_by_writing_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join("etc").join(name);
        fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = "root:x:0:0::/root:/bin/sh\nmackerel-agent2:x:999:5::/:\n";
        let group = "root:x:0:\nwww:x:998:";
        fs::write(path("passwd"), passwd).unwrap();
        fs::write(path("group"), group).unwrap();
        let tree = Tree::at(dir.path());
        let commands = Commands::new().unwrap();
        assert_eq!(find(&tree), None);
        make(&tree, &commands, "/state").unwrap();
        assert_eq!(find(&tree), Some((997, 997)));
        let user = "mackerel-agent:*:997:997:Mackerel agent:/state:/sbin/nologin\n";
        let content = |name| String::from_utf8(fs::read(path(name)).unwrap()).unwrap();
        assert_eq!(content("passwd"), format!("{passwd}{user}"));
        assert_eq!(
            content("group"),
            format!("{group}\nmackerel-agent:*:997:\n")
        );
        remove(&tree, &commands).unwrap();
        assert_eq!(find(&tree), None);
        assert_eq!(content("passwd"), passwd);
        assert_eq!(content("group"), format!("{group}\n"));
    }

    #[test]
    fn account_files_that_cannot_be_read_are_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd = dir.path().join("etc/passwd");
        let commands = Commands::new().unwrap();
        for bad in [&b"jos\xe9:x:1000:1000::/:\n"[..], &[b'x'; 20 << 20]] {
            fs::write(&passwd, bad).unwrap();
            let tree = Tree::at(dir.path());
            assert!(make(&tree, &commands, "/state").is_err());
            assert!(remove(&tree, &commands).is_err());
            assert!(fs::read(&passwd).unwrap() == bad);
        }
    }
}
