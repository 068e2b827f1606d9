//! Readings as an event of the live page: one line of JSON. Rates are those since the readings
//! before, percentages have one decimal, and no number goes through a float's text.

mod cpu;
mod json;
mod lists;

use std::time::Duration;

use crate::base::clock::Moment;
use crate::collect::readings::{RESOURCES, Readings};
use crate::parse::meminfo::Meminfo;
pub(crate) use json::JsonText;

/// Largest number of devices, mounts or containers of an event, which bounds its length.
pub(crate) const MOST: usize = 50;

/// What measures events of the live page.
pub(crate) trait Source {
    /// Data of the event `host`: what does not change.
    fn host(&mut self) -> String;

    /// Whether the next event has the agent's part.
    fn is_full(&self) -> bool;

    /// Data of one event: JSON on one line. `agent` is the agent's part, if it was asked for: some
    /// members of an object, without its braces.
    fn event(&mut self, now: Moment, wall: Duration, agent: Option<&str>) -> String;

    /// Forgets the counters of the last event, so that the next one has no rates.
    fn forget(&mut self);
}

/// What an event shows.
pub(crate) struct Moments<'a> {
    /// Time since the epoch.
    pub(crate) wall: Duration,
    /// The counters with which `now` is compared.
    pub(crate) before: &'a Readings,
    pub(crate) now: &'a Readings,
    /// For each of [`RESOURCES`]: hundredths of a percent; `None` without PSI.
    pub(crate) pressure: [Option<u64>; RESOURCES.len()],
    /// Members that the agent adds, if one runs: JSON without the braces.
    pub(crate) agent: Option<&'a str>,
}

/// The data of the event. What was not read is left out, and so are rates without a reading before.
pub(crate) fn event(moments: &Moments<'_>) -> String {
    let Moments { before, now, .. } = moments;
    let mut out = JsonText::default();
    out.begin('{');
    out.name("time");
    let milliseconds = moments.wall.as_millis();
    out.number(u64::try_from(milliseconds).ok());
    if let (Some(before), Some(now)) = (&before.cpu, &now.cpu) {
        cpu::put(&mut out, &before.reading, &now.reading);
    }
    load(&mut out, now.load);
    if let Some(memory) = &now.memory {
        self::memory(&mut out, memory);
    }
    if moments.pressure.iter().any(Option::is_some) {
        out.name("pressure");
        out.begin('{');
        for (resource, share) in RESOURCES.iter().zip(moments.pressure) {
            out.name(resource);
            out.fixed(share, 2);
        }
        out.end('}');
    }
    if let (Some(before), Some(now)) = (&before.interfaces, &now.interfaces) {
        lists::interfaces(&mut out, before, now);
    }
    if let (Some(before), Some(now)) = (&before.disks, &now.disks) {
        lists::disks(&mut out, before, now);
    }
    if let Some(filesystems) = &now.filesystems {
        lists::filesystems(&mut out, filesystems);
    }
    if let Some(containers) = &now.containers {
        lists::containers(&mut out, before.containers.as_ref(), containers);
    }
    if let Some(agent) = moments.agent.filter(|agent| !agent.is_empty()) {
        out.raw(agent);
    }
    out.end('}');
    out.into_text()
}

/// The data of the first event of a stream: what does not change from second to second.
/// `boot_seconds` is the wall-clock time of the host's start.
pub(crate) fn host(
    name: &str,
    version: &str,
    cores: Option<usize>,
    boot_seconds: Option<u64>,
) -> String {
    let mut out = JsonText::default();
    out.begin('{');
    out.name("name");
    out.text(name);
    out.name("version");
    out.text(version);
    for (name, value) in [
        ("cores", cores.map(|cores| cores as u64)),
        ("boot", boot_seconds),
    ] {
        if value.is_some() {
            out.name(name);
            out.number(value);
        }
    }
    out.end('}');
    out.into_text()
}

/// Adds the mean numbers of runnable tasks, with two decimals as in the kernel's file.
fn load(out: &mut JsonText, load: [Option<f64>; 3]) {
    if load.iter().all(Option::is_none) {
        return;
    }
    out.name("load");
    out.begin('[');
    for mean in load {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast from a float saturates, and the parser lets through no negative mean"
        )]
        let hundredths = mean.map(|mean| (mean * 100.0 + 0.5) as u64);
        out.fixed(hundredths, 2);
    }
    out.end(']');
}

/// Adds the use of memory and swap, in bytes. `used` is what programs could not have.
fn memory(out: &mut JsonText, now: &Meminfo) {
    let caches = [now.free_bytes, now.buffers_bytes, now.cached_bytes];
    let available = if now.tells_available {
        now.available_bytes
    } else {
        caches.into_iter().sum()
    };
    // LXCFS shows a container's own total, but some parts are the host's.
    let used = now.total_bytes.zip(available);
    let used = used.map(|(total, available)| total.saturating_sub(available));
    out.name("memory");
    out.begin('{');
    for (name, bytes) in [
        ("total", now.total_bytes),
        ("used", used),
        ("buffers", now.buffers_bytes),
        ("cached", now.cached_bytes),
        ("free", now.free_bytes),
        ("available", available),
        ("swap_total", now.swap_total_bytes),
        ("swap_free", now.swap_free_bytes),
    ] {
        if bytes.is_some() {
            out.name(name);
            out.number(bytes);
        }
    }
    out.end('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_has_what_is_known() {
        assert_eq!(
            host("a\"b", "1.2.3", Some(4), Some(9)),
            r#"{"name":"a\"b","version":"1.2.3","cores":4,"boot":9}"#
        );
        assert_eq!(host("a", "1", None, None), r#"{"name":"a","version":"1"}"#);
    }

    #[test]
    fn event_of_nothing_has_its_time() {
        let readings = Readings::default();
        let moments = Moments {
            wall: Duration::from_millis(1_764_380_000_123),
            before: &readings,
            now: &readings,
            pressure: [None; 3],
            agent: Some(""),
        };
        assert_eq!(event(&moments), r#"{"time":1764380000123}"#);
    }

    #[test]
    fn memory_in_use_is_what_is_not_available() {
        // (why this row exists, text, used bytes in kB)
        let table = [
            ("as ever", "MemTotal: 10 kB\nMemAvailable: 4 kB\n", 6),
            (
                "before 3.14",
                "MemTotal: 10 kB\nMemFree: 1 kB\nBuffers: 2 kB\nCached: 3 kB\n",
                4,
            ),
            (
                "of another's host",
                "MemTotal: 10 kB\nMemAvailable: 40 kB\n",
                0,
            ),
        ];
        for (why, text, kib) in table {
            let mut out = JsonText::default();
            memory(&mut out, &crate::parse::meminfo::parse(text).unwrap());
            let text = out.into_text();
            assert!(
                text.contains(&format!("\"used\":{},", kib * 1024)),
                "{why}: {text}"
            );
        }
    }
}
