//! `mackerel-plugin-proc-fd`: open files of the process that has most of them.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::{Arguments, wrong};
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::base::pattern::Pattern;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-proc-fd",
    help: packed!(
        "print the number of open files of the process that has most of them
  -process=PATTERN          part of its command line, a pattern of grep
  -metric-key-prefix=NAME   begin of the metric's name (default: proc-fd)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Made(graphs),
        measure,
    }),
};

/// Characters with a meaning that `grep` gives them only after a backslash.
const EXTENDED: &str = "+?(){}|";

/// The pattern as a part of a metric's name.
fn name(arguments: &Arguments) -> Result<String, Failure> {
    let mut name = String::new();
    for c in arguments.required("process")?.chars() {
        let is_good = c.is_ascii_alphanumeric() || "-_.".contains(c);
        name.push(if is_good { c } else { '_' });
    }
    Ok(name)
}

fn graphs(arguments: &Arguments, _: &Host<'_>) -> Result<String, Failure> {
    let name = name(arguments)?;
    let end = r#"","unit":"integer","metrics":[{"name":"max_fd","label":"Maximum opening fd","stacked":false}]}}}"#;
    Ok([
        r#"{"graphs":{"$."#,
        &name,
        r#"":{"label":"Opening fd by "#,
        &name,
        end,
    ]
    .concat())
}

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let process = arguments.required("process")?;
    if process.is_empty() {
        return Err(wrong("process", process, "a part of a command line"));
    }
    let pattern = Pattern::new(&extended(process));
    let pattern = pattern.map_err(|_| wrong("process", process, "a regular expression"))?;
    let mut most = None;
    let mut is_found = false;
    for pid in host.root.directories("/proc") {
        let Some(pid) = pid
            .to_str()
            .filter(|pid| pid.starts_with(|c: char| c.is_ascii_digit()))
        else {
            continue;
        };
        let directory = ["/proc/", pid].concat();
        let file = |file: &str| {
            host.text(&[&directory, "/", file].concat())
                .unwrap_or_default()
        };
        let mut command = file("cmdline").replace('\0', " ");
        if command.is_empty() {
            // A thread of the kernel, as `ps` shows it.
            command = ["[", file("comm").trim_ascii_end(), "]"].concat();
        }
        if !pattern.matches(&command) || command.contains(APPLET.name) {
            continue;
        }
        is_found = true;
        most = most.max(host.root.count([&directory, "/fd"].concat()).ok());
    }
    match most {
        Some(most) => values.count(&[&name(arguments)?, ".max_fd"].concat(), most),
        None => {
            let why = match is_found {
                true => {
                    ": the open files of its processes cannot be listed; run the plugin as root"
                }
                false => ": no such process",
            };
            return Err(Failure::unknown([process, why].concat()));
        }
    }
    Ok(())
}

/// A basic regular expression of POSIX as an extended one.
fn extended(basic: &str) -> String {
    let mut extended = String::new();
    let mut is_escaped = false;
    for c in basic.chars() {
        if c == '\\' && !is_escaped {
            is_escaped = true;
            continue;
        }
        if is_escaped != EXTENDED.contains(c) {
            extended.push('\\');
        }
        extended.push(c);
        is_escaped = false;
    }
    extended
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-proc-fd";

    fn tree() -> Tree {
        Tree::new(&[
            ("proc/1/cmdline", "/sbin/init\0splash\0"),
            ("proc/1/comm", "init\n"),
            ("proc/2/cmdline", ""),
            ("proc/2/comm", "kthreadd\n"),
            ("proc/2/fd/none", ""),
            ("proc/20/cmdline", "nginx: master process"),
            ("proc/20/fd/0", ""),
            ("proc/21/cmdline", "nginx: worker process"),
            ("proc/21/fd/0", ""),
            ("proc/21/fd/1", ""),
            ("proc/21/fd/2", ""),
            (
                "proc/30/cmdline",
                "sh\0-c\0mackerel-plugin-proc-fd -process nginx\0",
            ),
            ("proc/30/fd/0", ""),
            ("proc/30/fd/1", ""),
            ("proc/30/fd/2", ""),
            ("proc/30/fd/3", ""),
            ("proc/meminfo", ""),
        ])
    }

    #[test]
    fn plugin_proc_fd_prints_the_most_of_all_processes() {
        let line = |name: &str, count: u32| {
            said(0, &format!("proc-fd.{name}.max_fd\t{count}\t1700000000\n"))
        };
        // (pattern, name, open files)
        let table = [
            ("nginx", "nginx", 3),
            ("nginx: master", "nginx__master", 1),
            ("^n.*s$", "_n._s_", 3),
            (r"master\|worker", "master__worker", 3),
            ("[k]thread", "_k_thread", 1),
        ];
        for (pattern, name, count) in table {
            let printed = tree().run_words(NAME, &["-process", pattern]);
            assert_eq!(printed, line(name, count), "{pattern}");
        }
    }

    #[test]
    fn plugin_proc_fd_says_why_there_is_no_value() {
        // (arguments, error)
        let table: [(&[&str], &str); 4] = [
            (&["-process", "apache"], "apache: no such process"),
            (
                &["-process", "init"],
                "init: the open files of its processes cannot be listed; run the plugin as root",
            ),
            (
                &["-process", "[a"],
                "--process: [a; write a regular expression; see mackerel-plugin-proc-fd --help",
            ),
            (
                &[],
                "--process must be given; see mackerel-plugin-proc-fd --help",
            ),
        ];
        for (arguments, expected) in table {
            let printed = tree().run_words(NAME, arguments);
            let expected = format!("mackerel-plugin-proc-fd: {expected}\n");
            assert_eq!((printed.code, printed.error), (1, expected));
        }
    }

    #[test]
    fn plugin_proc_fd_reads_expressions_of_grep() {
        for (basic, expected) in [
            ("nginx", "nginx"),
            ("a+b", r"a\+b"),
            (r"a\+b", "a+b"),
            (r"\(a\|b\)", "(a|b)"),
            ("f(x)", r"f\(x\)"),
            (r"a\.b\\", r"a\.b\\"),
        ] {
            assert_eq!(extended(basic), expected);
        }
    }

    #[test]
    fn plugin_proc_fd_defines_a_graph() {
        let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "-process a(b)");
        assert_eq!(graphs, ["custom.proc-fd.a_b_"]);
        assert_eq!(metrics, ["custom.proc-fd.a_b_.max_fd"]);
    }
}
