//! Rounds of the same series. Each name is written once, without the beginning that it shares with
//! the name before. The values follow series by series, each as the difference from the round
//! before.

use super::RecordDestination;
use super::bytes::{Reader, TEXT, Writer};
use crate::base::clock::{Stamp, Unix};

/// Maximum number of bytes of the names in one record: those of 10,000 series.
const NAMES: usize = 2 << 20;

/// Rounds with the same destination and series.
#[derive(Debug, PartialEq)]
pub(crate) struct Rounds {
    /// The boot during which they were measured.
    pub(crate) boot: u128,
    /// Whether their wall-clock times are known to be right.
    pub(crate) is_sure: bool,
    pub(crate) destination: RecordDestination,
    pub(crate) names: Vec<String>,
    pub(crate) rounds: Vec<Round>,
}

/// The values of one moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Round {
    pub(crate) number: u64,
    pub(crate) stamp: Stamp,
    /// One for each name; NaN if there is no value.
    pub(crate) values: Vec<f64>,
}

impl Rounds {
    pub(super) fn write(&self, out: &mut Writer) {
        out.bytes(&self.boot.to_le_bytes());
        out.byte(u8::from(self.is_sure));
        out.destination(self.destination.as_deref());
        out.number(self.names.len() as u64);
        let mut before = "";
        for name in &self.names {
            let shared = shared(before, name);
            out.number(shared as u64);
            out.text(name.get(shared..).unwrap_or_default());
            before = name;
        }
        out.number(self.rounds.len() as u64);
        let mut last = (0, Stamp::default());
        for Round { number, stamp, .. } in &self.rounds {
            out.step(last.0, *number);
            out.step(last.1.wall.0, stamp.wall.0);
            out.step(last.1.age, stamp.age);
            last = (*number, *stamp);
        }
        for column in 0..self.names.len() {
            let mut before = 0;
            for round in &self.rounds {
                let bits = round
                    .values
                    .get(column)
                    .map_or(f64::NAN.to_bits(), |v| v.to_bits());
                difference(out, before ^ bits);
                before = bits;
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Rounds> {
        let boot = from.boot()?;
        let is_sure = from.flag()?;
        let destination = from.destination()?;
        let names = names(from)?;
        let count = from.count(3)?;
        let mut rounds = Vec::with_capacity(count);
        let mut last = (0, Stamp::default());
        for _ in 0..count {
            let number = from.step(last.0)?;
            let stamp = Stamp {
                wall: Unix(from.step(last.1.wall.0)?),
                age: from.step(last.1.age)?,
            };
            last = (number, stamp);
            rounds.push(Round {
                number,
                stamp,
                values: Vec::new(),
            });
        }
        // Each value takes at least one byte.
        if names.len().checked_mul(count)? > from.left() {
            return None;
        }
        for round in &mut rounds {
            round.values.reserve_exact(names.len());
        }
        for _ in &names {
            let mut before = 0;
            for round in &mut rounds {
                before ^= changed(from)?;
                round.values.push(f64::from_bits(before));
            }
        }
        Some(Rounds {
            boot,
            is_sure,
            destination,
            names,
            rounds,
        })
    }
}

/// Number of bytes with which both names begin, rounded down to whole characters.
fn shared(before: &str, name: &str) -> usize {
    let pairs = before.bytes().zip(name.bytes());
    name.floor_char_boundary(pairs.take_while(|(one, other)| one == other).count())
}

fn names(from: &mut Reader<'_>) -> Option<Vec<String>> {
    let count = from.count(2)?;
    let mut names: Vec<String> = Vec::with_capacity(count);
    let mut room = NAMES;
    for _ in 0..count {
        let shared = usize::try_from(from.number()?).ok()?;
        let before = names.last().map_or("", String::as_str);
        let name = before.get(..shared)?.to_owned() + &from.text()?;
        if name.len() > TEXT {
            return None;
        }
        room = room.checked_sub(name.len())?;
        names.push(name);
    }
    Some(names)
}

/// Writes which bits differ. Whole numbers and unchanged values differ in few of them. The first
/// byte contains the number of zero bytes at either end, and the bytes between them follow. If no
/// bit differs, a single zero byte is written.
fn difference(out: &mut Writer, bits: u64) {
    if bits == 0 {
        return out.byte(0);
    }
    let bytes = bits.to_be_bytes();
    let high = bits.leading_zeros() / 8;
    let low = bits.trailing_zeros() / 8;
    let [.., mark] = (0x80 | high << 3 | low).to_be_bytes();
    out.byte(mark);
    let between = high as usize..8 - low as usize;
    out.bytes(bytes.get(between).unwrap_or_default());
}

/// Reads what [`difference`] has written.
fn changed(from: &mut Reader<'_>) -> Option<u64> {
    let mark = from.byte()?;
    if mark == 0 {
        return Some(0);
    }
    let (high, low) = (usize::from(mark >> 3 & 7), usize::from(mark & 7));
    let count = 8_usize.checked_sub(high + low)?;
    let mut bytes = [0; 8];
    let between = from.bytes(count)?;
    bytes.get_mut(high..high + count)?.copy_from_slice(between);
    (mark & 0xC0 == 0x80).then_some(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn plain(rounds: u64) -> Rounds {
        let groups = [
            ("cpu.", ".percentage", 9),
            ("disk.sda", ".reads.delta", 4),
            ("filesystem.sda", ".used", 8),
            ("interface.eth0.", ".delta", 4),
            ("loadavg", "", 3),
            ("memory.", "", 12),
        ];
        let group = |(head, tail, count)| (0..count).map(move |at| format!("{head}{at}{tail}"));
        let names: Vec<String> = groups.into_iter().flat_map(group).collect();
        let round = |number: u64| Round {
            number,
            stamp: Stamp {
                wall: Unix(1_700_000_040 + number * 60),
                age: 5_000 + number * 60,
            },
            // A third are ratios that use every bit. The others are whole numbers that change.
            values: (0..names.len() as u64)
                .map(|at| match at % 3 {
                    0 => (number * 7 + at) as f64 / 599.0,
                    1 => (1_000_000_000 + number * 4096 * at) as f64,
                    _ => (number * at % 50) as f64,
                })
                .collect(),
        };
        Rounds {
            boot: 0x1234_5678_9ABC_DEF0_1234_5678_9ABC_DEF0,
            is_sure: true,
            destination: None,
            rounds: (0..rounds).map(round).collect(),
            names,
        }
    }

    fn again(rounds: Rounds) -> Rounds {
        match Record::read(&Record::Rounds(rounds).write()) {
            Some(Record::Rounds(rounds)) => rounds,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rounds_come_back_as_they_were() {
        for count in [0, 1, 5, 60] {
            assert_eq!(again(plain(count)), plain(count));
        }
        let mut odd = plain(3);
        odd.destination = Some("plugin.example".to_owned());
        odd.is_sure = false;
        odd.names = ["", "a", "あ", "い", "い", "あx"]
            .map(str::to_owned)
            .to_vec();
        let values = [f64::MIN, f64::MAX, -0.0, 5e-324, f64::INFINITY, 0.1];
        for round in &mut odd.rounds {
            round.values = values.to_vec();
            round.stamp = Stamp {
                wall: Unix(u64::MAX - round.number),
                age: 0,
            };
        }
        let expected = format!("{odd:?}");
        assert_eq!(format!("{:?}", again(odd)), expected);
    }

    #[test]
    fn a_value_that_is_missing_stays_so() {
        let mut rounds = plain(2);
        rounds.rounds[0].values[5] = f64::NAN;
        rounds.rounds[1].values.pop();
        let read = again(rounds);
        assert!(read.rounds[0].values[5].is_nan());
        assert_eq!(read.rounds[0].values[6], plain(2).rounds[0].values[6]);
        assert!(read.rounds[1].values.last().unwrap().is_nan());
    }

    /// The size of a day without a server, written every five minutes.
    #[test]
    fn a_day_of_a_plain_host_takes_less_than_half_a_megabyte() {
        assert_eq!(plain(1).names.len(), 40);
        let bytes = Record::Rounds(plain(5)).write().len() + 16;
        assert!(bytes * 24 * 12 < 500_000, "{}", bytes * 24 * 12);
    }

    #[test]
    fn rounds_that_are_damaged_or_forged_are_no_record() {
        let good = Record::Rounds(plain(2)).write();
        for end in 0..good.len() {
            assert_eq!(Record::read(&good[..end]), None);
        }
        for at in 0..good.len() {
            for flip in [1, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                drop(Record::read(&bad));
            }
        }
        // A long name, which each of many names repeats.
        let mut bomb = Writer::default();
        bomb.byte(2);
        bomb.bytes(&[0; 18]);
        bomb.number(100_000);
        bomb.number(0);
        bomb.text(&"x".repeat(TEXT));
        for _ in 1..100_000 {
            bomb.number(TEXT as u64);
            bomb.text("");
        }
        bomb.number(0);
        assert_eq!(Record::read(&bomb.done()), None);
    }
}
