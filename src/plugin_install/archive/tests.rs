use std::io::{self, Read, Write};

use super::*;

/// A file of an archive: name, mode with the kind of file, content.
type Row<'a> = (&'a str, u32, &'a [u8]);

/// A zip with these files, deflated.
fn zip(rows: &[Row<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, mode, content) in rows {
        let packed = miniz_oxide::deflate::compress_to_vec(content, 6);
        let file = archive.new_file(name).unix_permissions(*mode);
        let file = file.compression_method(CompressionMethod::DEFLATE);
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

/// gzip of some bytes, with every part that its header may have.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x02\0ab".to_vec();
    bytes.extend(b"name\0comment\0cc");
    bytes.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
    bytes.extend(rawzip::crc32(content).to_le_bytes());
    bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    bytes
}

/// A tar of these files, in the notation of GNU: it has long names.
fn tar(rows: &[Row<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, content) in rows {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode & 0o7777);
        header.set_size(content.len() as u64);
        header.set_entry_type(match mode & 0o170_000 {
            0o120_000 => EntryType::Symlink,
            0o040_000 => EntryType::Directory,
            0o020_000 => EntryType::Char,
            _ => EntryType::Regular,
        });
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// Name, kind, whether it is executable, and content of an entry.
type Found = (String, Kind, bool, Vec<u8>);

/// A whole content, read by few bytes at a time.
fn whole(content: &mut Content<'_>) -> Result<Vec<u8>, Fault> {
    let (mut whole, mut piece) = (Vec::new(), [0; 1000]);
    loop {
        match content.read(&mut piece)? {
            0 => return Ok(whole),
            length => whole.extend(&piece[..length]),
        }
    }
}

/// All entries of an archive.
fn all(archive: &[u8]) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::new();
    unpack(archive, &mut |entry| {
        let content = match entry.kind {
            Kind::File => whole(entry.content)?,
            _ => Vec::new(),
        };
        let name = String::from_utf8_lossy(entry.name);
        found.push((
            name.trim_end_matches('/').to_owned(),
            entry.kind,
            entry.is_executable,
            content,
        ));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn archive_is_unpacked_whatever_its_format() {
    let long = format!("{}/check-long", "d".repeat(150));
    let content = b"content ".repeat(10_000);
    let rows: [Row<'_>; 6] = [
        ("x_linux_amd64", 0o040_755, b""),
        ("x_linux_amd64/check-a", 0o100_755, &content),
        ("README.md", 0o100_644, b"text"),
        (&long, 0o100_755, b"long"),
        ("check-link", 0o120_777, b""),
        ("empty", 0o100_600, b""),
    ];
    let expected = |kinds: [Kind; 6]| {
        let rows = rows.iter().zip(kinds);
        let row = |((name, mode, content), kind): (&Row<'_>, Kind)| {
            (
                (*name).to_owned(),
                kind,
                mode & 0o111 != 0,
                content.to_vec(),
            )
        };
        rows.map(row).collect::<Vec<_>>()
    };
    use Kind::{Directory, File, Other};
    let kinds = [Directory, File, File, File, Other, File];
    assert_eq!(all(&zip(&rows)).unwrap(), expected(kinds));
    assert_eq!(all(&gzip(&tar(&rows))).unwrap(), expected(kinds));
}

#[test]
fn archive_of_pax_has_its_long_name() {
    let long = format!("{}/check-long", "d".repeat(300));
    let record = |key: &str, value: &str| {
        let length = key.len() + value.len() + 6;
        format!("{length} {key}={value}\n")
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    let text = record("path", &long);
    header.set_entry_type(EntryType::XHeader);
    header.set_size(text.len() as u64);
    archive
        .append_data(&mut header, "PaxHeaders/x", text.as_bytes())
        .unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(1);
    archive
        .append_data(&mut header, "short", &b"x"[..])
        .unwrap();
    let found = all(&gzip(&archive.into_inner().unwrap())).unwrap();
    assert_eq!(found, [(long, Kind::File, true, b"x".to_vec())]);
}

/// All entries of a tar, by the reader of the crate.
fn all_of_the_crate(bytes: &[u8]) -> Vec<Found> {
    let mut archive = tar::Archive::new(bytes);
    let found = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode().unwrap());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let kind = match kind {
            EntryType::Regular => Kind::File,
            EntryType::Directory => Kind::Directory,
            _ => Kind::Other,
        };
        let name = name.trim_end_matches('/').to_owned();
        (name, kind, mode & 0o111 != 0, content)
    });
    found.collect()
}

/// A thousand archives of up to six entries: every length of a name from 1 to 300, which ustar puts
/// into two fields and GNU into an entry of its own, and of a content around one and two blocks.
#[test]
fn tar_is_read_as_by_the_crate() {
    let mut state = 1_u32;
    let mut random = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % most
    };
    for round in 0..1000 {
        let mut archive = tar::Builder::new(Vec::new());
        for _ in 0..=random(6) {
            let mut header = match random(3) {
                0 => tar::Header::new_ustar(),
                _ => tar::Header::new_gnu(),
            };
            let kinds = [EntryType::Regular, EntryType::Directory, EntryType::Symlink];
            let kind = kinds[random(3) as usize];
            let length = match kind {
                EntryType::Regular => random(1_100),
                _ => 0,
            };
            header.set_entry_type(kind);
            header.set_mode(random(0o1000));
            header.set_size(length.into());
            let mut name = "d".repeat(1 + round % 300);
            // ustar divides a name at a slash, and has no room for more than 255 bytes.
            if header.as_ustar().is_some() {
                name.truncate(190);
                name.replace_range(name.len() / 2..name.len() / 2, "/");
                name.insert(0, 'a');
            }
            let content = vec![b'c'; length as usize];
            archive
                .append_data(&mut header, name, &content[..])
                .unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        assert_eq!(all(&gzip(&bytes)).unwrap(), all_of_the_crate(&bytes));
    }
}

#[test]
fn archive_that_is_damaged_or_too_large_is_refused() {
    let good = zip(&[("check-a", 0o100_755, b"content")]);
    let tarball = tar(&[("check-a", 0o100_755, b"content")]);
    let packed = gzip(&tarball);
    let cut = |bytes: &[u8], by: usize| bytes[..bytes.len() - by].to_vec();
    let at = |bytes: &[u8], at: usize, byte: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    let zeros = vec![0; 5 << 20];
    let bomb: [Row<'_>; 2] = [("a", 0o100_644, &zeros), ("b", 0o100_644, &zeros)];
    let many: Vec<_> = (0..=ENTRIES).map(|number| number.to_string()).collect();
    let many: Vec<Row<'_>> = many
        .iter()
        .map(|name| (&**name, 0o100_644, &b""[..]))
        .collect();
    let crc = good.len() - 22 - 7 - 46 + 16;
    // (why this row exists, archive, part of the error)
    let table = [
        ("empty", Vec::new(), "neither zip nor tar.gz"),
        ("a page", b"<html>".to_vec(), "neither zip nor tar.gz"),
        ("a plain tar", tarball.clone(), "neither zip nor tar.gz"),
        ("a zip that is cut off", cut(&good, 1), "damaged zip"),
        (
            "another checksum",
            at(&good, crc, !good[crc]),
            "its checksum or its size is wrong",
        ),
        (
            "another size",
            at(&good, crc + 8, 6),
            "its checksum or its size is wrong",
        ),
        ("a gzip header alone", packed[..12].to_vec(), "damaged gzip"),
        ("a gzip that is cut off", cut(&packed, 9), "damaged"),
        (
            "another checksum",
            at(&packed, packed.len() - 8, !packed[packed.len() - 8]),
            "its checksum",
        ),
        ("gzip of something else", gzip(&[b'x'; 600]), "damaged tar"),
        ("nothing in it", gzip(b""), ""),
        ("a bomb", zip(&bomb), "unpacks to more than 256 MiB"),
        (
            "a bomb of tar",
            gzip(&tar(&bomb)),
            "unpacks to more than 256 MiB",
        ),
        ("too many entries", zip(&many), "more than 10,000 entries"),
        (
            "too many entries of tar",
            gzip(&tar(&many)),
            "more than 10,000 entries",
        ),
    ];
    for (why, archive, expected) in table {
        let mut copy = |entry: Entry<'_, '_>| whole(entry.content).map(drop);
        let error = unpack_within(&archive, 8 << 20, &mut copy)
            .err()
            .unwrap_or_default();
        assert!(error.contains(expected), "{why}: {error}");
        assert_eq!(error.is_empty(), expected.is_empty(), "{why}: {error}");
    }
}

#[test]
fn archive_damaged_anywhere_never_panics() {
    let rows: [Row<'_>; 2] = [
        ("a/check-a", 0o100_755, b"content"),
        ("link", 0o120_777, b""),
    ];
    let long = format!("{}/check-long", "d".repeat(150));
    for good in [zip(&rows), gzip(&tar(&[(&long, 0o100_755, b"x")]))] {
        for end in 0..good.len() {
            drop(all(&good[..end]));
        }
        for at in 0..good.len() {
            for bad in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = bad;
                drop(all(&bytes));
            }
        }
    }
    // Damage below the compression.
    let good = tar(&[(&long, 0o100_755, b"x")]);
    for at in 0..good.len() {
        for bad in [0, b'7', 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = bad;
            drop(all(&gzip(&bytes)));
        }
    }
}

#[test]
fn checksum_is_that_of_rawzip() {
    let mut bytes = Vec::new();
    let mut own = !0;
    for number in 0..2000_u32 {
        assert_eq!(!own, rawzip::crc32(&bytes), "{number}");
        let byte = number.wrapping_mul(2_654_435_761).to_be_bytes()[0];
        bytes.push(byte);
        own = crc(own, byte);
    }
}
