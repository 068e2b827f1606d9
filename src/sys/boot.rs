//! The id of this boot, the time since it, and whether the kernel considers its wall clock
//! synchronised. Sources: random(4), clock_gettime(2), adjtimex(2).

use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// A random UUID that the kernel generates at boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Bytes read of it; it has 37.
const BOOT_ID_LIMIT: u64 = 64;

/// The id of this boot; 0 if it cannot be read.
pub(crate) fn id() -> u128 {
    let mut text = String::new();
    let read =
        File::open(BOOT_ID).and_then(|file| file.take(BOOT_ID_LIMIT).read_to_string(&mut text));
    match read {
        Ok(_) => number(&text),
        Err(_) => 0,
    }
}

/// A UUID as a number; 0 if it is not one.
fn number(uuid: &str) -> u128 {
    let digits: String = uuid.trim().chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0)
}

/// The time since boot. Never decreases. Includes time spent suspended, but before Linux 2.6.39,
/// which has no `CLOCK_BOOTTIME`.
pub(crate) fn age() -> Duration {
    first_of([libc::CLOCK_BOOTTIME, libc::CLOCK_MONOTONIC])
}

/// The time of the first of `clocks` that the kernel has, in whole seconds; zero if it has none.
fn first_of(clocks: [libc::clockid_t; 2]) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    for clock in clocks {
        // SAFETY: `time` is a timespec that outlives the call.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } == 0 {
            break;
        }
    }
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
}

/// Whether the kernel's wall clock is synchronised by a time service, such as NTP: `STA_UNSYNC` is
/// clear. `false` also if the kernel does not report it.
pub(crate) fn is_synchronised() -> bool {
    // SAFETY: a timex consists of numbers only, for which all bits zero is a value.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a timex that outlives the call; with no mode set, nothing is changed.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    answer >= 0 && answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_id_and_age_are_stable() {
        assert_eq!(id(), id());
        let before = age();
        assert!(age() >= before);
        // The result depends on the machine that runs the test; the call must not fail.
        is_synchronised();
    }

    #[test]
    fn age_is_of_the_first_clock_that_the_kernel_has() {
        const UNKNOWN: libc::clockid_t = 1 << 20;
        let monotonic = first_of([UNKNOWN, libc::CLOCK_MONOTONIC]);
        assert!(first_of([libc::CLOCK_BOOTTIME, UNKNOWN]) >= monotonic);
        assert!(monotonic > Duration::ZERO);
        assert_eq!(first_of([UNKNOWN, UNKNOWN]), Duration::ZERO);
    }

    #[test]
    fn uuid_is_a_number() {
        let table = [
            ("00000000-0000-0000-0000-0000000000ff\n", 255),
            (
                "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
                0x3f25_04e0_4f89_41d3_9a0c_0305_e82c_3301,
            ),
            ("", 0),
            ("no uuid", 0),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
