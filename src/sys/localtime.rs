//! Wall-clock time in the host's time zone.

use std::mem::MaybeUninit;
use std::time::Duration;

use crate::base::clock::Unix;

/// A time in the host's time zone (`TZ`, else `/etc/localtime`, else UTC).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct LocalTime {
    pub(crate) year: i64,
    /// 1 to 12
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
    /// Offset from UTC in minutes; negative west of Greenwich.
    pub(crate) offset_minutes: i64,
}

impl LocalTime {
    /// `time` in the host's time zone; 1970-01-01 UTC if it cannot be represented.
    #[allow(
        deprecated,
        reason = "the width of time_t will change, and nothing here depends on it"
    )]
    pub(crate) fn of(time: Unix) -> LocalTime {
        // Fails after 2038 where the libc crate's time_t still has 32 bits (32-bit ARM).
        let seconds = libc::time_t::try_from(time.0).unwrap_or_default();
        let mut parts = MaybeUninit::<libc::tm>::zeroed();
        // SAFETY: both pointers are valid for the call. A zeroed `tm` is a valid value of that
        // plain struct, so it may be read even if the call fails and writes nothing.
        let parts = unsafe {
            libc::localtime_r(&raw const seconds, parts.as_mut_ptr());
            parts.assume_init()
        };
        #[allow(
            clippy::useless_conversion,
            reason = "tm_gmtoff is as wide as the machine"
        )]
        let offset = i64::from(parts.tm_gmtoff);
        LocalTime {
            year: i64::from(parts.tm_year) + 1900,
            month: parts.tm_mon + 1,
            day: parts.tm_mday,
            hour: parts.tm_hour,
            minute: parts.tm_min,
            second: parts.tm_sec,
            offset_minutes: offset / 60,
        }
    }
}

/// `wall`, a time since the epoch, in the host's time zone as RFC 3339. The fraction of a second
/// has no trailing zeros.
pub(crate) fn rfc3339(wall: Duration) -> String {
    rfc3339_of(&LocalTime::of(Unix(wall.as_secs())), wall.subsec_nanos())
}

fn rfc3339_of(time: &LocalTime, nanos: u32) -> String {
    let fraction = match nanos {
        0 => String::new(),
        nanos => format!(".{nanos:09}").trim_end_matches('0').to_owned(),
    };
    let zone = match time.offset_minutes {
        0 => "Z".to_owned(),
        offset => {
            let sign = if offset < 0 { '-' } else { '+' };
            let ahead = offset.unsigned_abs();
            format!("{sign}{:02}:{:02}", ahead / 60, ahead % 60)
        }
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{zone}",
        time.year, time.month, time.day, time.hour, time.minute, time.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_has_the_fraction_and_the_zone() {
        // (why this row exists, offset, nanoseconds, expected)
        let table = [
            ("Greenwich", 0, 0, "2026-11-02T04:05:06Z"),
            ("Tokyo", 540, 500_000_000, "2026-11-02T04:05:06.5+09:00"),
            ("St. John's", -210, 7, "2026-11-02T04:05:06.000000007-03:30"),
        ];
        for (why, offset_minutes, nanos, expected) in table {
            let time = LocalTime {
                year: 2026,
                month: 11,
                day: 2,
                hour: 4,
                minute: 5,
                second: 6,
                offset_minutes,
            };
            assert_eq!(rfc3339_of(&time, nanos), expected, "{why}");
        }
    }
}
