//! Offsets of the clock: answers of NTP servers (RFC 5905), and what the programs of NTP daemons
//! print.

use std::time::Duration;

use crate::base::decimal;

/// Bytes of a packet.
const PACKET: usize = 48;
/// Seconds from 1900, where NTP's time begins, to 1970, modulo 2^32.
const EPOCH: u64 = 2_208_988_800;

/// Why there is no offset.
/// Seconds after which the last packet of systemd-timesyncd does not count any more. It asks every 34
/// minutes at least, unless it is configured otherwise.
const OLDEST: f64 = 6.0 * 3_600.0;
const UNSYNCHRONIZED: &str = "not synchronized to stratum";
const MISSING: &str = "failed to get ntp offset";

/// The offset of the host's clock in milliseconds; positive if it is behind.
pub(crate) type Offset = Result<f64, &'static str>;

/// A question to a server, which repeats `mark` in its answer.
pub(crate) fn query(mark: [u8; 8]) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    // Version 4, from a client.
    packet[0] = 0x23;
    packet[40..].copy_from_slice(&mark);
    packet
}

/// Whether the packet is the answer to the question with this mark.
pub(crate) fn is_answer(packet: &[u8], mark: [u8; 8]) -> bool {
    packet.len() >= PACKET
        && packet.first().is_some_and(|first| first & 7 == 4)
        && packet.get(24..32) == Some(&mark)
}

/// The offset according to a server's answer. `sent` and `received` are times since 1970 of the
/// host's clock.
///
/// Fails if the server's own clock is not synchronised.
pub(crate) fn offset(packet: &[u8], sent: Duration, received: Duration) -> Offset {
    let Some((packet, _)) = packet.split_first_chunk::<PACKET>() else {
        return Err(MISSING);
    };
    let is_alarmed = packet[0] >> 6 == 3;
    if is_alarmed || !(1..16).contains(&packet[1]) {
        return Err("the server's clock is not synchronized");
    }
    let time = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(packet.get(at..at + 8).unwrap_or(&[0; 8]));
        u64::from_be_bytes(bytes)
    };
    // In 2^-32 s; the differences are right whichever era of NTP it is.
    let there = time(32).wrapping_sub(stamp(sent)).cast_signed();
    let back = time(40).wrapping_sub(stamp(received)).cast_signed();
    Ok((there as f64 + back as f64) / 2.0 / 4_294_967.296)
}

/// A time since 1970 as NTP writes it.
fn stamp(time: Duration) -> u64 {
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    (time.as_secs().wrapping_add(EPOCH) << 32).wrapping_add(fraction)
}

/// The offset in the output of `chronyc tracking`.
pub(crate) fn of_chronyc(output: &str, checks_stratum: bool) -> Offset {
    let mut offset = Err(MISSING);
    for line in output.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["Stratum", ":", stratum] if checks_stratum => {
                let stratum: i64 = stratum.parse().map_err(|_| "failed to get ntp stratum")?;
                if stratum == 0 {
                    return Err(UNSYNCHRONIZED);
                }
            }
            ["Last", "offset", ":", seconds, _] if offset.is_err() => {
                let seconds = decimal::parse(seconds).ok_or(MISSING)?;
                offset = Ok(seconds * 1000.0);
            }
            _ => {}
        }
    }
    offset
}

/// The offset in the output of `ntpq -c "rv 0 stratum,offset"`.
pub(crate) fn of_ntpq(output: &str, checks_stratum: bool) -> Offset {
    let mut offset = Err(MISSING);
    for column in output.split(['\n', ',']) {
        match column.trim_ascii().split_once('=') {
            Some(("stratum", stratum)) if checks_stratum => {
                let stratum: i64 = stratum.parse().map_err(|_| "failed to get ntp stratum")?;
                if stratum == 16 {
                    return Err(UNSYNCHRONIZED);
                }
            }
            Some(("offset", millis)) if offset.is_err() => {
                offset = Ok(decimal::parse(millis).ok_or(MISSING)?);
            }
            _ => {}
        }
    }
    offset
}

/// The offset in the property `NTPMessage` of systemd-timesyncd, as busctl prints it: the type, leap,
/// version, mode, stratum, precision, root delay, root dispersion, the length of the reference and
/// its bytes, and in microseconds the times at which the question was sent, arrived, the answer was
/// sent, and arrived. It is not used if it is older than [`OLDEST`] at `now`, in seconds since 1970.
pub(crate) fn of_timesyncd(output: &str, now: u64) -> Offset {
    let words: Vec<&str> = output.split_ascii_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let (Some(stratum), Some(length)) = (number(4), number(8)) else {
        return Err(MISSING);
    };
    let first = usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(9);
    let time = |at: usize| number(first.saturating_add(at)).map(|time| time as f64);
    let (Some(sent), Some(there), Some(back), Some(received)) =
        (time(0), time(1), time(2), time(3))
    else {
        return Err(MISSING);
    };
    if stratum == 0 || received == 0.0 {
        return Err(UNSYNCHRONIZED);
    }
    if now as f64 - received / 1e6 > OLDEST {
        return Err("systemd-timesyncd has had no answer for hours");
    }
    // Microseconds since 1970 are whole numbers below 2^53.
    Ok(((there - sent) + (back - received)) / 2.0 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_is_that_of_the_rfc() {
        // The question is sent at 10 s, arrives at 15.5 s, is answered at 15.75 s; the answer arrives
        // at 10.75 s: a way of 0.25 s each, and a clock that is 5.25 s behind.
        let mut packet = query([1; 8]);
        (packet[0], packet[1]) = (0x24, 1);
        packet[24..32].copy_from_slice(&[1; 8]);
        packet[32..40].copy_from_slice(&stamp(Duration::from_millis(15_500)).to_be_bytes());
        packet[40..48].copy_from_slice(&stamp(Duration::from_millis(15_750)).to_be_bytes());
        assert!(is_answer(&packet, [1; 8]) && !is_answer(&packet, [2; 8]));
        assert!(!is_answer(&packet[..47], [1; 8]) && !is_answer(&query([1; 8]), [0; 8]));
        let of = |packet: &[u8]| {
            offset(
                packet,
                Duration::from_secs(10),
                Duration::from_millis(10_750),
            )
        };
        assert_eq!(of(&packet), Ok(5_250.0));
        for (at, bad) in [(0, 0xe4), (1, 0), (1, 16)] {
            let mut damaged = packet;
            damaged[at] = bad;
            assert!(of(&damaged).is_err(), "{at}");
        }
        assert_eq!(of(&packet[..47]), Err(MISSING));
    }

    #[test]
    fn offset_survives_the_end_of_an_era() {
        // 2036-02-07T06:28:15Z, where the seconds of NTP begin anew.
        let before = Duration::from_secs(2_085_978_495);
        let mut packet = query([0; 8]);
        (packet[0], packet[1]) = (0x24, 1);
        for at in [32, 40] {
            let time = stamp(before + Duration::from_secs(2));
            packet[at..at + 8].copy_from_slice(&time.to_be_bytes());
        }
        assert_eq!(offset(&packet, before, before), Ok(2_000.0));
    }

    #[test]
    fn offset_of_chronyc_is_the_last_one() {
        let text = |stratum, offset: &str| {
            format!(
                "Reference ID    : C0000201 (ntp.example)\nStratum         : {stratum}\nRef time \
                 (UTC)  : Sun Nov 29 07:00:00 2026\nSystem time     : 0.000012 seconds slow of NTP \
                 time\nLast offset     : {offset} seconds\nRMS offset      : 0.000100 seconds\n"
            )
        };
        // (stratum, offset, whether the stratum is checked, result)
        let table = [
            (3, "-0.000125000", true, Ok(-0.125)),
            (3, "+0.250000000", false, Ok(250.0)),
            (0, "+0.250000000", false, Ok(250.0)),
            (0, "+0.250000000", true, Err(UNSYNCHRONIZED)),
            (3, "x", true, Err(MISSING)),
        ];
        for (stratum, offset, checks, expected) in table {
            assert_eq!(of_chronyc(&text(stratum, offset), checks), expected);
        }
        assert_eq!(
            of_chronyc("506 Cannot talk to daemon\n", true),
            Err(MISSING)
        );
    }

    #[test]
    fn offset_of_ntpq_is_in_milliseconds() {
        // (output, whether the stratum is checked, result; why)
        let table = [
            ("stratum=2, offset=-1.25\n", true, Ok(-1.25), "one line"),
            ("stratum=2,\noffset=0.5\n", true, Ok(0.5), "two lines"),
            (
                "assID=0 status=0, x,\nstratum=16, offset=0.5\n",
                true,
                Err(UNSYNCHRONIZED),
                "alone",
            ),
            (
                "stratum=16, offset=0.5\n",
                false,
                Ok(0.5),
                "alone, and not checked",
            ),
            (
                "stratum=x, offset=0.5\n",
                true,
                Err("failed to get ntp stratum"),
                "no number",
            ),
            ("offset=x\n", true, Err(MISSING), "no number"),
            ("", true, Err(MISSING), "nothing"),
        ];
        for (output, checks, expected, why) in table {
            assert_eq!(of_ntpq(output, checks), expected, "{why}");
        }
    }

    #[test]
    fn offset_of_timesyncd_is_that_of_its_last_packet() {
        let good = "(uuuuittayttttbtt) 0 4 4 2 -25 1129 488 4 10 0 0 1 1764399600000000 \
                    1764399600105000 1764399600105020 1764399600010020 false 27 1206\n";
        let never = "(uuuuittayttttbtt) 0 0 0 0 0 0 0 4 0 0 0 0 0 0 0 0 false 0 0\n";
        // (output, result; why)
        let table = [
            (good.to_owned(), Ok(100.0), "as busctl prints it"),
            (
                good.replace(" 4 10 0 0 1 ", " 0 "),
                Ok(100.0),
                "no reference",
            ),
            (never.to_owned(), Err(UNSYNCHRONIZED), "no packet yet"),
            (
                good.replace(" 4 10 ", " 99 10 "),
                Err(MISSING),
                "a length that is wrong",
            ),
            (
                good.replace(" 4 10 ", " 18446744073709551615 10 "),
                Err(MISSING),
                "the greatest",
            ),
            (String::new(), Err(MISSING), "nothing"),
        ];
        let received = 1_764_399_600;
        for (output, expected, why) in table {
            assert_eq!(
                of_timesyncd(&output, received + 6 * 3_600),
                expected,
                "{why}"
            );
        }
        // A clock that was set back meanwhile.
        assert_eq!(of_timesyncd(good, 0), Ok(100.0));
        let error = of_timesyncd(good, received + 6 * 3_600 + 1).unwrap_err();
        assert_eq!(error, "systemd-timesyncd has had no answer for hours");
    }
}
