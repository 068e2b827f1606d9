//! Lines of text for a terminal: at most 80 columns wide, in colour if wanted.

use crate::base::width::{columns, columns_of};
use crate::sys::log::escaped;

/// The most columns of a line.
const WIDTH: usize = 80;

/// Escape sequences of colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Colour {
    Plain,
    Red,
    Yellow,
    Green,
    Bold,
}

impl Colour {
    fn begin(self) -> &'static str {
        match self {
            Colour::Plain => "",
            Colour::Red => "\x1b[31m",
            Colour::Yellow => "\x1b[33m",
            Colour::Green => "\x1b[32m",
            Colour::Bold => "\x1b[1m",
        }
    }
}

/// Text that grows line by line. What is added is escaped.
pub(crate) struct Page {
    text: String,
    is_coloured: bool,
}

impl Page {
    pub(crate) fn new(is_coloured: bool) -> Page {
        Page {
            text: String::new(),
            is_coloured,
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Adds an empty line.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// Adds `head` in this colour, then `text`, wrapped at blanks. Further lines begin at the column
    /// `indent`; so does the first part of `text`, unless `head` is longer. A word that is too long
    /// for a line is broken.
    pub(crate) fn line(&mut self, colour: Colour, head: &str, indent: usize, text: &str) {
        let head = escaped(head);
        let colour = if self.is_coloured {
            colour
        } else {
            Colour::Plain
        };
        self.text.push_str(colour.begin());
        // A head is a name at most; a long one wraps as text does.
        let mut at = self.wrap(&head, 0, indent, 0);
        if colour != Colour::Plain {
            self.text.push_str("\x1b[0m");
        }
        if !text.is_empty() {
            if at + 1 > indent && !head.is_empty() {
                self.text.push('\n');
                at = 0;
            }
            self.wrap(&escaped(text), at, indent, indent);
        }
        self.text.push('\n');
    }

    /// Adds words from the column `at` on, not before the column `first`. Lines after the first one
    /// begin at `indent`. Returns the column at the end.
    fn wrap(&mut self, text: &str, mut at: usize, indent: usize, first: usize) -> usize {
        let mut gap = first.saturating_sub(at);
        // Blanks at the beginning are an indent of its own.
        let lead = text.len() - text.trim_start_matches(' ').len();
        gap += lead;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let width = columns(word);
            if at + gap + width > WIDTH && at + gap > indent {
                self.text.push('\n');
                at = 0;
                gap = indent;
            }
            self.text.extend(std::iter::repeat_n(' ', gap));
            at += gap;
            for c in word.chars() {
                let width = columns_of(c);
                if at + width > WIDTH {
                    self.text.push('\n');
                    self.text.extend(std::iter::repeat_n(' ', indent));
                    at = indent;
                }
                self.text.push(c);
                at += width;
            }
            gap = 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(head: &str, indent: usize, text: &str) -> String {
        let mut page = Page::new(false);
        page.line(Colour::Red, head, indent, text);
        page.into_text()
    }

    #[test]
    fn page_wraps_at_80_columns() {
        let ten = "123456789 ".repeat(8);
        let wide = "日本語".repeat(20);
        let long = "x".repeat(100);
        // (head, indent, text, expected)
        let table = [
            ("Host", 10, "pi", "Host      pi\n".to_owned()),
            ("", 4, "pi", "    pi\n".to_owned()),
            ("  name", 4, "", "  name\n".to_owned()),
            (
                "Long head here",
                10,
                "pi",
                "Long head here\n          pi\n".to_owned(),
            ),
            ("", 0, &ten, format!("{}\n", ten.trim_end())),
            (
                "",
                4,
                &ten,
                format!("    {}\n    123456789\n", "123456789 ".repeat(7).trim_end()),
            ),
            (
                "",
                10,
                &wide,
                format!(
                    "          {}\n          {}\n",
                    "日本語".repeat(11) + "日本",
                    "語".to_owned() + &"日本語".repeat(8)
                ),
            ),
            (
                "",
                0,
                &long,
                format!("{}\n{}\n", "x".repeat(80), "x".repeat(20)),
            ),
            ("", 0, "a\u{1b}[31m\nb", "a\\u{1b}[31m\\nb\n".to_owned()),
        ];
        for (head, indent, text, expected) in table {
            let shown = page(head, indent, text);
            assert_eq!(shown, expected, "{head}, {text}");
            assert!(shown.lines().all(|line| columns(line) <= WIDTH), "{shown}");
        }
    }

    #[test]
    fn page_has_colours_only_if_they_are_wanted() {
        let mut coloured = Page::new(true);
        coloured.line(Colour::Red, "Host", 10, "pi");
        assert_eq!(coloured.into_text(), "\x1b[31mHost\x1b[0m      pi\n");
        assert_eq!(page("Host", 10, "pi"), "Host      pi\n");
    }
}
