//! Irregular counters of the kernel: wrapped, reset, damaged or missing. They cause no spike, no
//! negative value and no invented value.

use std::fmt::Write as _;
use std::fs;

use super::testing::Rig;

/// One round: seconds of the monotonic clock since the first round, and the text of the file.
type Reading<'a> = (u64, &'a str);

/// Why the row exists, the readings, and the values of the last round.
type Row<'a, R> = (&'a str, &'a [R], &'a str);

/// The values of the last round as `name=value`, separated by blanks.
fn last(group: &'static str, file: &str, readings: &[Reading<'_>]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut rig = Rig::of(group);
    let mut line = String::new();
    for (seconds, text) in readings {
        fs::write(&path, text).unwrap();
        // A round may fail; the next one must continue.
        let (values, _) = rig.attempt_at(directory.path(), *seconds);
        line.clear();
        for (name, value) in values {
            write!(line, " {name}={value}").unwrap();
        }
    }
    line.trim_start().to_owned()
}

#[test]
fn time_of_the_processors() {
    // (why this row exists, the `cpu` line and the number of cores at each reading, the resulting
    // user, system, idle, iowait, steal and guest)
    let table: &[Row<'_, (u64, &str, usize)>] = &[
        (
            "an ordinary minute of two cores",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 2),
                (60, "30 0 10 150 10 0 0 0 0 0", 2),
            ],
            "user=30 system=10 idle=150 iowait=10 steal=0 guest=0",
        ),
        (
            "iowait went backwards, as the kernel lets it",
            &[
                (0, "0 0 0 0 90 0 0 0 0 0", 1),
                (60, "25 0 25 50 20 0 0 0 0 0", 1),
            ],
            "user=25 system=25 idle=50 iowait=0 steal=0 guest=0",
        ),
        (
            "idle went backwards: a core came back",
            &[
                (0, "0 0 0 900 0 0 0 0 0 0", 1),
                (60, "100 0 100 500 0 0 0 0 0 0", 2),
            ],
            "user=100 system=100 idle=0 iowait=0 steal=0 guest=0",
        ),
        (
            "a core was unplugged: its time stays in the sum",
            &[
                (0, "100 0 100 800 0 0 0 0 0 0", 4),
                (60, "125 0 125 850 0 0 0 0 0 0", 3),
            ],
            "user=75 system=75 idle=150 iowait=0 steal=0 guest=0",
        ),
        (
            "most cores were unplugged at the end",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 4),
                (60, "24000 0 0 0 0 0 0 0 0 0", 1),
            ],
            "user=100 system=0 idle=0 iowait=0 steal=0 guest=0",
        ),
        (
            "user contains guest",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "80 0 0 20 0 0 0 0 60 0", 1),
            ],
            "user=20 system=0 idle=20 iowait=0 steal=0 guest=60",
        ),
        (
            "guest was counted before user",
            &[
                (0, "10 0 0 0 0 0 0 0 10 0", 1),
                (60, "15 0 0 80 0 0 0 0 30 0", 1),
            ],
            "user=0 system=0 idle=80 iowait=0 steal=0 guest=20",
        ),
        (
            "steal fell below zero after a migration",
            &[
                (0, "0 0 0 0 0 0 0 5 0 0", 1),
                (60, "50 0 0 50 0 0 0 18446744073709551000 0 0", 1),
            ],
            "user=50 system=0 idle=50 iowait=0 steal=0 guest=0",
        ),
        (
            "and came back",
            &[
                (0, "0 0 0 0 0 0 0 18446744073709551000 0 0", 1),
                (60, "50 0 0 50 0 0 0 5 0 0", 1),
            ],
            "user=50 system=0 idle=50 iowait=0 steal=0 guest=0",
        ),
        (
            "everything began anew: a container was restored",
            &[
                (0, "500 0 500 500 0 0 0 0 0 0", 1),
                (60, "1 0 1 1 0 0 0 0 0 0", 1),
            ],
            "",
        ),
        (
            "suspended for an hour of the wall clock: neither clock nor ticks went on",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "50 0 0 50 0 0 0 0 0 0", 1),
            ],
            "user=50 system=0 idle=50 iowait=0 steal=0 guest=0",
        ),
        (
            "a reading was damaged: the next covers both minutes",
            &[(0, "0 0 0 0", 1), (60, "x", 1), (120, "100 0 0 100", 1)],
            "user=50 system=0 idle=50",
        ),
        (
            "idle jumps: the others are shares of the time that has passed",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "1500 0 600 8000000000000000000 300 0 0 0 0 0", 1),
            ],
            "user=25 system=10 iowait=5 steal=0 guest=0",
        ),
        (
            "and the minute after",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "0 0 0 8000000000000000000 0 0 0 0 0 0", 1),
                (120, "30 0 0 8000000000000000070 0 0 0 0 0 0", 1),
            ],
            "user=30 system=0 idle=70 iowait=0 steal=0 guest=0",
        ),
        (
            "a core comes back with a day of idle",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "1500 0 0 8646000 0 0 0 0 0 0", 2),
            ],
            "user=25 system=0 iowait=0 steal=0 guest=0",
        ),
        (
            "steal makes up for an hour in which the machine stood still",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "1500 0 0 4500 0 0 0 360000 0 0", 1),
            ],
            "user=25 system=0 idle=75 iowait=0 guest=0",
        ),
        (
            "guest jumps: user keeps its own",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "1500 0 0 4500 0 0 0 0 8000000000000000000 0", 1),
            ],
            "user=25 system=0 idle=75 iowait=0 steal=0",
        ),
        (
            "all jump",
            &[
                (0, "0 0 0 0", 1),
                (
                    60,
                    "7000000000000000000 7000000000000000000 7000000000000000000 7000000000000000000",
                    1,
                ),
            ],
            "",
        ),
        (
            "a column is a word",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "1500 0 x 3000 0 0 0 0 0 0", 1),
            ],
            "user=25 idle=50 iowait=0 steal=0 guest=0",
        ),
        (
            "a column was negative, and its first reading counts from then on",
            &[
                (0, "0 0 0 0 -5 0 0 0 0 0", 1),
                (60, "1500 0 0 3000 0 0 0 0 0 0", 1),
            ],
            "user=25 system=0 idle=50 steal=0 guest=0",
        ),
        (
            "user is a word: what is left of it without guest is unknown",
            &[
                (0, "0 0 0 0 0 0 0 0 0 0", 1),
                (60, "x 0 0 3000 0 0 0 0 600 0", 1),
            ],
            "system=0 idle=50 iowait=0 steal=0 guest=10",
        ),
    ];
    let shown = ["user", "system", "idle", "iowait", "steal", "guest"];
    for (why, readings, expected) in table {
        let texts: Vec<(u64, String)> = readings
            .iter()
            .map(|(seconds, line, cores)| {
                let cores: String = (0..*cores).map(|core| format!("cpu{core} 1\n")).collect();
                (*seconds, format!("cpu  {line}\n{cores}"))
            })
            .collect();
        let texts: Vec<Reading<'_>> = texts
            .iter()
            .map(|(at, text)| (*at, text.as_str()))
            .collect();
        let found = last("cpu", "proc/stat", &texts);
        let found: Vec<String> = found
            .split(' ')
            .filter_map(|value| {
                let (name, percent) = value.strip_prefix("cpu.")?.split_once(".percentage=")?;
                shown.contains(&name).then(|| format!("{name}={percent}"))
            })
            .collect();
        assert_eq!(found.join(" "), *expected, "{why}");
    }
}

#[test]
fn traffic_of_the_interfaces() {
    // (why this row exists, name, bytes received and sent at each reading, values)
    let table: &[Row<'_, Reading<'_>>] = &[
        (
            "an ordinary minute",
            &[(0, "e 0 600"), (60, "e 600 660")],
            "e.rx=10 e.tx=1",
        ),
        (
            "a driver counts with 32 bits",
            &[(0, "e 4294967000 0"), (60, "e 304 60")],
            "e.tx=1",
        ),
        (
            "and the minute after",
            &[(0, "e 4294967000 0"), (60, "e 304 60"), (120, "e 904 120")],
            "e.rx=10 e.tx=1",
        ),
        (
            "the driver was restarted",
            &[(0, "e 9000 9000"), (60, "e 60 60")],
            "",
        ),
        (
            "below zero",
            &[(0, "e 60 0"), (60, "e 18446744073709551000 60")],
            "e.tx=1",
        ),
        (
            "another interface appears",
            &[(0, "e 0 0"), (60, "e 60 60, f 9000 9000")],
            "e.rx=1 e.tx=1",
        ),
        (
            "an interface goes",
            &[(0, "e 0 0, f 0 0"), (60, "f 60 60")],
            "f.rx=1 f.tx=1",
        ),
        (
            "back under one name, after a minute",
            &[(0, "p 500 500"), (60, "e 0 0"), (120, "p 9000 9000")],
            "",
        ),
        (
            "back within the minute",
            &[(0, "p 500 500"), (60, "p 40 40")],
            "",
        ),
        ("renamed", &[(0, "eth0 500 500"), (60, "lan0 560 560")], ""),
        (
            "they change places",
            &[(0, "e 0 0, f 0 0"), (60, "f 120 0, e 60 0")],
            "f.rx=2 f.tx=0 e.rx=1 e.tx=0",
        ),
        (
            "suspended: the clock stood still, and so did the traffic",
            &[(0, "e 0 0"), (0, "e 0 0"), (60, "e 60 60")],
            "e.rx=1 e.tx=1",
        ),
        ("no time has passed", &[(60, "e 0 0"), (60, "e 60 60")], ""),
        (
            "a column is a word",
            &[(0, "e 0 0"), (60, "e x 60")],
            "e.tx=1",
        ),
        (
            "and the minute after: what it grew by is unknown",
            &[(0, "e 0 0"), (60, "e x 60"), (120, "e 120 120")],
            "e.tx=1",
        ),
        (
            "and the next",
            &[(0, "e x 0"), (60, "e 0 60"), (120, "e 60 120")],
            "e.rx=1 e.tx=1",
        ),
        ("twice a word", &[(0, "e x 0"), (60, "e x 60")], "e.tx=1"),
        ("negative", &[(0, "e 0 0"), (60, "e 60 -60")], "e.rx=1"),
        (
            "2^64-1",
            &[
                (0, "e 18446744073709551615 0"),
                (60, "e 18446744073709551615 60"),
            ],
            "e.tx=1",
        ),
        (
            "more digits than a number has",
            &[(0, "e 0 0"), (60, "e 99999999999999999999 60")],
            "e.tx=1",
        ),
        (
            "a jump that no wire carries",
            &[(0, "e 0 0"), (60, "e 8000000000000000000 60")],
            "e.tx=1",
        ),
        (
            "one interface is damaged, the other not",
            &[(0, "e 0 0, f 0 0"), (60, "e x y, f 60 60")],
            "f.rx=1 f.tx=1",
        ),
    ];
    for (why, readings, expected) in table {
        let texts = readings.iter().map(|(seconds, text)| {
            let lines = text.split(", ").map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                format!(
                    "{}: {} 0 0 0 0 0 0 0 {} 0 0 0 0 0 0 0\n",
                    words[0], words[1], words[2]
                )
            });
            (*seconds, lines.collect::<String>())
        });
        let texts: Vec<(u64, String)> = texts.collect();
        let texts: Vec<Reading<'_>> = texts
            .iter()
            .map(|(at, text)| (*at, text.as_str()))
            .collect();
        let found = last("interface", "proc/net/dev", &texts)
            .replace("interface.", "")
            .replace("Bytes.delta", "");
        assert_eq!(found, *expected, "{why}");
    }
}

#[test]
fn requests_of_the_disks() {
    // (why this row exists, name, reads and writes at each reading, values)
    let table: &[Row<'_, Reading<'_>>] = &[
        (
            "an ordinary minute",
            &[(0, "a 1 0"), (60, "a 601 60")],
            "a.reads=10 a.writes=1",
        ),
        (
            "plugged in",
            &[(0, "a 1 0"), (60, "a 61 0, b 900 900")],
            "a.reads=1 a.writes=0",
        ),
        (
            "and the minute after",
            &[
                (0, "a 1 0"),
                (60, "a 61 0, b 900 900"),
                (120, "a 61 0, b 960 900"),
            ],
            "a.reads=0 a.writes=0 b.reads=1 b.writes=0",
        ),
        (
            "unplugged",
            &[(0, "a 1 0, b 1 0"), (60, "b 61 0")],
            "b.reads=1 b.writes=0",
        ),
        (
            "another one under its name",
            &[(0, "b 900 900"), (60, "b 3 960")],
            "b.writes=1",
        ),
        (
            "a 32-bit kernel",
            &[(0, "a 4294967290 0"), (60, "a 54 60")],
            "a.writes=1",
        ),
        (
            "used for the first time",
            &[(0, "a 0 0"), (60, "a 60 60")],
            "",
        ),
        (
            "a column is a word",
            &[(0, "a 1 0"), (60, "a x 60")],
            "a.writes=1",
        ),
        ("negative", &[(0, "a 1 0"), (60, "a 61 -60")], "a.reads=1"),
        (
            "a jump that no disk does",
            &[(0, "a 1 0"), (60, "a 8000000000000000000 60")],
            "a.writes=1",
        ),
        (
            "2^64-1",
            &[(0, "a 1 0"), (60, "a 18446744073709551615 60")],
            "a.writes=1",
        ),
        (
            "the kernel lists none for a minute",
            &[(0, "a 1 0"), (60, ""), (120, "a 61 0")],
            "",
        ),
    ];
    for (why, readings, expected) in table {
        let texts = readings.iter().map(|(seconds, text)| {
            let lines = text
                .split(", ")
                .filter(|line| !line.is_empty())
                .map(|line| {
                    let words: Vec<&str> = line.split(' ').collect();
                    format!(
                        " 8 0 {} {} 0 0 0 {} 0 0 0 0 0 0\n",
                        words[0], words[1], words[2]
                    )
                });
            (*seconds, lines.collect::<String>())
        });
        let texts: Vec<(u64, String)> = texts.collect();
        let texts: Vec<Reading<'_>> = texts
            .iter()
            .map(|(at, text)| (*at, text.as_str()))
            .collect();
        let found = last("disk", "proc/diskstats", &texts)
            .replace("disk.", "")
            .replace(".delta", "");
        assert_eq!(found, *expected, "{why}");
    }
}
