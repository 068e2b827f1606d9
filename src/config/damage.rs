//! Damaged texts for tests.

/// Calls `check` with some thousands of damaged copies of `good`, the same in every run.
///
/// The test passes if every call returns without a panic.
pub(crate) fn survives_damage(good: &str, check: impl Fn(&[u8])) {
    const ROUNDS: usize = 3000;
    const PIECES: [&[u8]; 16] = [
        b"\"",
        b"'",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b".",
        b"\n",
        b"\\",
        b"\0",
        b"\xff",
        b"99999999999",
        b"-1.5",
        "あ".as_bytes(),
        b"\"\"\"",
    ];
    // Marsaglia's xorshift. It needs no crate, and its quality does not matter here.
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut random = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % limit
    };
    for _ in 0..ROUNDS {
        let mut text = good.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len() + 1);
            let end = (at + random(12)).min(text.len());
            match random(4) {
                0 => drop(text.drain(at..end)),
                1 => text.truncate(at),
                2 => drop(text.splice(at..end, PIECES[random(PIECES.len())].iter().copied())),
                _ => drop(text.splice(at..at, text[at..end].to_vec())),
            }
        }
        check(&text);
    }
}
