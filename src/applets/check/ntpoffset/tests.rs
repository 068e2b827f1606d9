use std::net::UdpSocket;
use std::thread;

use super::answer;
use crate::applets::command::Ran;
use crate::applets::testing::{NOW, Tree};

/// A server whose clock is `millis` ahead of that of the tests. It answers one question, after an
/// answer that is for nobody.
fn server(millis: i64, stratum: u8) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut question = [0; 100];
        let (length, from) = socket.recv_from(&mut question).unwrap();
        assert_eq!((length, question[0]), (48, 0x23));
        let seconds = i64::try_from(NOW).unwrap() + 2_208_988_800;
        let now = (seconds << 32) + (millis << 32) / 1000;
        let mut answer = [0; 48];
        (answer[0], answer[1]) = (0x24, stratum);
        socket.send_to(&answer, from).unwrap();
        answer[24..32].copy_from_slice(&question[40..48]);
        for at in [32, 40] {
            answer[at..at + 8].copy_from_slice(&now.to_be_bytes());
        }
        socket.send_to(&answer, from).unwrap();
    });
    port
}

#[test]
fn check_ntpoffset_asks_servers() {
    // (milliseconds, stratum, arguments, exit code, message; why)
    let table = [
        (
            20,
            1,
            "",
            0,
            "ntp offset is 20.000000(actual) < 50.000000(warning threshold), 100.000000(critial \
             threshold)",
            "near",
        ),
        (
            -51,
            2,
            "",
            1,
            "ntp offset is over 51.000000(actual) > 50.000000(threshold)",
            "behind",
        ),
        (
            125,
            2,
            "",
            2,
            "ntp offset is over 125.000000(actual) > 100.000000(threshold)",
            "far",
        ),
        (
            125,
            2,
            "-w 10 -c 125",
            1,
            "ntp offset is over 125.000000(actual) > 10.000000(threshold)",
            "at the limit",
        ),
    ];
    for (millis, stratum, arguments, code, message, why) in table {
        let port = server(millis, stratum);
        let tree = Tree::new(&[]);
        let found = tree.run(
            "check-ntpoffset",
            &format!("-s 127.0.0.1:{port} {arguments}"),
        );
        // Fractions of a second are cut to 2^-32 s.
        let output = found.output.replace("9.999999", "0.000000");
        let status = ["OK", "WARNING", "CRITICAL"][usize::from(code)];
        assert_eq!(
            (found.code, output),
            (code, format!("NTP {status}: {message}\n")),
            "{why}"
        );
    }
}

#[test]
fn check_ntpoffset_asks_one_server_after_the_other() {
    let unused = UdpSocket::bind("127.0.0.1:0").unwrap();
    let closed = unused.local_addr().unwrap().port();
    drop(unused);
    let (alarmed, good) = (server(0, 16), server(0, 3));
    let tree = Tree::new(&[]);
    let servers = format!("127.0.0.1:{closed},127.0.0.1:{alarmed},127.0.0.1:{good}");
    let found = tree.run_words("check-ntpoffset", &["-s", &servers]);
    assert_eq!(found.code, 0, "{}", found.output);
    let servers = format!("127.0.0.1:{closed}, 127.0.0.1:{}", server(0, 0));
    let found = tree.run_words("check-ntpoffset", &["-s", &servers]);
    assert_eq!(found.code, 3);
    let expected = format!(
        "NTP UNKNOWN: NTP offset cannot get from \"{servers}\"; 127.0.0.1:{closed}: Connection \
         refused (os error 111); 127.0.0.1:"
    );
    assert!(found.output.starts_with(&expected), "{}", found.output);
    assert!(
        found
            .output
            .ends_with(": the server's clock is not synchronized\n")
    );
}

#[test]
fn check_ntpoffset_has_limits_that_are_numbers() {
    for arguments in ["-w x", "-c x", "-t 1.5", "--what"] {
        assert_eq!(
            Tree::new(&[]).run("check-ntpoffset", arguments).code,
            1,
            "{arguments}"
        );
    }
}

#[test]
fn check_ntpoffset_asks_the_next_daemon_if_one_does_not_answer() {
    let missing = "failed to get ntp offset";
    // (program, exit code, stdout, offset, or why the next one is asked; why this row exists)
    let table = [
        ("ntpq", 0, "stratum=2, offset=60\n", Ok(Ok(60.0)), "ntpd"),
        (
            "ntpq",
            0,
            "",
            Err("said"),
            "no ntpd, and the reason on stderr",
        ),
        ("ntpq", 0, "\n", Err("said"), "an empty line"),
        ("ntpq", 0, "stratum=2\n", Ok(Err(missing)), "no offset"),
        (
            "chronyc",
            1,
            "506 Cannot talk to daemon\n",
            Err("506 Cannot talk to daemon"),
            "no chronyd, and the reason on stdout",
        ),
        ("busctl", 1, "", Err("said"), "no timesyncd"),
    ];
    for (program, code, text, expected, why) in table {
        let ran = Ran {
            text: text.to_owned(),
            code,
            said: "said".to_owned(),
        };
        let found = answer(program, ran, false, 1_764_399_601);
        assert_eq!(found, expected.map_err(str::to_owned), "{why}");
    }
}
