//! Configuration, source of the key, and permissions of the files that the configuration names.

use std::path::Path;

use super::report::Report;
use super::verdict::{State, Verdict};
use crate::config::Config;
use crate::config::outputs::path_of;
use crate::settings::resolve::ConfigReport;
use crate::sys::file;

/// Adds the steps. Returns whether the agent can run with the configuration.
pub(super) fn configuration(report: &mut Report, survey: &ConfigReport, conf: &Path) -> bool {
    let path = if survey.is_alone {
        "the environment".to_owned()
    } else {
        conf.display().to_string()
    };
    let is_usable = report.add("file", of_file(path, survey));
    report.add("source of the key", of_key(survey));
    is_usable
}

/// What is wrong with the configuration of `path`.
fn of_file(path: String, survey: &ConfigReport) -> Verdict {
    let unknown = survey.unknown.iter().map(ToString::to_string);
    let others = [&survey.mistakes, &survey.advice, &survey.logged];
    let mut warnings: Vec<String> = unknown.collect();
    warnings.extend(others.into_iter().flatten().cloned());
    let state = match (survey.problems.is_empty(), warnings.is_empty()) {
        (true, true) => return Verdict::ok(path),
        (true, false) => State::Warn,
        (false, _) => State::Fail,
    };
    let lines = [&survey.problems[..], &warnings].concat();
    let is_refused = survey
        .problems
        .iter()
        .any(|line| line.contains("Permission denied"));
    match &lines[..] {
        _ if is_refused => {
            let remedy = "run diagnose as root or as the agent's user";
            Verdict::new(state, lines.join("\n"), remedy)
        }
        [line] => Verdict::of(state, line, "correct it"),
        _ => {
            let remedy = "correct it; mackerel-agent configtest checks it again";
            Verdict::new(state, lines.join("\n"), remedy)
        }
    }
}

/// Where the key is from.
fn of_key(survey: &ConfigReport) -> Verdict {
    if !survey.config.mackerel {
        let why = "Mackerel's API is not used: the configuration names other outputs alone";
        return Verdict::new(State::Skipped, why.to_owned(), "");
    }
    if survey.key_source.is_empty() {
        return Verdict::new(
            State::Fail,
            "no source has a key".to_owned(),
            "mackerel-agent init -apikey=KEY writes it into the configuration; the page of the \
             organization has it under API Keys",
        );
    }
    Verdict::ok(["from ", &survey.key_source].concat())
}

/// Adds the step: whether the agent's user may read the files that the configuration names.
/// `changed` is the user to whom this process has changed, if any, or why it could not change.
/// Returns whether this process is as the agent is.
pub(super) fn permissions(
    report: &mut Report,
    config: &Config,
    conf: &Path,
    changed: &Result<Option<u32>, String>,
) -> bool {
    let mut files = vec![conf];
    files.extend(
        [&config.apikey_file, &config.ca_file]
            .into_iter()
            .filter_map(path_of),
    );
    files.extend(path_of(&config.listen_token_file));
    for organization in &config.organizations {
        files.extend(path_of(&organization.apikey_file));
    }
    for otlp in &config.otlp {
        files.extend(
            [&otlp.headers_file, &otlp.ca_file]
                .into_iter()
                .filter_map(path_of),
        );
    }
    let is_unreadable = |path: &&Path| file::read(path).is_err_and(|error| !error.is_absent());
    let unreadable: Vec<String> = files
        .into_iter()
        .filter(is_unreadable)
        .map(|path| path.display().to_string())
        .collect();
    report.add("permissions", of_files(changed, &unreadable));
    changed.is_ok()
}

/// Whether the agent's user may read what it has to.
fn of_files(changed: &Result<Option<u32>, String>, unreadable: &[String]) -> Verdict {
    let user = match changed {
        Ok(Some(user)) => format!("the agent's user {user}"),
        Ok(None) => "the user of this command".to_owned(),
        Err(why) => {
            let remedy = "run diagnose as the agent's user";
            return Verdict::of(State::Fail, why, remedy);
        }
    };
    if unreadable.is_empty() {
        return Verdict::ok([&user, " may read the files of the configuration"].concat());
    }
    let files = unreadable.join(" ");
    Verdict::new(
        State::Fail,
        format!("{user} may not read {files}"),
        &format!(
            "give the agent's group the file: chgrp mackerel-agent {files}; chmod g+r {files}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn diagnose_configuration_fails_by_its_problems_alone() {
        let checks = "correct it; mackerel-agent configtest checks it again";
        // (problems, mistakes, verdict)
        type Texts = &'static [&'static str];
        let table: [(Texts, Texts, String); 6] = [
            (&[], &[], "ok: a.conf".to_owned()),
            (&[], &["a; b"], "warn: a -> b".to_owned()),
            (&["a: b"], &[], "FAIL: a: b -> correct it".to_owned()),
            (&[], &["a; b", "c"], format!("warn: a; b\nc -> {checks}")),
            (&["a"], &["b"], format!("FAIL: a\nb -> {checks}")),
            (
                &["read a.conf: Permission denied (os error 13); -conf names another"],
                &[],
                "FAIL: read a.conf: Permission denied (os error 13); -conf names another -> run \
                 diagnose as root or as the agent's user"
                    .to_owned(),
            ),
        ];
        for (problems, mistakes, expected) in table {
            let survey = ConfigReport {
                problems: texts(problems),
                mistakes: texts(mistakes),
                ..ConfigReport::default()
            };
            assert_eq!(of_file("a.conf".to_owned(), &survey).shown(), expected);
        }
    }

    #[test]
    fn diagnose_key_is_shown_by_its_source() {
        let mut survey = ConfigReport {
            key_source: "the variable MACKEREL_APIKEY".to_owned(),
            ..ConfigReport::default()
        };
        assert_eq!(
            of_key(&survey).shown(),
            "ok: from the variable MACKEREL_APIKEY"
        );
        survey.key_source.clear();
        let shown = of_key(&survey).shown();
        let start = "FAIL: no source has a key -> mackerel-agent init -apikey=KEY ";
        assert!(shown.starts_with(start), "{shown}");
        survey.config.mackerel = false;
        let shown = of_key(&survey).shown();
        assert!(
            shown.starts_with("skipped: Mackerel's API is not used"),
            "{shown}"
        );
    }

    #[test]
    fn diagnose_permissions_are_those_of_the_agent_s_user() {
        let lacking = "a belongs to the user 9, and this process cannot become that user: x";
        // (change of user, unreadable files, verdict)
        type Texts = &'static [&'static str];
        let table: [(_, Texts, &str); 4] = [
            (
                Ok(Some(998)),
                &[],
                "ok: the agent's user 998 may read the files of the configuration",
            ),
            (
                Ok(None),
                &[],
                "ok: the user of this command may read the files of the configuration",
            ),
            (
                Ok(Some(998)),
                &["/a", "/b"],
                "FAIL: the agent's user 998 may not read /a /b -> give the agent's group the file: \
                 chgrp mackerel-agent /a /b; chmod g+r /a /b",
            ),
            (
                Err(lacking.to_owned()),
                &[],
                "FAIL: a belongs to the user 9, and this process cannot become that user: x -> run \
                 diagnose as the agent's user",
            ),
        ];
        for (changed, unreadable, expected) in table {
            assert_eq!(of_files(&changed, &texts(unreadable)).shown(), expected);
        }
    }
}
