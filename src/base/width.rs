//! The width of text on a terminal.

/// Ranges of characters that take two columns: East Asian wide and full-width ones, and pictographs.
const WIDE: [(u32, u32); 14] = [
    (0x1100, 0x115F),
    (0x2E80, 0x303E),
    (0x3041, 0x33FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA000, 0xA4CF),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF00, 0xFF60),
    (0xFFE0, 0xFFE6),
    (0x1F300, 0x1F64F),
    (0x1F900, 0x1F9FF),
    (0x20000, 0x3FFFD),
];

/// Ranges of characters that take no column: those that combine with the one before.
const NONE: [(u32, u32); 3] = [(0x300, 0x36F), (0x200B, 0x200D), (0xFE00, 0xFE0F)];

/// Number of columns that a character takes on a terminal.
pub(crate) fn columns_of(c: char) -> usize {
    let number = u32::from(c);
    let is_in = |ranges: &[(u32, u32)]| {
        let mut ranges = ranges.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&number))
    };
    if is_in(&NONE) {
        0
    } else {
        1 + usize::from(is_in(&WIDE))
    }
}

/// Number of columns that a text takes on a terminal.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_a_terminal() {
        // (text, columns)
        let table = [
            ("", 0),
            ("abc", 3),
            ("caf\u{e9}", 4),
            ("cafe\u{301}", 4),
            ("日本語", 6),
            ("ﾊﾝｶｸ", 4),
            ("ＡＢ", 4),
            ("한글", 4),
            ("🦀", 2),
            ("→·…", 3),
        ];
        for (text, expected) in table {
            assert_eq!(columns(text), expected, "{text}");
        }
    }
}
