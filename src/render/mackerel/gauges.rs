//! Values outside their range in the host's files. A part never exceeds its whole, no value reaches
//! 2^53, and an unparsable line costs only its own value.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::testing::Rig;
use crate::base;
use crate::collect::CollectError;
use crate::config::Config;
use crate::sys::fsstat::{FsStats, Usage};

/// One round over `files`: the values as `name=value`, and the result.
fn round(mut rig: Rig, files: &[(&str, &str)]) -> (String, Result<(), CollectError>) {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (values, result) = rig.attempt_at(directory.path(), 0);
    let mut line = String::new();
    for (name, value) in values {
        let name = name.rsplit('.').next().unwrap();
        write!(line, " {name}={value}").unwrap();
    }
    (line.trim_start().to_owned(), result)
}

/// The message of a round that failed in part; empty if it succeeded.
fn message(result: Result<(), CollectError>) -> String {
    result.map_or_else(|error| base::report(&error), |()| String::new())
}

#[test]
fn memory_of_every_odd_kind() {
    const REST: &str = "swap_total=4096 swap_cached=0 swap_free=2048";
    const SWAP: &str = "SwapTotal: 4 kB\nSwapCached: 0 kB\nSwapFree: 2 kB\n";
    const RAM: &str = "MemTotal: 10 kB\nMemFree: 1 kB\nMemAvailable: 4 kB\n";
    const USED: &str = "total=10240 mem_available=4096 used=6144";
    let with_swap = |ram: &str| [ram, SWAP].concat();
    let with_ram = |swap: &str| [RAM, swap].concat();
    // (why this row exists, the text, the values, the field named in the message)
    let table = [
        ("ordinary", with_swap(RAM), format!("{USED} {REST}"), ""),
        (
            "LXCFS without swap: less than none is free",
            with_ram("SwapTotal: 0 kB\nSwapFree: 18446744073709346016 kB\n"),
            format!("{USED} swap_total=0 swap_cached=0"),
            "",
        ),
        (
            "LXCFS with swap: less than none is free",
            with_ram("SwapTotal: 4 kB\nSwapFree: 18446744073709346016 kB\n"),
            format!("{USED} swap_total=4096 swap_cached=0"),
            "",
        ),
        (
            "more swap is free than there is",
            with_ram("SwapTotal: 4 kB\nSwapFree: 5 kB\n"),
            format!("{USED} swap_total=4096 swap_cached=0 swap_free=4096"),
            "",
        ),
        (
            "more swap is cached than there is",
            with_ram("SwapTotal: 4 kB\nSwapCached: 5 kB\nSwapFree: 2 kB\n"),
            format!("{USED} swap_total=4096 swap_cached=4096 swap_free=2048"),
            "",
        ),
        (
            "the host's memory is available, the container's is the total",
            with_swap("MemTotal: 10 kB\nMemAvailable: 9000000 kB\n"),
            format!("total=10240 mem_available=10240 used=0 {REST}"),
            "",
        ),
        (
            "a negative line",
            with_ram("SwapTotal: 4 kB\nSwapCached: -4 kB\nSwapFree: 2 kB\n"),
            format!("{USED} swap_total=4096 swap_free=2048"),
            "SwapCached",
        ),
        (
            "a negative line of what is not reported",
            with_swap("MemTotal: 10 kB\nMemAvailable: 4 kB\nBuffers: -1 kB\n"),
            format!("{USED} {REST}"),
            "",
        ),
        (
            "a word",
            with_ram("SwapTotal: lots kB\nSwapFree: 2 kB\n"),
            format!("{USED} swap_cached=0 swap_free=2048"),
            "SwapTotal",
        ),
        (
            "no number",
            with_ram("SwapTotal: 4 kB\nSwapFree:\n"),
            format!("{USED} swap_total=4096 swap_cached=0"),
            "SwapFree",
        ),
        (
            "no finite number",
            with_ram("SwapTotal: 4 kB\nSwapFree: inf kB\n"),
            format!("{USED} swap_total=4096 swap_cached=0"),
            "SwapFree",
        ),
        (
            "more digits than a number has",
            with_ram("SwapTotal: 99999999999999999999 kB\nSwapFree: 2 kB\n"),
            format!("{USED} swap_cached=0 swap_free=2048"),
            "SwapTotal",
        ),
        (
            "what is available is unknown, and with it what is used",
            with_swap("MemTotal: 10 kB\nMemAvailable: -4 kB\nMemFree: 1 kB\n"),
            format!("total=10240 {REST}"),
            "MemAvailable",
        ),
        (
            "the total is unknown",
            with_swap("MemTotal: -10 kB\nMemAvailable: 4 kB\n"),
            format!("mem_available=4096 {REST}"),
            "MemTotal",
        ),
        (
            "the total is missing",
            with_swap("MemAvailable: 4 kB\n"),
            format!("mem_available=4096 {REST}"),
            "MemTotal",
        ),
        (
            "a total of 2^64-1",
            with_swap("MemTotal: 18446744073709551615 kB\nMemAvailable: 4 kB\n"),
            format!("mem_available=4096 {REST}"),
            "",
        ),
        (
            "a total of 2^53 bytes",
            with_swap("MemTotal: 8796093022208 kB\nMemAvailable: 4 kB\n"),
            format!("mem_available=4096 {REST}"),
            "",
        ),
        (
            "an old kernel, of which one line is damaged",
            with_swap("MemTotal: 10 kB\nMemFree: 1 kB\nBuffers: 2 kB\nCached: -3 kB\n"),
            format!("total=10240 free=1024 buffers=2048 {REST}"),
            "Cached",
        ),
        (
            "an old kernel, of which each part exceeds the whole",
            with_swap("MemTotal: 10 kB\nMemFree: 11 kB\nBuffers: 12 kB\nCached: 13 kB\n"),
            format!("total=10240 free=10240 buffers=10240 cached=10240 used=0 {REST}"),
            "",
        ),
    ];
    for (why, text, expected, line) in table {
        let (found, result) = round(Rig::of("memory"), &[("proc/meminfo", &text)]);
        assert_eq!(found, expected, "{why}");
        let message = message(result);
        assert_eq!(message.is_empty(), line.is_empty(), "{why}: {message}");
        assert!(message.contains(line), "{why}: {message}");
    }
}

#[test]
fn load_of_every_odd_kind() {
    // (why this row exists, the text, the values, whether there is a message)
    let table = [
        (
            "ordinary",
            "0.1 0.2 0.3 1/9 7\n",
            "1=0.1 5=0.2 15=0.3",
            false,
        ),
        ("a word", "0.1 x 0.3 1/9 7\n", "1=0.1 15=0.3", true),
        ("negative", "-0.1 0.2 0.3\n", "5=0.2 15=0.3", true),
        ("not a number", "nan 0.2 0.3\n", "5=0.2 15=0.3", true),
        ("infinite", "0.1 inf 0.3\n", "1=0.1 15=0.3", true),
        (
            "infinite, in digits",
            "0.1 1e400 0.3\n",
            "1=0.1 15=0.3",
            true,
        ),
        ("2^53", "0.1 9007199254740992 0.3\n", "1=0.1 15=0.3", false),
        ("one is missing", "0.1 0.2\n", "1=0.1 5=0.2", true),
        (
            "2^64-1",
            "18446744073709551615 0.2 0.3\n",
            "5=0.2 15=0.3",
            false,
        ),
        ("empty", "", "", true),
    ];
    for (why, text, expected, has_message) in table {
        let (found, result) = round(Rig::of("loadavg"), &[("proc/loadavg", text)]);
        assert_eq!(found.replace("loadavg", ""), expected, "{why}");
        assert_eq!(result.is_err(), has_message, "{why}");
    }
}

#[test]
fn filesystems_of_every_odd_kind() {
    const MOUNT: &str = "20 1 8:1 / / rw - ext4 /dev/a rw\n";
    // (why this row exists, bytes of a block, blocks: all, free, available; the values)
    let table = [
        ("ordinary", 1, [10, 5, 4], "size=9 used=5"),
        (
            "more is available than free",
            1,
            [10, 5, 8],
            "size=10 used=5",
        ),
        ("more is free than there is", 1, [10, 11, 5], ""),
        ("2^53 bytes", 4096, [1 << 41, 0, 0], ""),
        (
            "2^53 bytes, of which few are used",
            4096,
            [1 << 41, (1 << 41) - 1, 1 << 40],
            "size=4503599627374592 used=4096",
        ),
        ("more bytes than a number has", u64::MAX, [10, 5, 4], ""),
        ("2^64-1 blocks", 1, [u64::MAX, 1, 1], ""),
        ("no blocks", 1, [0, 0, 0], ""),
    ];
    for (why, block, [all, free, available], expected) in table {
        let stats = FsStats::answering(move |_: &Path| Ok(Usage::new(block, all, free, available)));
        let rig = Rig::new("filesystem", &Config::default(), stats);
        let (found, _) = round(rig, &[("proc/self/mountinfo", MOUNT)]);
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn agent_metrics_of_every_odd_kind() {
    const STAT: &str = "1 (a) S 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 5 0 1\n";
    const ALL: &str = "VmRSS: 8 kB\nRssAnon: 2 kB\nThreads: 5\n";
    // (why this row exists, the status, the stat, the values, whether there is a message)
    let table = [
        (
            "ordinary",
            ALL,
            STAT,
            "alloc=2048 sys=8192 thread_num=5",
            false,
        ),
        (
            "a word",
            "VmRSS: x kB\nRssAnon: 2 kB\nThreads: 5\n",
            STAT,
            "alloc=2048 thread_num=5",
            true,
        ),
        (
            "negative",
            "VmRSS: 8 kB\nRssAnon: 2 kB\nThreads: -5\n",
            STAT,
            "alloc=2048 sys=8192",
            true,
        ),
        (
            "a part exceeds the whole",
            "VmRSS: 8 kB\nRssAnon: 9 kB\nThreads: 5\n",
            STAT,
            "alloc=8192 sys=8192 thread_num=5",
            false,
        ),
        (
            "2^64-1",
            "VmRSS: 18446744073709551615 kB\nRssAnon: 2 kB\nThreads: 5\n",
            STAT,
            "alloc=2048 thread_num=5",
            false,
        ),
        (
            "the other file is damaged",
            ALL,
            "1 (a) S\n",
            "alloc=2048 sys=8192 thread_num=5",
            true,
        ),
        ("this file is damaged", "nonsense\n", STAT, "", true),
    ];
    for (why, status, stat, expected, has_message) in table {
        let files = [("proc/self/status", status), ("proc/self/stat", stat)];
        let (found, result) = round(Rig::with("agent", "diagnostic = true"), &files);
        assert_eq!(found, expected, "{why}");
        assert_eq!(result.is_err(), has_message, "{why}");
    }
}
