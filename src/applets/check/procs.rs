//! `check-procs`: the number of processes that match. What the official plugin reads of the output
//! of `ps`, this one reads of `/proc`.

mod process;
#[cfg(test)]
mod tests;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding, pattern};
use crate::applets::host::Host;
use crate::applets::number::decimal;
use crate::base::packed::packed;
use crate::base::pattern::Pattern;

use process::Process;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-procs",
    help: packed!(
        "check the number of processes that match
  -w, --warn-over, --warning-over=N
                            WARNING if more than N match
  -c, --critical-over=N     CRITICAL if more than N match
  -W, --warn-under, --warning-under=N
                            WARNING if fewer than N match, unless 0 (default: 1)
  -C, --critical-under=N    CRITICAL if fewer match, unless 0 (default: 1)
  -m, --match-self          count this process, too
  -M, --match-parent        count the parent of this process, too
  -p, --pattern=PATTERN     regular expression of the command line; of several,
                            each is counted and judged by itself
  -x, --exclude-pattern=PATTERN
                            regular expression of command lines not to count
      --ppid=PID            of this parent process
  -f, --file-pid=PID        with this process id
  -z, --virtual-memory-size=KB
                            with at most so much virtual memory
  -r, --resident-set-size=KB
                            with at most so much memory in RAM
  -P, --proportional-set-size=PERCENT
                            with at most so much of a CPU since it was started
  -T, --thread-count=N      with at most so many threads
  -s, --state=STATE         in this state, e.g. Z for zombies
  -u, --user=USER           of this user, a name or a number
  -U, --user-not=USER       not of this user
  -e, --esec-over=SECONDS   started before more than so many seconds
  -E, --esec-under=SECONDS  started before less than so many seconds
  -i, --cpu-over=SECONDS    with more CPU time
  -I, --cpu-under=SECONDS   with less CPU time
"
    ),
    work: Work::Check("Procs", check),
};

/// How a number of a process compares with the one of a flag.
#[derive(Clone, Copy)]
enum Rule {
    AtMost,
    Under,
    Over,
}

/// The number of [`NUMBERS`].
const COUNT: usize = 8;
/// Flags with a number, in the order of the message: the flag, its part of the message, the decimals
/// there, and how a process matches. 0 is as if the flag was not given.
static NUMBERS: [(&str, &str, u32, Rule); COUNT] = [
    ("virtual-memory-size", "; vsz < ", 0, Rule::AtMost),
    ("resident-set-size", "; rss < ", 0, Rule::AtMost),
    ("proportional-set-size", "; pcpu < ", 6, Rule::AtMost),
    ("thread-count", "; thcount < ", 0, Rule::AtMost),
    ("esec-under", "; esec < ", 0, Rule::Under),
    ("esec-over", "; esec > ", 0, Rule::Over),
    ("cpu-under", "; csec < ", 0, Rule::Under),
    ("cpu-over", "; csec > ", 0, Rule::Over),
];
/// The numbers of [`NUMBERS`] that are in the process's `status`.
const OF_STATUS: std::ops::Range<usize> = 0..2;
/// The numbers of [`NUMBERS`] that depend on the time.
const OF_TIME: [usize; 3] = [2, 4, 5];

/// Flags with a text, and their parts of the message, which end with a slash each. An empty text is
/// as if the flag was not given.
static TEXTS: [(&str, &str); 5] = [
    ("state", "; state /"),
    ("user", "; user /"),
    ("user-not", "; usernot /"),
    ("ppid", "; ppid "),
    ("file-pid", "; pid "),
];
/// Position in [`TEXTS`] from which the parts of the message come last.
const LAST: usize = 3;

/// The flags that say which processes match, but for patterns of commands.
struct Filter<'a> {
    texts: [&'a str; 5],
    numbers: [f64; COUNT],
    /// The user ids of `--user`, and of `--user-not`.
    users: [Vec<&'a str>; 2],
}

/// A pattern of commands: its text, and the number of processes that match it.
struct Wanted<'a> {
    text: &'a str,
    pattern: Pattern,
    count: i64,
}

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let limits = [
        arguments.integer("warning-under")?,
        arguments.integer("warning-over")?,
        arguments.integer("critical-under")?,
        arguments.integer("critical-over")?,
    ];
    let mut passwd = String::new();
    if arguments.is_given("user") || arguments.is_given("user-not") {
        passwd = host.text("/etc/passwd").unwrap_or_default();
    }
    let filter = Filter::of(arguments, &passwd)?;
    let mut wanted = Vec::new();
    for text in arguments.all("pattern") {
        let pattern = pattern(text)?;
        let count = 0;
        wanted.push(Wanted {
            text,
            pattern,
            count,
        });
    }
    let count_of_all = count(arguments, host, &filter, &mut wanted)?;

    let (mut is_warning, mut is_critical) = (false, false);
    let mut message = String::new();
    let mut judge = |count: i64, pattern: Option<&str>| {
        let is_under = |at: usize| limits[at].is_some_and(|limit| count < limit);
        let is_over = |at: usize| limits[at].is_some_and(|limit| count > limit);
        is_warning |= is_under(0) || is_over(1);
        is_critical |= is_under(2) || is_over(3);
        filter.describe(count, pattern, &mut message);
    };
    for wanted in &wanted {
        judge(wanted.count, Some(wanted.text));
    }
    if wanted.is_empty() {
        judge(count_of_all, None);
    }
    Ok(Finding::of_limits(is_warning, is_critical, message))
}

/// Counts the processes that match `filter`, and of them those of each of `wanted`. Reads only the
/// files of a process that the flags need.
fn count(
    arguments: &Arguments,
    host: &Host<'_>,
    filter: &Filter<'_>,
    wanted: &mut [Wanted<'_>],
) -> Result<i64, Failure> {
    let exclude = match arguments.text("exclude-pattern") {
        "" => None,
        text => Some(pattern(text)?),
    };
    let (own, parent) = process::own_ids(host).unwrap_or_default();
    let (with_own, with_parent) = (
        arguments.is_on("match-self"),
        arguments.is_on("match-parent"),
    );
    let mut up_ticks = 0.0;
    if OF_TIME.iter().any(|at| filter.numbers[*at] != 0.0) {
        up_ticks = host.uptime()? * 100.0;
    }
    // One for all files: the allocator maps and unmaps each of this size.
    let (mut count, mut buffer) = (0, Vec::new());
    for pid in process::ids(host)? {
        if !with_own && pid == own || !with_parent && pid == parent || !filter.has_id(&pid) {
            continue;
        }
        let Some(stat) = process::file(host, &pid, "/stat", &mut buffer) else {
            continue;
        };
        let Some(mut process) = Process::new(&stat, up_ticks) else {
            continue;
        };
        if filter.needs_status() {
            let Some(status) = process::file(host, &pid, "/status", &mut buffer) else {
                continue;
            };
            process.read_status(&status);
        }
        if !filter.matches(&process) {
            continue;
        }
        let mut is_counted = true;
        if exclude.is_some() || !wanted.is_empty() {
            let line = process::file(host, &pid, "/cmdline", &mut buffer);
            let command = process.command(&line.unwrap_or_default());
            is_counted = exclude
                .as_ref()
                .is_none_or(|exclude| !exclude.matches(&command));
            for wanted in &mut *wanted {
                wanted.count += i64::from(is_counted && wanted.pattern.matches(&command));
            }
        }
        count += i64::from(is_counted);
    }
    Ok(count)
}

impl<'a> Filter<'a> {
    /// The filter that the flags set. Users are those of the file `passwd`.
    fn of(arguments: &'a Arguments, passwd: &'a str) -> Result<Filter<'a>, Failure> {
        let mut texts = [""; 5];
        for (text, (flag, _)) in texts.iter_mut().zip(&TEXTS) {
            *text = arguments.text(flag);
        }
        let mut numbers = [0.0; COUNT];
        for (number, (flag, _, decimals, _)) in numbers.iter_mut().zip(&NUMBERS) {
            let given = match decimals {
                0 => arguments.integer(flag)?.map(|number| number as f64),
                _ => arguments.number(flag)?,
            };
            *number = given.unwrap_or_default();
        }
        let [_, user, other, ..] = texts;
        let users = [user, other].map(|name| user_ids(passwd, name));
        Ok(Filter {
            texts,
            numbers,
            users,
        })
    }

    /// Whether processes have to be read with their `status`.
    fn needs_status(&self) -> bool {
        let users = self.users.iter().any(|users| !users.is_empty());
        users || self.numbers[OF_STATUS].iter().any(|number| *number != 0.0)
    }

    fn has_id(&self, pid: &str) -> bool {
        let wanted = self.texts[4];
        wanted.is_empty() || wanted == pid
    }

    fn matches(&self, process: &Process<'_>) -> bool {
        let [state, user, other, parent, _] = self.texts;
        let has_user = |users: &[&str]| users.contains(&&*process.user);
        let mut matches = (state.is_empty() || state == process.stat.state)
            && (parent.is_empty() || parent == process.stat.parent)
            && (user.is_empty() || has_user(&self.users[0]))
            && (other.is_empty() || !has_user(&self.users[1]));
        for (at, (_, _, _, rule)) in NUMBERS.iter().enumerate() {
            let (value, limit) = (process.numbers[at], self.numbers[at]);
            matches &= limit == 0.0
                || match rule {
                    Rule::AtMost => value <= limit,
                    Rule::Under => value < limit,
                    Rule::Over => value > limit,
                };
        }
        matches
    }

    /// Appends the line of the message about the processes that match.
    fn describe(&self, count: i64, pattern: Option<&str>, out: &mut String) {
        out.push_str("\nFound ");
        out.push_str(&count.to_string());
        out.push_str(" matching processes");
        if let Some(pattern) = pattern {
            for part in ["; cmd /", pattern, "/"] {
                out.push_str(part);
            }
        }
        self.describe_texts(0..LAST, "/", out);
        for (number, (_, label, decimals, _)) in self.numbers.iter().zip(&NUMBERS) {
            if *number != 0.0 {
                out.push_str(label);
                out.push_str(&decimal(*number, *decimals));
            }
        }
        self.describe_texts(LAST..TEXTS.len(), "", out);
    }

    fn describe_texts(&self, which: std::ops::Range<usize>, end: &str, out: &mut String) {
        for at in which {
            if !self.texts[at].is_empty() {
                for part in [TEXTS[at].1, self.texts[at], end] {
                    out.push_str(part);
                }
            }
        }
    }
}

/// The ids of the users that `ps` would show as `name`: it cuts names of more than eight letters to
/// seven and a `+`, as in `systemd+`. A name that is not in the file `passwd` is taken as an id.
fn user_ids<'a>(passwd: &'a str, name: &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    if name.is_empty() {
        return found;
    }
    let cut = name.strip_suffix('+').filter(|cut| cut.len() == 7);
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let user = fields.next().unwrap_or_default();
        let is_cut = || cut.is_some_and(|cut| user.len() > 8 && user.starts_with(cut));
        if user == name || is_cut() {
            found.extend(fields.nth(1));
        }
    }
    if found.is_empty() {
        found.push(name);
    }
    found
}
