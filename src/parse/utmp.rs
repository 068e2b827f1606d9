//! `/run/utmp`: who is logged in. Format: utmp(5).
//!
//! Records have 384 bytes where the C library keeps times of 32 bits for compatibility (x86, s390x,
//! POWER, 32-bit ARM and MIPS), and 400 elsewhere (64-bit ARM, RISC-V, LoongArch, musl). The fields
//! that are used are at the same places.

/// Bytes of a record.
const SIZES: [usize; 2] = [384, 400];
/// The type of a record of a user's login, and the largest type.
const USER_PROCESS: u16 = 7;
const LAST_TYPE: u16 = 9;
/// Where a record has the id of the login's process, and the user.
const PROCESS: usize = 4;
const USER: usize = 44;

/// The number of logins, as `who` counts them: records of users whose process runs.
pub(crate) fn logins(file: &[u8], is_running: &dyn Fn(u32) -> bool) -> usize {
    let fits = |size: &&usize| {
        let mut records = file.chunks(**size);
        records.all(|record| {
            record.len() == **size && kind(record).is_some_and(|kind| kind <= LAST_TYPE)
        })
    };
    // An incomplete record at the end is one that is being written.
    let size = SIZES.iter().find(fits).unwrap_or(&SIZES[0]);
    let mut logins = 0;
    for record in file.chunks_exact(*size) {
        let has_user = record.get(USER).is_some_and(|first| *first != 0);
        let process = number(record, PROCESS).unwrap_or_default();
        if kind(record) == Some(USER_PROCESS) && has_user && (process == 0 || is_running(process)) {
            logins += 1;
        }
    }
    logins
}

fn kind(record: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(*record.first_chunk()?))
}

fn number(record: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*record.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with records of this type, process and user.
    fn file(size: usize, records: &[(u16, u32, &str)]) -> Vec<u8> {
        let mut file = Vec::new();
        for (kind, process, user) in records {
            let mut record = vec![0; size];
            record[..2].copy_from_slice(&kind.to_ne_bytes());
            record[4..8].copy_from_slice(&process.to_ne_bytes());
            record[8..13].copy_from_slice(b"pts/0");
            record[44..44 + user.len()].copy_from_slice(user.as_bytes());
            // A host's name and the time: no zeros where a record of the other size begins.
            record[76..332].fill(b'h');
            record[336..364].fill(0x67);
            file.extend(record);
        }
        file
    }

    #[test]
    fn utmp_has_the_logins_that_who_shows() {
        type Records = Vec<(u16, u32, &'static str)>;
        let boot = (2, 0, "reboot");
        // (why this row exists, records, logins)
        let table: [(&str, Records, usize); 7] = [
            ("empty", vec![], 0),
            (
                "after a boot",
                vec![boot, (1, 53, "runlevel"), (6, 700, "LOGIN")],
                0,
            ),
            ("one user", vec![boot, (7, 10, "pi")], 1),
            ("a user twice", vec![boot, (7, 10, "pi"), (7, 11, "pi")], 2),
            ("logged out", vec![boot, (8, 10, ""), (7, 11, "pi")], 1),
            ("the process is gone", vec![boot, (7, 99, "pi")], 0),
            (
                "as many bytes as 24 of the other size",
                vec![(7, 10, "pi"); 25],
                25,
            ),
        ];
        for (why, records, expected) in table {
            for size in SIZES {
                let file = file(size, &records);
                assert_eq!(
                    logins(&file, &|process| process < 99),
                    expected,
                    "{why}, {size}"
                );
                for end in 0..file.len() {
                    assert!(
                        logins(&file[..end], &|_| true) <= expected + 1,
                        "{why}, {end}"
                    );
                }
            }
        }
    }
}
