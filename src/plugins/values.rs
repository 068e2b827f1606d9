//! `custom.*` metrics, parsed from the output of a metric plugin.

use std::cell::Cell;

use crate::base::clock::Unix;
use crate::base::pattern::Pattern;
use crate::base::text::is_metric_name;
use crate::base::values::Values;
use crate::config::MetricPlugin;
use crate::parse::plugin;

/// Prefix of the names of a plugin's metrics.
const PREFIX: &str = "custom.";
/// Largest number of values of one run. With their names, and as a request, they take about 7 MB.
const VALUES: usize = 20_000;
/// Largest number of names of one run that are logged because they cannot be sent.
const REJECTED: usize = 20;
/// Characters kept of such a name.
const SHOWN: usize = 200;

/// The values of one run of a metric plugin.
#[derive(Debug)]
pub(crate) struct PluginValues {
    /// Values by time: one round, unless the plugin's own times are used.
    pub(crate) rounds: Vec<(Unix, Values)>,
    /// The first names that the API rejects, or whose value JSON cannot hold.
    pub(crate) rejected: Vec<String>,
    /// What is wrong with the first invalid line, or that there were too many values.
    pub(crate) trouble: Option<String>,
    /// Whether no line has the three fields of a value.
    pub(crate) is_without_value: bool,
}

/// Parses what `plugin` printed for the round of `time`. It ended at `now`, with which its own times
/// are compared.
///
/// Invalid lines are skipped. Of several values of one name, the last is used.
pub(crate) fn understand(text: &str, plugin: &MetricPlugin, time: Unix, now: Unix) -> PluginValues {
    let is_excluding = Cell::new(false);
    let wanted = |key: &str| {
        let matches = |pattern: &Pattern| pattern.matches(key);
        let is_wanted = plugin.include_pattern.as_ref().is_none_or(matches)
            && !plugin.exclude_pattern.as_ref().is_some_and(matches);
        is_excluding.set(is_excluding.get() || !is_wanted);
        is_wanted
    };
    let own_time = plugin.use_plugin_timestamp.then_some(now);
    let mut found = Vec::new();
    let mut rejected: Vec<String> = Vec::new();
    let mut trouble = None;
    for (at, line) in plugin::values(text, &wanted, own_time).enumerate() {
        match line {
            Ok(_) if found.len() >= VALUES => {
                trouble.get_or_insert_with(|| {
                    format!("plugin output: more than {VALUES} values: the rest is dropped")
                });
            }
            Ok(value) if value.value.is_finite() && is_metric_name(value.key) => {
                found.push((value.key, at, value.time.unwrap_or(time), value.value));
            }
            Ok(value) if rejected.len() < REJECTED => {
                rejected.push(value.key.chars().take(SHOWN).collect());
            }
            Ok(_) => {}
            Err(error) => {
                trouble.get_or_insert_with(|| error.to_string());
            }
        }
    }
    let is_without_value = found.is_empty() && rejected.is_empty() && !is_excluding.get();
    PluginValues {
        rounds: by_time(found),
        rejected,
        is_without_value: is_without_value && trouble.is_none(),
        trouble,
    }
}

/// Groups values by time. Each value comes with its name and the number of its line.
fn by_time(mut found: Vec<(&str, usize, Unix, f64)>) -> Vec<(Unix, Values)> {
    // Sorted by name: a plugin that prints in any order has the same series each time.
    found.sort_unstable_by(|one, other| (one.0, other.1).cmp(&(other.0, one.1)));
    found.dedup_by(|earlier, last| earlier.0 == last.0);
    let mut rounds: Vec<(Unix, Values)> = Vec::new();
    for (key, _, time, value) in found {
        let at = rounds
            .iter()
            .position(|(known, _)| *known == time)
            .unwrap_or_else(|| {
                rounds.push((time, Values::default()));
                rounds.len() - 1
            });
        if let Some((_, values)) = rounds.get_mut(at) {
            values.put_any([PREFIX, key].concat(), value);
        }
    }
    rounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const NOW: Unix = Unix(1_700_000_040);

    /// Parses `text` as the output of a plugin with these settings. Also returns the values as
    /// lines `time name value`.
    fn understood(settings: &str, text: &str) -> (Vec<String>, PluginValues) {
        understood_after(0, settings, text)
    }

    /// The same, if the plugin ran for so many seconds.
    fn understood_after(seconds: u64, settings: &str, text: &str) -> (Vec<String>, PluginValues) {
        let mut config = Config::default();
        let table = format!("[plugin.metrics.N]\ncommand = 'x'\n{settings}\n");
        config.read(table.as_bytes()).unwrap();
        let end = Unix(NOW.0 + seconds);
        let found = understand(text, &config.metric_plugins["N"], NOW, end);
        let mut lines = Vec::new();
        for (time, values) in &found.rounds {
            let shown = |(name, value)| format!("{} {name} {value}", time.0);
            lines.extend(values.iter().map(shown));
        }
        (lines, found)
    }

    #[test]
    fn values_are_understood_as_documented() {
        let now = NOW.0;
        // (why this row exists, settings, text, expected lines without the time of the round)
        let table: [(_, _, _, &[&str]); 10] = [
            ("none", "", "", &[]),
            ("one", "", "a.b\t1.5\t0\n", &["custom.a.b 1.5"]),
            (
                "vector 43",
                "",
                "foo.bar.x 1e3 0\nbad\nfoo.us 1_000 1\nfoo.hexf 0x1p4 1\n",
                &[
                    "custom.foo.bar.x 1000",
                    "custom.foo.hexf 16",
                    "custom.foo.us 1000",
                ],
            ),
            (
                "vector 45",
                "include_pattern = '^dice\\.d6'",
                "dice.d6 1 1\ndice.d20 2 1\n",
                &["custom.dice.d6 1"],
            ),
            (
                "vector 45",
                "exclude_pattern = '^dice\\.d20'",
                "dice.d6 1 1\ndice.d20 2 1\n",
                &["custom.dice.d6 1"],
            ),
            (
                "vector 45",
                "include_pattern = '^dice\\.d20'\nexclude_pattern = '^dice\\.d20'",
                "dice.d6 1 1\ndice.d20 2 1\n",
                &[],
            ),
            (
                "the last counts",
                "",
                "b 1 0\na 9 0\nb 2 0\nb 3 0\n",
                &["custom.a 9", "custom.b 3"],
            ),
            (
                "no JSON",
                "",
                "foo.nan NaN 1\nfoo.inf +Inf 1\nfoo.x 1 1\n",
                &["custom.foo.x 1"],
            ),
            (
                "no name",
                "",
                "a/b 1 1\nfoo.\u{e9} 1 1\na..b 1 1\n",
                &["custom.a..b 1"],
            ),
            ("no number", "", "a 1,5 0\nb 2 0\nc - 0\n", &["custom.b 2"]),
        ];
        for (why, settings, text, expected) in table {
            let (lines, _) = understood(settings, text);
            let expected: Vec<String> = expected.iter().map(|e| format!("{now} {e}")).collect();
            assert_eq!(lines, expected, "{why}");
        }
    }

    #[test]
    fn own_times_make_rounds_of_their_own() {
        let (now, before) = (NOW.0, NOW.0 - 60);
        let text = format!("a 1 {now}\nb 2 {before}\nc 3 {now}\nd 4 1\n");
        let (lines, found) = understood("use_plugin_timestamp = true", &text);
        let expected = [
            format!("{now} custom.a 1"),
            format!("{now} custom.c 3"),
            format!("{before} custom.b 2"),
        ];
        assert_eq!(lines, expected);
        assert_eq!(found.rounds.len(), 2);
        assert!(found.trouble.unwrap().contains("time close to the present"));
    }

    #[test]
    fn own_times_are_compared_with_the_end_of_the_run() {
        // (why this row exists, seconds that the run took, the plugin's time relative to the round,
        // whether it is used)
        let table = [
            ("at the start", 0, 0, true),
            ("at the end of a long run", 1_000, 1_000, true),
            ("at its start", 1_000, 0, false),
            ("just too far from its end", 1_000, 100, false),
            ("just near enough", 1_000, 101, true),
            ("of the future", 0, 900, false),
        ];
        for (why, seconds, time, is_used) in table {
            let text = format!("a 1 {}\n", NOW.0 + time);
            let (lines, _) = understood_after(seconds, "use_plugin_timestamp = true", &text);
            let expected = is_used.then(|| format!("{} custom.a 1", NOW.0 + time));
            assert_eq!(lines, Vec::from_iter(expected), "{why}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let (_, found) = understood("", "a/b 1 1\nnan NaN 1\nok 1 1\n");
        assert_eq!(found.rejected, ["a/b", "nan"]);
        let many: String = (0..2 * REJECTED)
            .map(|at| format!("a/{at} 1 1\n"))
            .collect();
        assert_eq!(understood("", &many).1.rejected.len(), REJECTED);
        let (_, found) = understood("", &format!("{} 1 1\n", "/".repeat(1 << 20)));
        assert_eq!(found.rejected, ["/".repeat(SHOWN)]);
    }

    #[test]
    fn plugin_values_are_limited_in_number() {
        let lines =
            |count: usize| -> String { (0..count).map(|at| format!("a{at} 1 1\n")).collect() };
        // (why this row exists, text, number of values, expected part of the trouble)
        let table = [
            ("as many as there may be", lines(VALUES), VALUES, None),
            (
                "more",
                lines(VALUES + 1),
                VALUES,
                Some("more than 20000 values"),
            ),
            (
                "much more",
                lines(80_000),
                VALUES,
                Some("the rest is dropped"),
            ),
            (
                "of one name",
                "a 1 1\n".repeat(1 << 17),
                1,
                Some("more than 20000 values"),
            ),
        ];
        for (why, text, count, said) in table {
            let (lines, found) = understood("", &text);
            assert_eq!(lines.len(), count, "{why}");
            let trouble = found.trouble.unwrap_or_default();
            match said {
                None => assert_eq!(trouble, "", "{why}"),
                Some(said) => assert!(trouble.contains(said), "{why}: {trouble}"),
            }
        }
    }

    #[test]
    fn plugin_output_without_a_value_is_told_from_one_whose_values_are_not_wanted() {
        // (why this row exists, settings, text, whether there is no value at all)
        let table = [
            ("a value", "", "a 1 0\n", false),
            ("nothing", "", "", true),
            ("an error", "", "cannot connect\n", true),
            ("two fields", "", "a 1\n", true),
            ("a page", "", "<html>\n</html>\n", true),
            ("a name that cannot be sent", "", "a/b 1 0\n", false),
            ("no number, which is said by itself", "", "a x 0\n", false),
            ("excluded", "exclude_pattern = 'a'", "a 1 0\n", false),
            (
                "an error, and a pattern",
                "exclude_pattern = 'b'",
                "failed\n",
                true,
            ),
        ];
        for (why, settings, text, expected) in table {
            let (_, found) = understood(settings, text);
            assert_eq!(found.is_without_value, expected, "{why}");
        }
    }
}
