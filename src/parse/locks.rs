//! `/proc/locks`: the locks on files (proc_locks(5)).

/// The processes that hold a lock of flock(2) on a file with this inode number, in the file's
/// order. Files of several filesystems may have this number.
pub(crate) fn holders(text: &str, inode: u64) -> Vec<u32> {
    let holder = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let kind = words.next()?;
        // A word `->` means a process that waits for the lock.
        let pid = words.nth(2)?.parse().ok()?;
        let file = words.next()?.rsplit(':').next()?;
        (kind == "FLOCK" && file.parse() == Ok(inode)).then_some(pid)
    };
    text.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_those_of_the_file() {
        let text = "1: FLOCK  ADVISORY  WRITE 812 08:01:1311 0 EOF\n\
                    1: -> FLOCK  ADVISORY  WRITE 900 08:01:1311 0 EOF\n\
                    2: POSIX  ADVISORY  WRITE 813 08:01:1311 0 EOF\n\
                    3: FLOCK  ADVISORY  WRITE 814 00:1b:1311 0 EOF\n\
                    4: FLOCK  ADVISORY  READ  815 08:01:13110 0 EOF\n\
                    x\n5: FLOCK\n";
        assert_eq!(holders(text, 1311), [812, 814]);
        assert_eq!(holders(text, 13), [0; 0]);
        assert_eq!(holders("", 1), [0; 0]);
    }
}
