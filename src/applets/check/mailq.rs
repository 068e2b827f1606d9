//! `check-mailq`: how many mails wait in the queue.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::command::{Ran, TIME};
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::base::packed::packed;
use crate::sys::user::is_root;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-mailq",
    help: packed!(
        "check how many mails wait in the queue
  -w, --warning=N           WARNING if there are more; 0 for no limit
                            (default: 100)
  -c, --critical=N          CRITICAL if there are more; 0 for no limit
                            (default: 200)
  -M, --mta=NAME            postfix, qmail or exim (default: postfix)
"
    ),
    work: Work::Check("Mailq", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let limit = |name| arguments.count(name);
    let (warning, critical) = (limit("warning")?, limit("critical")?);
    let mta = arguments.text("mta");
    let command: &[&str] = match mta {
        "postfix" => &["mailq"],
        "qmail" => &["qmail-qstat"],
        "exim" => &["exim", "-bpc"],
        _ => {
            let why = ": specified mta's check is not implemented.";
            return Err(Failure::unknown([mta, why].concat()));
        }
    };
    let ran = Ran::of(command, host, TIME)?;
    if ran.code != 0 {
        return Err([&*ran.said, remedy(mta, is_root())].concat().into());
    }
    let count = count(mta, &ran.text);
    let is_over = |limit: i64| limit != 0 && limit < count;
    let (is_warning, is_critical) = (is_over(warning), is_over(critical));
    Ok(Finding::of_limits(
        is_warning,
        is_critical,
        count.to_string(),
    ))
}

/// What helps if the program has failed. That of Postfix is set-group-ID, which has no effect in the
/// service; it takes the closed socket for a mail system that is down.
fn remedy(mta: &str, is_root: bool) -> &'static str {
    match mta {
        "postfix" if !is_root => "; if Postfix runs, give the service SupplementaryGroups=postdrop",
        _ => "",
    }
}

/// The number of mails in what the program wrote; 0 if it names none, as that of an empty queue.
fn count(mta: &str, text: &str) -> i64 {
    let number = match mta {
        // `-- 12 Kbytes in 3 Requests.`
        "postfix" => {
            let last = text.lines().next_back().unwrap_or_default();
            last.split_once(" Kbytes in ").map(|(_, after)| after)
        }
        "qmail" => text.strip_prefix("messages in queue: "),
        _ => Some(text),
    };
    let number = number.unwrap_or_default().split_ascii_whitespace().next();
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_mailq_counts_mails() {
        let list = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n\
                    0A1B2C3D4E*     334 Mon Nov 27 10:00:00  root@example.com\n\
                    \t\t\t\t\t in 7 Requests\n\n";
        // (kind of server, output, mails)
        let table = [
            ("postfix", "Mail queue is empty\n", 0),
            (
                "postfix",
                &[list, "-- 12 Kbytes in 3 Requests.\n"].concat(),
                3,
            ),
            (
                "postfix",
                &[list, "-- 0 Kbytes in 1 Request.\n"].concat(),
                1,
            ),
            ("postfix", list, 0),
            ("postfix", "", 0),
            (
                "qmail",
                "messages in queue: 12\nmessages in queue but not yet preprocessed: 1\n",
                12,
            ),
            ("qmail", "", 0),
            ("exim", "15\n", 15),
        ];
        for (mta, text, expected) in table {
            assert_eq!(count(mta, text), expected, "{mta}: {text}");
        }
    }

    #[test]
    fn check_mailq_names_the_group_that_may_ask_postfix() {
        // (kind of server, whether this user is root, whether there is a remedy)
        let table = [
            ("postfix", false, true),
            ("postfix", true, false),
            ("qmail", false, false),
            ("exim", false, false),
        ];
        for (mta, is_root, has_remedy) in table {
            let remedy = remedy(mta, is_root);
            assert_eq!(remedy.contains("postdrop"), has_remedy, "{mta} {is_root}");
        }
    }

    #[test]
    fn check_mailq_is_unknown_for_other_servers() {
        let text = "Mailq UNKNOWN: courier: specified mta's check is not implemented.\n";
        let found = Tree::new(&[]).run("check-mailq", "-M courier");
        assert_eq!(found, said(3, text));
        assert_eq!(Tree::new(&[]).run("check-mailq", "-w x").code, 1);
    }
}
