//! `check-debian-reboot-required`: whether updated packages wait for a restart of the host.

use std::path::Path;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::{Host, failed};
use crate::base::packed::packed;
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-debian-reboot-required",
    help: packed!(
        "check whether updates wait for a restart (Debian, Ubuntu)
  -warning                  report it as WARNING (default: true)
  -critical                 report it as CRITICAL; also give -warning=false
  -dir=DIR                  where reboot-required is (default: /var/run/)
"
    ),
    work: Work::Check("check-debian-reboot-required", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let is_critical = arguments.is_on("critical");
    if is_critical && arguments.is_on("warning") {
        let why = "cannot specify both -critical and -warning";
        return Err(why.into());
    }
    let directory = Path::new(arguments.text("dir"));
    match host.root.metadata(directory.join("reboot-required")) {
        Err(error) if error.is_absent() => {
            return Ok(Finding::new(CheckStatus::Ok, String::new()));
        }
        Err(error) => return Err(failed(&error)),
        Ok(_) => {}
    }
    let mut message = "System restart required".to_owned();
    let packages = directory.join("reboot-required.pkgs");
    match host.root.open(&packages) {
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(failed(&error)),
        Ok(_) => {
            message.push_str(" because of following packages:\n");
            message.push_str(&host.text(&packages.to_string_lossy())?);
        }
    }
    Ok(Finding::of_limits(true, is_critical, message))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_debian_reboot_required_reads_two_files() {
        const LABEL: &str = "check-debian-reboot-required";
        const REQUIRED: (&str, &str) = ("var/run/reboot-required", "*** required ***\n");
        const PACKAGES: (&str, &str) = ("var/run/reboot-required.pkgs", "libc6\nlinux\n");
        const BLOCKED: (&str, &str) = ("var/run/reboot-required.pkgs/x", "");
        let both = "System restart required because of following packages:\nlibc6\nlinux\n";
        let refused = "cannot specify both -critical and -warning";
        // (files, arguments, exit code, status, message)
        let table: [(&[(&str, &str)], _, _, _, _); 8] = [
            (&[], "", 0, "OK", ""),
            (&[PACKAGES], "", 0, "OK", ""),
            (&[REQUIRED], "", 1, "WARNING", "System restart required"),
            (&[REQUIRED, PACKAGES], "", 1, "WARNING", both),
            (&[REQUIRED], "-critical", 3, "UNKNOWN", refused),
            (
                &[REQUIRED, PACKAGES],
                "-critical -warning=false",
                2,
                "CRITICAL",
                both,
            ),
            (
                &[REQUIRED],
                "--warning=false",
                1,
                "WARNING",
                "System restart required",
            ),
            (&[REQUIRED], "-dir /tmp", 0, "OK", ""),
        ];
        for (files, arguments, code, status, message) in table {
            let found = Tree::new(files).run(LABEL, arguments);
            let expected = format!("{LABEL} {status}: {message}\n");
            assert_eq!(found, said(code, &expected), "{arguments}");
        }
        let found = Tree::new(&[REQUIRED, BLOCKED]).run(LABEL, "");
        assert_eq!(found.code, 3);
        assert!(
            found.output.ends_with("is a directory\n"),
            "{}",
            found.output
        );
    }
}
