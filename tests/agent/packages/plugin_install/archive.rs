//! Archives for tests.

use std::io::{self, Write};

/// A file of an archive: path, mode with the kind of file, content.
pub(super) type Row<'a> = (&'a str, u32, &'a [u8]);

/// A plugin that any machine runs.
pub(super) fn script(version: &str) -> String {
    format!("#!/bin/sh\necho {version}\n")
}

/// Go's name of the program's machine.
pub(super) fn goarch() -> &'static str {
    let arch = match std::env::var("AGENT_BIN") {
        Ok(path) if path.contains("arm64") => "aarch64",
        Ok(path) if path.contains("armv") => "arm",
        _ => std::env::consts::ARCH,
    };
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A zip of these files, deflated.
pub(super) fn zip(rows: &[Row<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, mode, content) in rows {
        let packed = miniz_oxide::deflate::compress_to_vec(content, 1);
        let file = archive.new_file(name).unix_permissions(*mode);
        let file = file.compression_method(rawzip::CompressionMethod::DEFLATE);
        let (mut entry, config) = file.start().unwrap();
        let mut plain = config.wrap(io::sink());
        plain.write_all(content).unwrap();
        let (_, descriptor) = plain.finish().unwrap();
        entry.write_all(&packed).unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

/// A tar of these files in gzip.
pub(super) fn tar_gz(rows: &[Row<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, content) in rows {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode & 0o7777);
        header.set_size(content.len() as u64);
        header.set_entry_type(match mode & 0o170_000 {
            0o120_000 => tar::EntryType::Symlink,
            0o010_000 => tar::EntryType::Link,
            0o020_000 => tar::EntryType::Char,
            _ => tar::EntryType::Regular,
        });
        // Not `append_data`, which refuses paths that lead out of the archive.
        let field = &mut header.as_mut_bytes()[..name.len()];
        field.copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    let content = archive.into_inner().unwrap();
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec();
    bytes.extend(miniz_oxide::deflate::compress_to_vec(&content, 1));
    bytes.extend(rawzip::crc32(&content).to_le_bytes());
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes
}

/// An ELF program without sections: for this machine, with 64 bits or 32.
pub(super) fn elf(machine: u8, is_wide: bool) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(is_wide), 1, 1]);
    bytes[16] = 2;
    bytes[18] = machine;
    bytes
}

/// A 32-bit ARM program of Go for this version of ARM: its one section with a content has the build
/// information.
pub(super) fn go_arm(version: char) -> Vec<u8> {
    let mut bytes = elf(40, false);
    bytes.truncate(52);
    let names = b"\0.go.buildinfo\0";
    let mut info = b"\xff Go buildinf:\x04\x02".to_vec();
    info.resize(32, 0);
    info.extend(b"\x08go1.25.1");
    let text = format!("0123456789abcdefpath\tx\nbuild\tGOARM={version}\n0123456789abcdef");
    info.push(u8::try_from(text.len()).unwrap());
    info.extend(text.bytes());
    let table = 52 + names.len() + info.len();
    let put = |bytes: &mut Vec<u8>, at: usize, value: usize| {
        bytes[at..at + 4].copy_from_slice(&u32::try_from(value).unwrap().to_le_bytes());
    };
    put(&mut bytes, 32, table);
    bytes[46..52].copy_from_slice(&[40, 0, 3, 0, 2, 0]);
    bytes.extend(names);
    bytes.extend(&info);
    bytes.extend([0; 120]);
    for (row, name, offset, size) in [
        (1, 1, 52 + names.len(), info.len()),
        (2, 0, 52, names.len()),
    ] {
        let row = table + 40 * row;
        put(&mut bytes, row, name);
        put(&mut bytes, row + 16, offset);
        put(&mut bytes, row + 20, size);
    }
    bytes
}
