//! What is sent to a terminal so that it shows some lines: only what has changed, and no more than a
//! slow connection carries.

use crate::base::width::columns;

/// Bytes of one painting, apart from the last line of it. What is left is sent with the next one.
const MOST: usize = 1600;
/// Clears the screen.
const CLEAR: &str = "\u{1b}[2J";
/// Clears from the cursor to the end of the line.
const CLEAR_REST: &str = "\u{1b}[K";

/// What a terminal shows.
#[derive(Default)]
pub(super) struct Painter {
    shown: Vec<String>,
    size: (usize, usize),
    /// The row that is looked at first.
    next: usize,
}

impl Painter {
    /// Forgets what the terminal shows, so that everything is sent again.
    pub(super) fn forget(&mut self) {
        self.size = (0, 0);
    }

    /// What has to be written so that a terminal of `size`, columns and rows, shows `lines`. These
    /// must be shorter than a row, and not more than the rows.
    pub(super) fn paint(&mut self, lines: &[String], size: (usize, usize)) -> String {
        let mut out = String::new();
        if self.size != size {
            out.push_str(CLEAR);
            self.size = size;
            self.shown.clear();
            self.next = 0;
        }
        let rows = lines.len().max(self.shown.len());
        self.shown.resize(rows, String::new());
        for at in (0..rows).map(|at| (self.next + at) % rows) {
            let line = lines.get(at).map_or("", String::as_str);
            let Some(shown) = self.shown.get_mut(at).filter(|shown| *shown != line) else {
                continue;
            };
            if out.len() > MOST {
                self.next = at;
                break;
            }
            row(at, shown, line, &mut out);
            line.clone_into(shown);
        }
        out
    }
}

/// Appends what turns the row `at` from `shown` into `line`.
fn row(at: usize, shown: &str, line: &str, out: &mut String) {
    let same = if shown.is_ascii() && line.is_ascii() {
        let pairs = shown.bytes().zip(line.bytes());
        pairs.take_while(|(one, other)| one == other).count()
    } else {
        // Characters may combine with those before.
        0
    };
    let (row, column) = ((at + 1).to_string(), (same + 1).to_string());
    let rest = line.get(same..).unwrap_or_default();
    out.extend(["\u{1b}[", &row, ";", &column, "H", rest]);
    if columns(line) < columns(shown) {
        out.push_str(CLEAR_REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (80, 24);

    fn lines(all: &[&str]) -> Vec<String> {
        all.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn paint_sends_what_has_changed() {
        let mut painter = Painter::default();
        // (why this row exists, lines, what is sent)
        let table: [(&str, &[&str], &str); 6] = [
            (
                "the first",
                &["abc", "def"],
                "\x1b[2J\x1b[1;1Habc\x1b[2;1Hdef",
            ),
            ("the same", &["abc", "def"], ""),
            ("a part", &["abc", "deg"], "\x1b[2;3Hg"),
            ("shorter", &["ab", "deg"], "\x1b[1;3H\x1b[K"),
            ("wide characters", &["a日", "deg"], "\x1b[1;1Ha日"),
            ("a line less", &["a日"], "\x1b[2;1H\x1b[K"),
        ];
        for (why, now, expected) in table {
            assert_eq!(painter.paint(&lines(now), SIZE), expected, "{why}");
        }
    }

    #[test]
    fn paint_of_another_size_or_after_forgetting_sends_everything() {
        let mut painter = Painter::default();
        let all = lines(&["abc"]);
        let whole = painter.paint(&all, SIZE);
        assert_eq!(painter.paint(&all, (40, 24)), whole);
        painter.forget();
        assert_eq!(painter.paint(&all, (40, 24)), whole);
        assert_eq!(painter.paint(&all, (40, 24)), "");
    }

    #[test]
    fn paint_is_less_than_2_kb_and_reaches_every_row() {
        let mut painter = Painter::default();
        let screen = |number: usize| -> Vec<String> {
            (0..60)
                .map(|row| format!("{:>190}", number * 100 + row))
                .collect()
        };
        for number in 0..5 {
            assert!(painter.paint(&screen(number), (200, 60)).len() < 2000);
        }
        // Each row changes each time, and each one is sent after some paintings.
        let last = screen(9);
        for _ in 0..8 {
            assert!(painter.paint(&last, (200, 60)).len() < 2000);
        }
        assert_eq!(painter.shown, last);
    }
}
