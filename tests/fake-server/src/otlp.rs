//! Requests of OTLP in readable form: a walk through Protocol Buffers that knows the numbers of the
//! fields, and nothing of the agent's own code.

use super::h2::Call;
use super::print::{CLIP, Line, labelled};
use super::table::{Table, clip, utc};

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> &'a [u8] {
        match self {
            Field::Number(_) => &[],
            Field::Bytes(bytes) => bytes,
        }
    }

    fn number(&self) -> u64 {
        match self {
            Field::Number(number) => *number,
            Field::Bytes(_) => 0,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }
}

/// The fields of a message, with their numbers, up to the first one that is damaged.
fn fields(mut rest: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut all = Vec::new();
    while let Some(field) = field(&mut rest) {
        all.push(field);
    }
    all
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = varint(rest)?;
    let field = match key & 7 {
        0 => Field::Number(varint(rest)?),
        1 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Field::Number(u64::from_le_bytes(*bytes))
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Field::Bytes(bytes)
        }
        5 => {
            let (bytes, after) = rest.split_first_chunk()?;
            *rest = after;
            Field::Number(u32::from_le_bytes(*bytes).into())
        }
        _ => return None,
    };
    Some((key >> 3, field))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The fields of this number.
fn all<'a>(message: &'a [u8], number: u64) -> impl Iterator<Item = Field<'a>> {
    let fields = fields(message).into_iter();
    fields.filter_map(move |(known, field)| (known == number).then_some(field))
}

/// `key=value` of each attribute in the fields of this number.
fn attributes(message: &[u8], number: u64) -> String {
    let texts: Vec<String> = all(message, number)
        .map(|pair| {
            let text = |number| {
                let mut found = all(pair.bytes(), number);
                found.next().map(|field| field.text()).unwrap_or_default()
            };
            let value = all(pair.bytes(), 2).next();
            let value = value.and_then(|value| {
                let mut fields = fields(value.bytes()).into_iter();
                fields.next().map(|(number, field)| match number {
                    1 => field.text(),
                    2 => (field.number() != 0).to_string(),
                    4 => f64::from_bits(field.number()).to_string(),
                    _ => field.number().to_string(),
                })
            });
            format!("{}={}", text(1), value.unwrap_or_default())
        })
        .collect();
    clip(&texts.join(" "), CLIP)
}

/// The content of an `ExportMetricsServiceRequest`: for each resource its attributes, and a table
/// of the points.
pub(super) fn lines(message: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    for resource_metrics in all(message, 1) {
        let mut table = Table::new([4]);
        table.row([
            "time (UTC)",
            "metric",
            "kind",
            "attributes",
            "value",
            "unit",
        ]);
        let scopes = all(resource_metrics.bytes(), 2);
        let metrics: Vec<&[u8]> = scopes
            .flat_map(|scope| all(scope.bytes(), 2))
            .map(|metric| metric.bytes())
            .collect();
        for (time, row) in metrics.into_iter().flat_map(rows) {
            let time = utc(time).1;
            table.row(std::iter::once(time).chain(row));
        }
        let resource = all(resource_metrics.bytes(), 1).next();
        let resource = resource.map(|resource| attributes(resource.bytes(), 1));
        lines.push(Line::Heading(resource.unwrap_or_default()));
        lines.extend(labelled(&table));
    }
    lines
}

/// The Unix time of each round in a message: that of the first point of each resource.
pub fn times(message: &[u8]) -> Vec<u64> {
    let point = |resource_metrics: &[u8]| {
        let scope = all(resource_metrics, 2).next()?;
        let metric = all(scope.bytes(), 2).next()?;
        let data = all(metric.bytes(), 5).next();
        let data = data.or_else(|| all(metric.bytes(), 7).next())?;
        let time = all(all(data.bytes(), 1).next()?.bytes(), 3).next()?;
        Some(time.number() / 1_000_000_000)
    };
    all(message, 1)
        .filter_map(|resource_metrics| point(resource_metrics.bytes()))
        .collect()
}

/// A line for each point of the first round of a message, in order: metric, kind, attributes, value
/// and unit.
pub fn points(message: &[u8]) -> Vec<String> {
    let round = all(message, 1).next().into_iter();
    let scopes = round.flat_map(|resource| all(resource.bytes(), 2));
    let metrics = scopes.flat_map(|scope| all(scope.bytes(), 2));
    let rows = metrics.flat_map(|metric| rows(metric.bytes()));
    rows.map(|(_, [metric, kind, attributes, value, unit])| {
        format!("{metric} {kind} {attributes} {value} {unit}")
    })
    .collect()
}

/// For each point of a metric its Unix time, and metric, kind, attributes, value and unit.
fn rows(metric: &[u8]) -> Vec<(u64, [String; 5])> {
    let text = |number| {
        let mut found = all(metric, number);
        let text = found.next().map(|field| field.text()).unwrap_or_default();
        clip(&text, CLIP)
    };
    let gauges = all(metric, 5).map(|data| ("gauge", data));
    let sums = all(metric, 7).map(|data| {
        let is_monotonic = all(data.bytes(), 3).any(|field| field.number() != 0);
        (if is_monotonic { "sum" } else { "up-down sum" }, data)
    });
    let mut rows = Vec::new();
    for (kind, data) in gauges.chain(sums) {
        for point in all(data.bytes(), 1) {
            let point = point.bytes();
            let time = all(point, 3).next().map_or(0, |field| field.number());
            let double = all(point, 4).next();
            let double = double.map(|field| f64::from_bits(field.number()).to_string());
            let integer = all(point, 6).next();
            let integer = integer.map(|field| field.number().cast_signed().to_string());
            let row = [
                text(1),
                kind.to_owned(),
                attributes(point, 7),
                double.or(integer).unwrap_or_default(),
                text(3),
            ];
            rows.push((time / 1_000_000_000, row));
        }
    }
    rows
}

/// What was called, and its content.
pub(super) fn call(call: &Call) -> (String, Vec<Line>) {
    let line = format!(
        "gRPC {}, {} bytes",
        clip(&call.path, CLIP),
        call.message.len()
    );
    (line, lines(&call.message))
}
