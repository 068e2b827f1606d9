//! The agent's stream of log lines, as it arrives.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

/// Bytes of one line of the stream. The agent sends no longer one.
const LINE: usize = 1 << 20;

/// What the stream says.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Item {
    /// A log line: the text of a JSON object.
    Line(String),
    /// Lines before this may be missing.
    Reset,
}

/// Parses the stream. Bytes may arrive in any parts.
#[derive(Default)]
pub(super) struct Feed {
    /// The id of the last whole item.
    pub(super) last: Option<String>,
    /// A line of the stream that has not ended.
    begun: Vec<u8>,
    event: String,
    id: Option<String>,
    data: String,
}

impl Feed {
    /// Appends what `bytes` complete to `out`. Returns whether the stream can go on: its lines must
    /// not be endless.
    pub(super) fn read(&mut self, bytes: &[u8], out: &mut Vec<Item>) -> bool {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&self.begun).into_owned();
                self.begun.clear();
                self.line(line.trim_ascii_end(), out);
            }
        }
        self.begun.len() <= LINE && self.data.len() <= LINE
    }

    /// Forgets what has not arrived completely: the connection has ended.
    pub(super) fn cut(&mut self) {
        let last = self.last.take();
        *self = Feed {
            last,
            ..Feed::default()
        };
    }

    fn line(&mut self, line: &str, out: &mut Vec<Item>) {
        if line.is_empty() {
            return self.end(out);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.data.push_str(value),
            "event" => value.clone_into(&mut self.event),
            "id" => self.id = Some(value.to_owned()),
            // Comments, which are sent while nothing is logged, and `retry`.
            _ => {}
        }
    }

    /// An empty line ends an item.
    fn end(&mut self, out: &mut Vec<Item>) {
        if self.id.is_some() {
            self.last = self.id.take();
        }
        let (event, data) = (
            std::mem::take(&mut self.event),
            std::mem::take(&mut self.data),
        );
        match event.as_str() {
            "reset" => out.push(Item::Reset),
            "" if !data.is_empty() => out.push(Item::Line(data)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "retry: 2000\n\nevent: reset\ndata: {}\n\nid: r-1\ndata: {\"a\":1}\n\n:\n\n\
                          id: r-2\r\ndata:{\"\u{e9}\":2}\r\n\r\nevent: other\ndata: x\n\nid: r-3\ndata: cut";

    #[test]
    fn feed_has_the_same_items_in_any_parts() {
        let expected = [
            Item::Reset,
            Item::Line("{\"a\":1}".to_owned()),
            Item::Line("{\"\u{e9}\":2}".to_owned()),
        ];
        for size in 1..STREAM.len() {
            let (mut feed, mut found) = (Feed::default(), Vec::new());
            for part in STREAM.as_bytes().chunks(size) {
                assert!(feed.read(part, &mut found));
            }
            assert_eq!(found, expected, "{size}");
            assert_eq!(feed.last.as_deref(), Some("r-2"), "{size}");
        }
    }

    #[test]
    fn feed_goes_on_behind_the_last_whole_item() {
        let (mut feed, mut found) = (Feed::default(), Vec::new());
        feed.read(STREAM.as_bytes(), &mut found);
        feed.cut();
        assert_eq!(feed.last.as_deref(), Some("r-2"), "the id to resume from");
        found.clear();
        feed.read(b"retry: 2000\n\nid: r-3\ndata: whole\n\n", &mut found);
        assert_eq!(found, [Item::Line("whole".to_owned())]);
        assert_eq!(feed.last.as_deref(), Some("r-3"));
    }

    #[test]
    fn feed_has_a_bound() {
        let (mut feed, mut found) = (Feed::default(), Vec::new());
        assert!(feed.read(&vec![b'x'; LINE], &mut found));
        assert!(!feed.read(b"x", &mut found), "an endless line");
        feed.cut();
        let line = ["data:", &"x".repeat(1000), "\n"].concat();
        let is_bound = (0..LINE).any(|_| !feed.read(line.as_bytes(), &mut found));
        assert!(is_bound && found.is_empty(), "an endless item");
    }
}
