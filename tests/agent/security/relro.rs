//! Tables of addresses are read-only once the program runs (RELRO).

use std::fs;
use std::ops::Range;

use crate::process_tree::{is_root, text};
use crate::sandbox::{Sandbox, binary, is_emulated, limit};
use fake_server::FakeServer;

const PT_LOAD: u64 = 1;
const PT_GNU_RELRO: u64 = 0x6474_e552;
/// Bytes of a page of the machine's kernel.
const PAGE: u64 = 4096;

/// One mapping of `/proc/PID/maps`.
struct Mapping {
    range: Range<u64>,
    rights: String,
    offset: u64,
    path: String,
}

fn mappings(maps: &str) -> Vec<Mapping> {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
    maps.lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (start, end) = words[0].split_once('-').unwrap();
            Mapping {
                range: hex(start)..hex(end),
                rights: words[1].to_owned(),
                offset: hex(words[2]),
                path: words.get(5).copied().unwrap_or_default().to_owned(),
            }
        })
        .collect()
}

/// Addresses of the first segment of this kind in a 64-bit ELF file.
fn segment(elf: &[u8], kind: u64) -> Option<Range<u64>> {
    let number = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&elf[at..at + size]);
        u64::from_le_bytes(bytes)
    };
    assert_eq!(elf[..5], *b"\x7fELF\x02");
    let at = |at, size| usize::try_from(number(at, size)).unwrap();
    let header = (0..at(56, 2))
        .map(|index| at(32, 8) + index * 56)
        .find(|&header| number(header, 4) == kind)?;
    let start = number(header + 16, 8);
    Some(start..start + number(header + 40, 8))
}

#[test]
fn relocated_tables_are_read_only() {
    require!(
        is_root(),
        "only root sees the mappings of a process that is not dumpable"
    );
    only_if!(!is_emulated(), "the mappings would be the emulator's");
    let server = FakeServer::http();
    let sandbox = Sandbox::of(&server);
    let agent = sandbox.start();
    server.wait(limit(10), "host", |seen| {
        (!seen.model.hosts.is_empty()).then_some(())
    });

    let program = fs::canonicalize(binary()).unwrap();
    let elf = fs::read(&program).unwrap();
    let first = segment(&elf, PT_LOAD).unwrap().start;
    let relro = segment(&elf, PT_GNU_RELRO).expect("the program has no PT_GNU_RELRO");
    let maps = text(agent.pid(), "maps");
    let mappings = mappings(&maps);
    let base = mappings
        .iter()
        .find(|mapping| mapping.offset == 0 && mapping.path == program.to_str().unwrap())
        .map(|mapping| mapping.range.start - first)
        .unwrap();
    // Whole pages only.
    let pages = (base + relro.start) / PAGE * PAGE..(base + relro.end) / PAGE * PAGE;
    assert!(!pages.is_empty());
    let mut at = pages.start;
    while at < pages.end {
        let mapping = mappings
            .iter()
            .find(|mapping| mapping.range.contains(&at))
            .unwrap_or_else(|| panic!("{at:x} is not mapped:\n{maps}"));
        assert_eq!(mapping.rights, "r--p", "{at:x} of {pages:x?}:\n{maps}");
        at = mapping.range.end;
    }
}
