//! `check-file-age`: how long ago a file was changed, and how large it is.

use std::os::unix::fs::MetadataExt;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::{Host, failed};
use crate::base::clock::Unix;
use crate::base::packed::packed;
use crate::sys::localtime::LocalTime;
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-file-age",
    help: packed!(
        "check the age and the size of a file
  -f, --file=FILE           the file
  -w, --warning-age=N       WARNING if it is older than N seconds; 0: no limit
                            (default: 240)
  -W, --warning-size=N      WARNING if it is smaller than N bytes
  -c, --critical-age=N      CRITICAL if it is older than N seconds; 0: no limit
                            (default: 600)
  -C, --critical-size=N     CRITICAL if it is smaller than N bytes (default: 0)
  -i, --ignore-missing      a missing file is OK
"
    ),
    work: Work::Check("FileAge", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let path = arguments.required("file")?;
    let limit = |name| arguments.count(name);
    let [warning_age, warning_size] = [limit("warning-age")?, limit("warning-size")?];
    let [critical_age, critical_size] = [limit("critical-age")?, limit("critical-size")?];
    let metadata = match host.root.metadata(path) {
        Ok(metadata) => metadata,
        Err(_) if arguments.is_on("ignore-missing") => {
            let message = "No such file, but ignore missing is set.".to_owned();
            return Ok(Finding::new(CheckStatus::Ok, message));
        }
        Err(error) => return Err(failed(&error)),
    };
    let changed = metadata.mtime();
    let age = host.now().cast_signed() - changed;
    let size = metadata.len().cast_signed();
    let is_over = |oldest: i64, smallest: i64| {
        oldest != 0 && oldest < age || smallest != 0 && smallest > size
    };
    let time = LocalTime::of(Unix(u64::try_from(changed).unwrap_or_default()));
    let message = format!(
        "{path} is {age} seconds old ({:02}:{:02}:{:02}) and {size} bytes.",
        time.hour, time.minute, time.second
    );
    Ok(Finding::of_limits(
        is_over(warning_age, warning_size),
        is_over(critical_age, critical_size),
        message,
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    use crate::applets::testing::{NOW, Tree, said};
    use crate::base::clock::Unix;
    use crate::sys::localtime::LocalTime;

    #[test]
    fn check_file_age_compares_age_and_size() {
        let tree = Tree::new(&[("tmp/a", "12345")]);
        let time = UNIX_EPOCH + Duration::from_secs(NOW - 300);
        let file = File::options().append(true).open(tree.path("tmp/a"));
        file.unwrap().set_modified(time).unwrap();
        let local = LocalTime::of(Unix(NOW - 300));
        let clock = format!("{:02}:{:02}:{:02}", local.hour, local.minute, local.second);
        // (arguments, exit code, status)
        let table = [
            ("", 1, "WARNING"),
            ("-w 300", 0, "OK"),
            ("-w 299", 1, "WARNING"),
            ("-w 0 -c 0", 0, "OK"),
            ("-c 299", 2, "CRITICAL"),
            ("-w 0 -W 5", 0, "OK"),
            ("-w 0 -W 6", 1, "WARNING"),
            ("--warning-age=0 --critical-size 6", 2, "CRITICAL"),
            ("-i -w 300", 0, "OK"),
        ];
        for (arguments, code, status) in table {
            let arguments = format!("-f /tmp/a {arguments}");
            let text =
                format!("FileAge {status}: /tmp/a is 300 seconds old ({clock}) and 5 bytes.\n");
            assert_eq!(
                tree.run("check-file-age", &arguments),
                said(code, &text),
                "{arguments}"
            );
        }
    }

    #[test]
    fn check_file_age_of_a_missing_file() {
        let tree = Tree::new(&[]);
        let missing = tree.run("check-file-age", "-f /a");
        let why = format!(
            "stat {}: no such file or directory",
            tree.path("a").display()
        );
        assert_eq!(missing, said(3, &format!("FileAge UNKNOWN: {why}\n")));
        let text = "FileAge OK: No such file, but ignore missing is set.\n";
        assert_eq!(tree.run("check-file-age", "-f /a -i"), said(0, text));
        assert_eq!(tree.run("check-file-age", "").code, 1);
    }
}
