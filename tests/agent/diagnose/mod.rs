//! `mackerel-agent diagnose` on hosts with one fault each: the text names the cause and the next
//! step, and what depends on the failed step is not tried.

mod bundle;
mod host;
mod server;

use crate::sandbox::Sandbox;

/// Columns of the screen.
const COLUMNS: usize = 80;
/// What a continued line begins with.
const MARGIN: &str = "          ";

/// A run of the command.
struct Diagnosis {
    code: Option<i32>,
    /// Everything on stdout.
    text: String,
    /// A line for each step, without its duration: `STATE NAME: WHAT; WHAT TO DO`.
    steps: Vec<String>,
}

impl Diagnosis {
    /// Runs the command.
    #[track_caller]
    fn of(sandbox: &Sandbox, flags: &[&str]) -> Diagnosis {
        let agent = sandbox.start_with(&["diagnose"], flags);
        let finished = agent.wait_exit(crate::sandbox::limit(100));
        let mut steps: Vec<String> = Vec::new();
        for line in finished.stdout.lines() {
            let words = line.trim_start().contains(' ');
            assert!(
                line.chars().count() <= COLUMNS || !words,
                "longer than {COLUMNS}: {line}"
            );
            match (line.strip_prefix(MARGIN), steps.last_mut()) {
                (Some(more), Some(step)) => step.extend([" ", more]),
                _ if line.starts_with("  ") => {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    steps.push(words.join(" "));
                }
                _ => {}
            }
        }
        for step in &mut steps {
            if let Some((name, rest)) = step.split_once(" (")
                && let Some((millis, rest)) = rest.split_once(" ms)")
                && millis.parse::<u64>().is_ok()
            {
                *step = format!("{name}{rest}");
            }
        }
        let failed = steps.iter().any(|step| step.starts_with("FAIL"));
        let code = finished.code;
        let (text, errors) = (finished.stdout, finished.stderr);
        assert_eq!(code, Some(i32::from(failed)), "{text}{errors}");
        assert_eq!(errors.contains("steps failed"), failed, "{text}{errors}");
        Diagnosis { code, text, steps }
    }

    /// The steps in this state.
    fn all(&self, state: &str) -> Vec<&str> {
        let steps = self.steps.iter();
        let found = steps.filter_map(|step| step.strip_prefix(state)?.strip_prefix(' '));
        found.collect()
    }

    /// Panics unless exactly these steps failed. Steps of the service manager and the plugins of
    /// this machine do not count, unless they are named.
    #[track_caller]
    fn assert_failed(&self, expected: &[&str]) {
        assert_eq!(self.all("FAIL"), expected, "{}", self.text);
    }

    /// Panics unless exactly these steps were not tried.
    #[track_caller]
    fn assert_skipped(&self, names: &str) {
        let expected = format!("{names}: a step before fails");
        assert!(
            self.all("skipped").contains(&&*expected),
            "{expected}: {}",
            self.text
        );
    }
}
