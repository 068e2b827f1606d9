//! Plugins of others: their archives, their ELF headers, and the lock file.

use crate::elf_sample::{Sample, read_of};
use crate::parse::elf::Elf;

/// Texts with a meaning in archives.
pub(crate) const ARCHIVE: &[&[u8]] = &[
    b"PK\x01\x02",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"PK\x07\x08",
    b"\x1f\x8b\x08\x00",
    b"ustar\x0000",
    b"ustar  \0",
    b"././@LongLink",
    b"20 path=check-x\n",
    b"../",
    b"\xff\xff\xff\xff",
];
/// Texts with a meaning in programs.
pub(crate) const ELF: &[&[u8]] = &[
    b"\x7fELF\x01\x01\x01",
    b"\x7fELF\x02\x02\x01",
    b".go.buildinfo\0",
    b".ARM.attributes\0",
    b"\xff Go buildinf:",
    b"build\tGOARM=7\n",
    b"aeabi\0",
    b"\xff\xff\xff\xff",
    b"\x80\x80\x80\x80",
];

/// Reads an archive: as it is, as the data of a gzip, and as a tar in one, so that checksums are no
/// obstacle.
pub(crate) fn unpack(bytes: &[u8]) {
    crate::plugin_install::unpack(bytes);
    if bytes.len() < 1 << 16 {
        crate::plugin_install::unpack(&gzip(bytes));
    }
}

/// Reads a program.
pub(crate) fn elf(bytes: &[u8]) {
    if let Ok(elf) = Elf::parse(&read_of(bytes)) {
        let _ = (elf.machine, elf.arm());
    }
}

/// A tar in gzip, and a tar alone. A zip is in `fuzz/corpus`.
pub(crate) fn archives() -> Vec<Vec<u8>> {
    let content = b"#!/bin/sh\n".repeat(20);
    let mut archive = tar::Builder::new(Vec::new());
    for name in [
        "x/check-x".to_owned(),
        format!("{}/check-y", "d".repeat(150)),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, &*content).unwrap();
    }
    let tar = archive.into_inner().unwrap();
    vec![gzip(&tar), tar]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    bytes.extend(miniz_oxide::deflate::compress_to_vec(content, 0));
    bytes.extend(rawzip::crc32(content).to_le_bytes());
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes
}

/// Programs of Go and of C.
pub(crate) fn programs() -> Vec<Vec<u8>> {
    let go = "path\tx\nbuild\tGOARM=7\n";
    vec![
        Sample::arm().go(go).attributes(7).bytes(),
        Sample::arm().go_by_pointers(go).bytes(),
        Sample::of(183, true, false).go_by_pointers(go).bytes(),
        Sample::of(40, false, true).attributes(10).bytes(),
    ]
}

/// A lock file with two sources.
pub(crate) fn lock() -> Vec<u8> {
    let digest = "0f".repeat(32);
    let line = |source: &str, name: &str| {
        format!(
            "{{\"source\":\"{source}\",\"tag\":\"v1\",\"url\":\"https://h/a.zip\",\
             \"sha256\":\"{digest}\",\"files\":{{\"{name}\":\"{digest}\"}}}}\n"
        )
    };
    let lines = [line("a/b", "check-a"), line("c/d", "mackerel-plugin-c")];
    format!("# plugins\n{}", lines.concat()).into_bytes()
}
