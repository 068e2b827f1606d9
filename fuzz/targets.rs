//! The fuzz targets and their first inputs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::answers::Answers;
use crate::base::clock::Unix;
use crate::base::json::Json;
use crate::base::report;
use crate::config::{Config, Flags};
use crate::deliver::record::Record;
use crate::disk;
use crate::h2;
use crate::install;
use crate::parse::dns::records;
use crate::parse::{
    certificate, cpuinfo, diskstats, gitconfig, loadavg, manifest, meminfo, mountinfo, netdev, ntp,
    plugin, plugin_lock, plugin_target, release, stat,
};
use crate::plugins;
use crate::sys::http::head;
use crate::wire::error;

/// Runs one input. Returning means success.
type Try = Box<dyn FnMut(&[u8])>;

/// A parser of untrusted input.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Good inputs.
    pub(crate) corpus: Vec<Vec<u8>>,
    /// Texts with a meaning for this parser.
    pub(crate) pieces: &'static [&'static [u8]],
    pub(crate) run: Try,
}

impl Target {
    /// The files below `fuzz/corpus`: inputs that reached new parts of the program, or that failed
    /// before.
    pub(crate) fn kept(&self) -> Vec<Vec<u8>> {
        fixtures(&format!("fuzz/corpus/{}", self.name), &|_| true)
    }

    /// Writes the good inputs as files below `top`, and the texts as a libFuzzer dictionary.
    pub(crate) fn write_seeds(&self, top: &Path) {
        let directory = top.join(self.name);
        fs::create_dir_all(&directory).unwrap();
        for (number, input) in self.corpus.iter().enumerate() {
            fs::write(directory.join(number.to_string()), input).unwrap();
        }
        let hex = |text: &&[u8]| text.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        let words: Vec<_> = self
            .pieces
            .iter()
            .map(hex)
            .map(|word: String| format!("\"{word}\"\n"))
            .collect();
        fs::write(directory.with_extension("dict"), words.concat()).unwrap();
    }
}

fn target(
    name: &'static str,
    corpus: Vec<Vec<u8>>,
    pieces: &'static [&'static [u8]],
    run: impl FnMut(&[u8]) + 'static,
) -> Target {
    Target {
        name,
        corpus,
        pieces,
        run: Box::new(run),
    }
}

/// A target that takes text, as read from the host's files.
fn text(name: &'static str, ends: &str, run: impl Fn(&str) + 'static) -> Target {
    let corpus = fixtures("tests/fixtures", &|path| path.ends_with(ends));
    target(
        name,
        corpus,
        &[b"cpu", b"eth0:", b"kB", b"MemTotal:", b"processor\t: "],
        move |bytes| {
            run(&String::from_utf8_lossy(bytes));
        },
    )
}

/// Every target, by name.
pub(crate) fn all() -> Vec<Target> {
    let mut answers = None;
    vec![
        target(
            "config",
            configurations(),
            &[
                b"[", b"]", b"[[", b"{", b"}", b"=", b".", b",", b"#", b"\"\"\"", b"'''", b"true",
                b"1979-05-27T07:32:00Z", b"\\u", b"\\U0010FFFF", b"[plugin.checks.x]\n", b"plugin.",
                b"command = ", b"(?i)", b"\\Q", b"(", b"{9999}", b"a.a.a.a.", b"[[[[[[[[", b"inf",
                b"5m", b"env = { A = 'b' }\n", b"apikey", b"include = ",
            ],
            |bytes| {
                let mut config = Config::default();
                if let Ok(found) = config.read(bytes) {
                    drop(found.unread.report());
                    drop(config.overlay(&Flags::default()));
                }
            },
        ),
        text("stat", "proc/stat", |text| drop(stat::parse(text))),
        text("meminfo", "proc/meminfo", |text| drop(meminfo::parse(text))),
        text("loadavg", "proc/loadavg", |text| drop(loadavg::parse(text))),
        text("cpuinfo", "proc/cpuinfo", |text| drop(cpuinfo::parse(text))),
        text("diskstats", "proc/diskstats", |text| drop(diskstats::parse(text, &mut drop))),
        text("netdev", "proc/net/dev", |text| drop(netdev::parse(text, |_| true, &mut drop))),
        target(
            "mountinfo",
            fixtures("tests/fixtures", &|path| path.ends_with("proc/self/mountinfo")),
            &[b" - ", b"\\040", b"\\134", b"ext4", b"overlay", b"shared:1", b"8:1"],
            |bytes| {
                if let Ok(mounts) = mountinfo::parse(bytes) {
                    drop(mountinfo::local(&mounts, Path::new("/mnt"), Some(bytes)));
                    for top in ["/", "/mnt"] {
                        drop(mountinfo::local(&mounts, Path::new(top), None));
                    }
                }
            },
        ),
        text("release", "-release", |text| {
            drop((release::os_release(text), release::lsb_release(text)));
            drop((release::redhat(text), release::suse(text)));
            drop((release::slackware_version(text), release::first_line(text)));
        }),
        target(
            "plugin-values",
            vec![
                b"foo.bar.x 1e3 1700000000\nfoo.y\t-0.5\t1700000001\n\nbad\n".to_vec(),
                b"a.b 0x1p-4 1700000000\r\na.c Infinity 1\na.d 1_000.5 2 and more\n".to_vec(),
            ],
            &[b"e", b"p", b"+Inf", b".", b"1700000000", b"\xe3\x80\x80"],
            |bytes| {
                let text = String::from_utf8_lossy(bytes);
                for now in [None, Some(Unix(1_700_000_000))] {
                    let wanted = |key: &str| !key.is_empty();
                    for value in plugin::values(&text, &wanted, now) {
                        drop(value.map_err(|error| report(&error)));
                    }
                }
            },
        ),
        target(
            "plugin-meta",
            vec![
                br##"# mackerel-agent-plugin
{"graphs":{"mysql.cmd":{"label":"MySQL","unit":"float","metrics":[{"name":"a","label":"b","stacked":true},{"name":"*"}]}}}"##.to_vec(),
            ],
            &[b"{", b"}", b"[", b"]", b",", b"null", b"\"graphs\":", b"\\ud800", b"[[[[[[[[[[[["],
            |bytes| drop(plugin::meta::graphs(&String::from_utf8_lossy(bytes))),
        ),
        target(
            "json",
            fixtures("tests/golden", &|_| true),
            &[b"{", b"}", b"[", b"]", b",", b"null", b"\\ud800\\udc00", b"[[[[[[[[[[[[", b"1e5", b"{\"\":0},", b"1e-300,", b"\"$serde_json::private::Number\":"],
            |bytes| {
                let text = String::from_utf8_lossy(bytes);
                drop((Json::parse(&text), Json::parse_first(&text)));
                drop(error::message(400, &text));
            },
        ),
        target(
            "dns-answer",
            vec![
                b"\0\x07\x81\x80\0\x01\0\x04\0\0\0\0\x01a\0\0\x01\0\x01\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x02\
                \xc0\x0c\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x01\x02\x03\x04\0\0\x10\0\x01\0\0\0\x3c\0\x03\x02\"\xff\
                \0\x01\x01\0\x01\0\0\0\x3c\0\x05\0\x01ab\\".to_vec(),
            ],
            &[b"\xc0\x0c", b"\xc0", b"\x3f", b"\0\x06\0\x01", b"\0\x21\0\x01", b"\xff\xff"],
            |bytes| {
                let id = bytes.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
                drop(records::answer(bytes, id));
            },
        ),
        target(
            "certificate",
            vec![
                b"\x30\x2e\x30\x2c\xa0\x03\x02\x01\x02\x02\x01\x01\x30\0\x30\0\x30\x1e\x17\x0d260101000000Z\x17\
                \x0d270101000000Z".to_vec(),
                b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec(),
            ],
            &[b"\x30\x80", b"\x83\xff\xff\xff", b"\x18\x0f99991231235959Z", b"-----BEGIN ", b"\xa0"],
            |bytes| {
                drop((certificate::first(bytes), certificate::not_after(bytes)));
            },
        ),
        target(
            "ntp",
            vec![
                b"(uuuuittayttttbtt) 0 4 4 2 -25 1 2 4 10 0 0 1 10 20 30 40 false 27 1206\n".to_vec(),
                b"Stratum         : 3\nLast offset     : -0.000125 seconds\nstratum=2, offset=0.5\n".to_vec(),
            ],
            &[b"18446744073709551615 ", b"inf", b"1e999", b",", b"Stratum : 0\n"],
            |bytes| {
                let text = String::from_utf8_lossy(bytes);
                let time = Duration::from_secs(1_700_000_000);
                let packet = ntp::offset(bytes, time, time);
                let daemons = (ntp::of_chronyc(&text, true), ntp::of_ntpq(&text, true));
                let found = (packet, daemons, ntp::of_timesyncd(&text, 1_700_000_000));
                assert!(found.0.is_err() || bytes.len() >= 48, "a short answer");
            },
        ),
        target("spool", vec![disk::file()], disk::PIECES, disk::open),
        target("spool-records", disk::records(), disk::PIECES, |bytes| {
            drop(Record::read(bytes));
        }),
        target(
            "install-record",
            vec![
                b"no-account\nrunning\nnothing /etc/mackerel-agent\ncopied 644 0 0 /usr/bin/a\n".to_vec(),
                b"kept 40755 1 65534 /var/lib/mackerel-agent\nlink /dev/null /etc/a%20b\n".to_vec(),
            ],
            &[
                b"no-account\n", b"running\n", b"nothing ", b"copied ", b"kept ", b"link ", b"%0A",
                b"4755 0 0 ", b"/../", b"/var/lib/mackerel-agent/id",
            ],
            |bytes| install::read(&String::from_utf8_lossy(bytes)),
        ),
        target("plugin-archive", plugins::archives(), plugins::ARCHIVE, plugins::unpack),
        target("plugin-elf", plugins::programs(), plugins::ELF, plugins::elf),
        target(
            "plugin-lock",
            vec![plugins::lock()],
            &[
                b"{\"source\":", b"\"files\":{", b"\"tag\":", b"check-", b"\\u0026", b"#sha256=", b"@v1",
                b"file:///", b"[github]\ntoken = ", b"  check-x\n",
            ],
            |bytes| {
                let text = String::from_utf8_lossy(bytes);
                if let Ok(entries) = plugin_lock::parse(&text) {
                    let again = plugin_lock::parse(&plugin_lock::text(&entries)).unwrap();
                    let kept = entries.iter().filter(|entry| !entry.files.is_empty());
                    assert!(kept.eq(&again), "read as it was written");
                }
                drop(plugin_target::parse(&text));
                drop((gitconfig::token(&text), manifest::listed(&text, "check-x")));
            },
        ),
        target(
            "http-heads",
            responses(),
            &[
                b"HTTP/1.1 ", b"HTTP/1.0 ", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"\n\n", b" :", b": ",
                b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Date: ",
                b"Content-Encoding: gzip", b"Location: ", b"Retry-After: ",
            ],
            heads,
        ),
        target(
            "http-answers",
            responses(),
            &[
                b"HTTP/1.1 ", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n",
                b"Retry-After: ", b"Location: ", b"0\r\n\r\n", b"Connection: close\r\n", b"100 ",
                b"Content-Encoding: gzip\r\n", b"ffffffffffffffff\r\n",
            ],
            move |bytes| answers.get_or_insert_with(Answers::new).try_one(bytes),
        ),
        target("h2", h2::answers(), h2::FRAMES, h2::connection),
        target("hpack", h2::blocks(), h2::INSTRUCTIONS, h2::block),
    ]
}

/// Tests HTTP heads: a head in pieces has the same end as the whole one, and a plain head is its
/// own plain form.
fn heads(bytes: &[u8]) {
    drop(head::begins(bytes));
    let end = head::end(bytes, 0);
    let half = bytes.len() / 2;
    let first = head::end(bytes.get(..half).unwrap_or_default(), 0);
    assert_eq!(first.or_else(|| head::end(bytes, half)), end);
    let Some(whole) = end.and_then(|end| bytes.get(..end)) else {
        drop(head::too_long(bytes));
        return;
    };
    if let Ok(plain) = head::plain(whole) {
        assert_eq!(head::end(&plain, 0), Some(plain.len()));
        assert_eq!(head::status(&plain), head::status(whole));
        assert_eq!(head::plain(&plain).as_deref(), Ok(plain.as_slice()));
    }
}

/// The configurations of the tests and the shipped one.
fn configurations() -> Vec<Vec<u8>> {
    let mut all = fixtures("tests/fixtures/config", &|_| true);
    all.extend(fixtures("packaging", &|path| path.ends_with(".conf")));
    all
}

fn responses() -> Vec<Vec<u8>> {
    let host = r#"{"host":{"id":"3aBcDeFgHiJ","name":"n","status":"working","roles":{}}}"#;
    let length = host.len();
    vec![
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Type: application/json\r\n\r\n{host}").into_bytes(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"succe\r\n9\r\nss\":true}\r\n0\r\n\r\n".to_vec(),
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 30\r\n\r\n{\"error\":{\"message\":\"slower\"}}".to_vec(),
        b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n{\"error\":\"bad\"}".to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nDate: Sun, 22 Nov 2026 15:00:00 GMT\r\n\r\n<html>".to_vec(),
    ]
}

/// The files below `top` whose path is `wanted`, sorted.
fn fixtures(top: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    let mut left = vec![Path::new(top).to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                paths.push(path);
            }
        }
    }
    paths.retain(|path| wanted(&path.to_string_lossy()));
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}
