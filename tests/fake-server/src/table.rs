//! Text in columns, and numbers in readable form.

/// Cells in rows. A row may be shorter than others.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns that are aligned to the right: numbers.
    right: Vec<usize>,
}

impl Table {
    /// An empty table whose columns `right`, counted from 0, hold numbers.
    pub(super) fn new(right: impl Into<Vec<usize>>) -> Table {
        Table {
            rows: Vec::new(),
            right: right.into(),
        }
    }

    pub(super) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| cell.to_string());
        self.rows.push(cells.collect());
    }

    /// One line for each row, with aligned columns and no trailing blanks.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line.push_str("  ");
                }
                line.push_str(&if self.right.contains(&column) {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                });
            }
            line.truncate(line.trim_end().len());
            line
        };
        self.rows.iter().map(line).collect()
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Percent,
    Bytes,
    BytesPerSecond,
    BitsPerSecond,
    OperationsPerSecond,
    Seconds,
    Milliseconds,
    Integer,
    /// A load average, or anything else.
    Number,
}

impl Unit {
    /// The unit of a graph definition. [`Unit::Number`] if it is unknown.
    pub(super) fn named(name: &str) -> Unit {
        match name {
            "percentage" => Unit::Percent,
            "bytes" => Unit::Bytes,
            "bytes/sec" => Unit::BytesPerSecond,
            "bits/sec" => Unit::BitsPerSecond,
            "iops" => Unit::OperationsPerSecond,
            "seconds" => Unit::Seconds,
            "milliseconds" => Unit::Milliseconds,
            "integer" => Unit::Integer,
            _ => Unit::Number,
        }
    }

    pub(super) fn show(self, value: f64) -> String {
        match self {
            Unit::Percent => format!("{value:.1} %"),
            Unit::Bytes => scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
            Unit::BytesPerSecond => scaled(value, 1024.0, &["B/s", "KiB/s", "MiB/s", "GiB/s"]),
            Unit::BitsPerSecond => scaled(value, 1000.0, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]),
            Unit::OperationsPerSecond => format!("{value:.1} ops/s"),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Milliseconds => format!("{value:.1} ms"),
            Unit::Integer => format!("{value:.0}"),
            Unit::Number => format!("{value:.2}"),
        }
    }
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut units = units.iter().peekable();
    let mut unit = units.next().unwrap_or(&"");
    let whole = value.abs() < step && value.fract() == 0.0;
    while value.abs() >= step
        && let Some(next) = units.next()
    {
        value /= step;
        unit = next;
    }
    if whole {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// Date and time of day in UTC, e.g. `2026-11-22` and `04:00:00`.
pub(super) fn utc(seconds: u64) -> (String, String) {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let (mut year, mut day) = (1970, days);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if day < length || year == 9999 {
            break;
        }
        day -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let date = format!("{year:04}-{month:02}-{:02}", day + 1);
    (date, format!("{hour:02}:{minute:02}:{:02}", second % 60))
}

/// The value of a `Date` header (RFC 9110, section 5.6.7). The day of the week is always Thursday:
/// the agent does not read it.
pub(super) fn http_date(seconds: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (date, time) = utc(seconds);
    let parts: Vec<&str> = date.split('-').collect();
    let month = MONTHS[parts[1].parse::<usize>().unwrap() - 1];
    format!("Thu, {} {month} {} {time} GMT", parts[2], parts[0])
}

/// The first `limit` characters of the first line, without control characters, which a terminal
/// might interpret.
pub(super) fn clip(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    let more = line.chars().count() > limit || text.lines().nth(1).is_some();
    let mut shown: String = line
        .chars()
        .take(limit)
        .map(|c| if c.is_control() { '\u{b7}' } else { c })
        .collect();
    if more {
        shown.push('\u{2026}');
    }
    shown
}
