//! `check-log`: lines of log files that match a pattern, each of them once.
//!
//! `files` finds the files. `follow` reads what is new in a file, and in those that it was rotated
//! to, by `lines`. `position` is what is kept between two runs. `search` judges a line.

mod files;
mod follow;
mod lines;
mod position;
mod search;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use files::Files;
use follow::Follower;
use position::State;
use search::Search;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::{Host, explained};
use crate::base::packed::packed;
use crate::base::report;
use crate::sys::file::Successor;
use crate::wire::check::CheckStatus;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-log",
    help: packed!(
        "count the new lines of log files that match a pattern
  -f, --file=FILE           the log file; may have *, ?, [a-z], {a,b} and **/
  -p, --pattern=PATTERN     regular expression (RE2) of the lines; repeatable,
                            all must match
      --suppress-pattern    leave the patterns out of the message
  -E, --exclude=PATTERN     leave out lines that match; repeatable, all must do
  -w, --warning-over=N      WARNING if more than N lines match
  -c, --critical-over=N     CRITICAL if more than N lines match
      --warning-level=N     count a line for WARNING only if the number in the
                            pattern's first group is above N
      --critical-level=N    the same for CRITICAL
  -r, --return              print the lines
      --search-in-directory=DIR
                            the directory of --file-pattern
  -F, --file-pattern=FILE   regular expression of the files' names, after their
                            directory
  -i, --icase               ignore the case of ASCII letters
  -s, --state-dir=DIR       where positions are kept, instead of
                            $MACKEREL_PLUGIN_WORKDIR/check-log
      --no-state            read the whole files at each run
      --encoding=NAME       of the files: UTF-8
      --missing=STATUS      the status if a file does not exist: OK, WARNING,
                            CRITICAL or UNKNOWN (default: UNKNOWN)
      --check-first         read files from their beginning at the first run
"
    ),
    work: Work::Check("LOG", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let search = Search::new(arguments)?;
    let warning_over = arguments.count("warning-over")?;
    let critical_over = arguments.count("critical-over")?;
    let missing = arguments.text("missing");
    let mut status = CheckStatus::Unknown;
    if !missing.is_empty() {
        let found = CheckStatus::of_word(missing);
        status = found.ok_or("missing option is invalid")?;
    }
    if !["", "UTF-8", "utf-8", "UTF8", "utf8"].contains(&arguments.text("encoding")) {
        return Err("--encoding: only UTF-8 is supported".into());
    }
    let files = Files::find(arguments, host)?;

    let mut texts = String::new();
    let mut states: Vec<(PathBuf, State)> = Vec::new();
    let mut follower = Follower::new(arguments, host, search);
    let mut ahead = u32::try_from(files.found.len()).unwrap_or(u32::MAX);
    for path in &files.found {
        if let Some(state) = follower.file(Path::new(path), ahead, &states)? {
            states.push(state);
        }
        let lines = &mut follower.search.lines;
        if !lines.is_empty() {
            texts.extend(["[", path, "]\n", lines]);
            lines.clear();
        }
        ahead -= 1;
        if follower.is_cut.take() {
            texts.extend([path, ": not read to its end; the next run continues\n"]);
        }
    }
    let search = &follower.search;
    let mut message = [
        &search.warnings.to_string(),
        " warnings, ",
        &search.criticals.to_string(),
        " criticals",
    ]
    .concat();
    if !arguments.is_on("suppress-pattern") {
        let mut before = " for pattern /";
        for pattern in arguments.all("pattern") {
            message.extend([before, pattern, "/"]);
            before = " and /";
        }
    }
    message.push('.');
    if !texts.is_empty() {
        message.extend(["\n", &*texts]);
    }
    if files.missing.is_empty() {
        status = CheckStatus::Ok;
    } else {
        let count = files.missing.len().to_string();
        message.extend(["\nThe following ", &*count, " files are missing."]);
        for path in &files.missing {
            message.extend(["\n", &**path]);
        }
    }
    let mut finding = Finding::new(status, message);
    for (path, state) in states {
        match Successor::write(path, state.text().as_bytes()) {
            Ok(successor) => finding.state.push(successor),
            // The next run finds the same lines, or, without an earlier state, none at all.
            Err(error) => {
                finding.status = CheckStatus::Unknown;
                finding.message.extend(["\n", &*explained(report(&error))]);
            }
        }
    }
    if search.warnings > warning_over {
        finding.status = CheckStatus::Warning;
    }
    if search.criticals > critical_over {
        finding.status = CheckStatus::Critical;
    }
    Ok(finding)
}
