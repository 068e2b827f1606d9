//! `check-uptime`: how long the host has been up.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-uptime",
    help: packed!(
        "check how long the host has been up
  -w, --warn-under, --warning-under=N
                            WARNING if it is less than N seconds
  -c, --critical-under=N
                            CRITICAL if it is less than N seconds
  -W, --warn-over, --warning-over=N
                            WARNING if it is more than N seconds
  -C, --critical-over=N
                            CRITICAL if it is more than N seconds
"
    ),
    work: Work::Check("Uptime", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let up = host.uptime()?;
    let limit = |name| arguments.number(name);
    let is_under = |limit: Option<f64>| limit.is_some_and(|limit| up < limit);
    let is_over = |limit: Option<f64>| limit.is_some_and(|limit| up > limit);
    let is_warning = is_under(limit("warning-under")?) | is_over(limit("warning-over")?);
    let is_critical = is_under(limit("critical-under")?) | is_over(limit("critical-over")?);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time since boot in seconds"
    )]
    let seconds = up as u64;
    let message = format!(
        "{} day(s) {} hour(s) {} minute(s) ({seconds} second(s))\n",
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
    );
    Ok(Finding::of_limits(is_warning, is_critical, message))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_uptime_compares_seconds() {
        let tree = Tree::new(&[("proc/uptime", "93784.20 1.00\n")]);
        let text = "1 day(s) 2 hour(s) 3 minute(s) (93784 second(s))\n\n";
        // (arguments, exit code, status)
        let table = [
            ("", 0, "OK"),
            ("-w 93784", 0, "OK"),
            ("-w 93785", 1, "WARNING"),
            ("--warn-under 93785", 1, "WARNING"),
            ("-w 93785 -c 93785", 2, "CRITICAL"),
            ("-W 93784.1", 1, "WARNING"),
            ("-W 93785 -C 93784", 2, "CRITICAL"),
            ("--critical-over=93785", 0, "OK"),
        ];
        for (arguments, code, status) in table {
            let expected = format!("Uptime {status}: {text}");
            assert_eq!(
                tree.run("check-uptime", arguments),
                said(code, &expected),
                "{arguments}"
            );
        }
    }

    #[test]
    fn check_uptime_is_unknown_without_the_file() {
        let found = Tree::new(&[]).run("check-uptime", "");
        assert_eq!(found.code, 3);
        assert!(
            found.output.starts_with("Uptime UNKNOWN: "),
            "{}",
            found.output
        );
    }
}
