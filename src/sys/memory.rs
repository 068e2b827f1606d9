//! The memory limit of this process.

use std::path::Path;

use super::file;

/// Where a container sees the files of its own cgroup.
const GROUP: &str = "/sys/fs/cgroup";
/// The file with the limit, relative to [`GROUP`]: of version 2, and of version 1.
const FILES: [&str; 2] = ["memory.max", "memory/memory.limit_in_bytes"];

/// The memory limit in bytes of this process's container; `None` if there is none. Version 1
/// reports nearly 2^63 if there is no limit.
pub(crate) fn limit() -> Option<u64> {
    limit_in(Path::new(GROUP))
}

fn limit_in(group: &Path) -> Option<u64> {
    FILES.iter().find_map(|name| {
        let bytes = file::read(&group.join(name)).ok()?;
        str::from_utf8(&bytes).ok()?.trim_end().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn memory_limit_is_that_of_the_container() {
        // (why this row exists, file, what it holds, limit)
        let table = [
            ("version 2", "memory.max", "16777216\n", Some(16 << 20)),
            ("version 2, no limit", "memory.max", "max\n", None),
            (
                "version 1",
                "memory/memory.limit_in_bytes",
                "16777216\n",
                Some(16 << 20),
            ),
            (
                "version 1, no limit",
                "memory/memory.limit_in_bytes",
                "9223372036854771712\n",
                Some(9_223_372_036_854_771_712),
            ),
            (
                "no limit anywhere, as on a host",
                "memory.stat",
                "anon 1\n",
                None,
            ),
            ("damaged", "memory.max", "\u{0}", None),
        ];
        for (why, name, text, expected) in table {
            let group = tempfile::tempdir().unwrap();
            let path = group.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            assert_eq!(limit_in(group.path()), expected, "{why}");
        }
    }
}
