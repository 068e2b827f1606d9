//! `mackerel-agent retire`: takes this host out of service on the server.

use std::env;
use std::io::{self, Write};
use std::time::Duration;

use super::owner;
use crate::base;
use crate::base::clock::pause;
use crate::base::text::is_host_id;
use crate::config::{Config, Flags};
use crate::deliver::api::Api;
use crate::deliver::retire::{until_answered, until_retired};
use crate::settings::apply::state;
use crate::settings::connection::link;
use crate::settings::organizations::{config_of, label, organizations};
use crate::settings::resolve::resolve;
use crate::sys::log;
use crate::sys::terminal::{Stream, is_terminal, next_byte};

/// Largest number of requests.
const TRIES: u32 = 10;
/// Pause between two requests.
const PAUSE: Duration = Duration::from_secs(3);
/// Bytes of answers. After so many, the question counts as declined.
const ANSWERS: usize = 4096;

/// One organisation, and the host's id there.
struct Hosted {
    config: Config,
    api: Api,
    id: String,
    /// Whether the id is stored in a file.
    is_kept: bool,
    /// What a message begins with. Empty if there is only one organisation.
    label: String,
}

/// Retires this host in each organisation, or in that of `flags.organization`, and deletes its
/// stored ids. Asks for confirmation once unless `flags.force` is set.
///
/// Without a stored id, the host is found by its custom identifier, as the agent does it. Fails
/// with the text for the user if the host is not retired.
pub(crate) fn retire(flags: &Flags) -> Result<(), String> {
    log::install();
    let config = resolve(flags)?;
    let wanted = flags.organization.as_deref();
    let mut all = organizations(&config);
    all.retain(|organization| {
        wanted.is_none() || wanted == organization.map(|organization| organization.name.as_str())
    });
    if all.is_empty() {
        return Err(match wanted {
            Some(name) => format!("-organization {name}: no [[organization]] has this name"),
            None => "there is no host to retire: the configuration does not use Mackerel's API"
                .to_owned(),
        });
    }
    let mut links = Vec::new();
    for organization in &all {
        let own = config_of(&config, *organization);
        let api = Api::new(Box::new(link(&own)?));
        links.push((own, api));
    }
    // Not as root: the owner of the state files could make root read or remove other files.
    owner::become_owner(&config.root)?;
    let mut hosts = Vec::new();
    let mut missing = None;
    for (own, mut api) in links {
        let label = if all.len() > 1 {
            label(own.organization.as_deref())
        } else {
            String::new()
        };
        match id_of(&own, &mut api) {
            Ok((id, is_kept)) => hosts.push(Hosted {
                config: own,
                api,
                id,
                is_kept,
                label,
            }),
            Err(Missing::Nowhere(why)) => {
                if !label.is_empty() {
                    log::info!("{label}{why}; nothing is retired there");
                }
                missing.get_or_insert(why);
            }
            Err(Missing::Unusable(why)) => return Err([label, why].concat()),
        }
    }
    if let (true, Some(why)) = (hosts.is_empty(), missing) {
        return Err(why);
    }
    let mut ids = Vec::new();
    for host in &hosts {
        ids.push([&*host.label, &host.id].concat());
    }
    if !flags.force && !is_wanted(&ids.join(", "))? {
        return Err("retirement is canceled".to_owned());
    }
    let mut failures = Vec::new();
    for host in &mut hosts {
        failures.extend(leave(host).err());
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n"))
    }
}

/// Retires one host, and deletes its stored id.
fn leave(host: &mut Hosted) -> Result<(), String> {
    let Hosted {
        config,
        api,
        id,
        is_kept,
        label,
    } = host;
    until_retired(api, id, TRIES, &mut || pause(PAUSE)).map_err(|error| {
        log::one_line(&format!(
            "{label}failed to retire this host: {}",
            base::report(&error)
        ))
    })?;
    log::info!("{label}This host (hostID: {id}) has been retired.");
    if *is_kept && let Err(error) = state(config).forget_host_id() {
        log::warn!(
            "{label}failed to forget the id of this host: {}",
            base::report(&error)
        );
    }
    Ok(())
}

/// Why there is no id of this host.
enum Missing {
    /// None is stored, and none can be looked up.
    Nowhere(String),
    Unusable(String),
}

/// The id of this host, and whether it is stored in a file.
fn id_of(config: &Config, api: &mut Api) -> Result<(String, bool), Missing> {
    let state = state(config);
    let kept = state
        .host_id()
        .map_err(|error| Missing::Unusable(base::report(&error)))?;
    let path = state.id_path();
    if kept.as_deref().is_some_and(|id| !is_host_id(id)) {
        return Err(Missing::Unusable(format!(
            "{} holds no id of a host (1 to 64 letters, digits, - and _); write the id that Mackerel shows",
            path.display()
        )));
    }
    match (kept, config.custom_identifier.as_deref()) {
        (Some(id), _) => Ok((id, true)),
        (None, Some(ours)) => {
            let found = find(api, ours, &mut || pause(PAUSE)).map_err(Missing::Unusable)?;
            Ok((found, false))
        }
        (None, None) => {
            let path = path.display();
            let why = format!("hostID file is not found or empty ({path})");
            Err(Missing::Nowhere(why))
        }
    }
}

/// The id of the host with this custom identifier on the server. Used if no id is stored.
///
/// Fails with the text for the user if there is no such host.
fn find(api: &mut Api, ours: &str, wait: &mut dyn FnMut()) -> Result<String, String> {
    let mut found = None;
    let mut ask = || {
        found = api.find_by_custom_identifier(ours)?;
        Ok(())
    };
    until_answered(&mut ask, TRIES, wait).map_err(|error| {
        log::one_line(&format!(
            "failed to find this host: {}",
            base::report(&error)
        ))
    })?;
    let missing = || format!("no host is known by the identifier {ours}; is it retired already?");
    found.map(|host| host.id).ok_or_else(missing)
}

/// Whether the user wants the host to be retired. `id` is its id, or ids with their organisations.
fn is_wanted(id: &str) -> Result<bool, String> {
    let question = format!("retire this host? (hostID: {id}) (y/n) [n]: ");
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_asked = is_asked(
        is_terminal(Stream::Input) && is_terminal(Stream::Output),
        is_set("GO_PROMPTER_USE_PIPE"),
        is_set("GO_PROMPTER_USE_DEFAULT"),
    );
    let answer = if is_asked {
        ask(&question, &mut next_byte, &mut io::stdout())
    } else {
        writeln!(io::stdout(), "{question}").map(|()| false)
    };
    answer.map_err(|error| format!("cannot ask whether to retire this host: {error}"))
}

/// Whether an answer is read. Otherwise it is no.
fn is_asked(is_terminal: bool, use_pipe: bool, use_default: bool) -> bool {
    (is_terminal || use_pipe) && !use_default
}

/// Asks until the answer is valid. An empty answer, the end of input, and [`ANSWERS`] bytes of
/// answers mean no.
fn ask(
    question: &str,
    next: &mut dyn FnMut() -> io::Result<Option<u8>>,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut read = 0;
    loop {
        out.write_all(question.as_bytes())?;
        out.flush()?;
        let mut line = Vec::new();
        while let Some(byte) = next()?
            && byte != b'\n'
        {
            read += 1;
            line.push(byte);
            if read == ANSWERS {
                return Ok(false);
            }
        }
        match line.strip_suffix(b"\r").unwrap_or(&line) {
            b"y" | b"Y" => return Ok(true),
            b"n" | b"N" | b"" => return Ok(false),
            _ => out.write_all(b"# Enter y or n\n")?,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Sender};

    use super::*;
    use crate::sys::http::{Answer, Exchange, LinkError, Request};

    #[test]
    fn an_answer_is_read_where_somebody_can_give_one() {
        // (why this row exists, terminal, GO_PROMPTER_USE_PIPE, GO_PROMPTER_USE_DEFAULT, expected)
        let table = [
            ("somebody is there", true, false, false, true),
            ("nobody is there", false, false, false, false),
            ("a pipe answers", false, true, false, true),
            ("no is the answer", true, false, true, false),
            ("no is the answer even so", true, true, true, false),
        ];
        for (why, is_terminal, use_pipe, use_default, expected) in table {
            assert_eq!(
                is_asked(is_terminal, use_pipe, use_default),
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn only_a_y_is_a_yes() {
        // (answers, expected, how often the question is asked)
        let table = [
            ("y\n", true, 1),
            ("Y\r\n", true, 1),
            ("n\n", false, 1),
            ("N", false, 1),
            ("\n", false, 1),
            ("", false, 1),
            ("yes\n y\ny\n", true, 3),
            ("maybe", false, 2),
            ("y \nn\n", false, 2),
            ("\u{1b}y\ny\n", true, 2),
        ];
        for (answers, expected, times) in table {
            let mut out = Vec::new();
            let mut bytes = answers.bytes();
            let answer = ask("sure? ", &mut || Ok(bytes.next()), &mut out);
            assert_eq!(answer.unwrap(), expected, "{answers}");
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.matches("sure? ").count(), times, "{answers}");
        }
        let mut endless = || Ok(Some(b'x'));
        assert!(!ask("", &mut endless, &mut Vec::new()).unwrap());
        let mut broken = || Err(io::ErrorKind::BrokenPipe.into());
        assert!(ask("", &mut broken, &mut Vec::new()).is_err());
    }

    /// Answers with a list of statuses, and then always with the last one. 0 is no answer.
    struct Script {
        statuses: Vec<u16>,
        lines: Sender<String>,
    }

    impl Exchange for Script {
        fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
            let (method, path, body) = (request.method, request.path, request.text());
            let line = format!("{method:?} {path} {}", body);
            self.lines.send(line).unwrap();
            let status = match self.statuses.len() {
                1 => self.statuses[0],
                _ => self.statuses.remove(0),
            };
            match status {
                0 => Err(LinkError::for_test("connection refused")),
                status => Ok(Answer {
                    status,
                    body: r#"{"error":{"message":"Words of the server."}}"#.to_owned(),
                    encoding: None,
                    retry_after: None,
                    location: None,
                    date: None,
                }),
            }
        }
    }

    #[test]
    fn retire_asks_ten_times_and_no_more_of_a_server_that_refuses() {
        let words =
            "failed: POST /api/v0/hosts/ID/retire: API request failed: Words of the server.";
        // (why this row exists, statuses, requests, expected error)
        let table: [(&str, &[u16], usize, Option<String>); 7] = [
            ("at once", &[200], 1, None),
            ("back again", &[0, 503, 302, 200], 4, None),
            ("at the last try", &[500, 500, 500, 500, 500, 500, 500, 500, 500, 200], 10, None),
            ("never", &[500], 10, Some(format!("{words} (status 500)"))),
            ("unknown", &[404], 1, Some(format!("{words} (status 404)"))),
            ("too often", &[502, 429], 2, Some(format!("{words} (status 429)"))),
            (
                "away",
                &[0],
                10,
                Some("failed: POST /api/v0/hosts/ID/retire: no answer: connect to the test: connection refused".to_owned()),
            ),
        ];
        for (why, statuses, requests, expected) in table {
            let (lines, seen) = mpsc::channel();
            let statuses = statuses.to_vec();
            let mut api = Api::new(Box::new(Script { statuses, lines }));
            let mut waited = Duration::ZERO;
            let end = until_retired(&mut api, "ID", TRIES, &mut || waited += PAUSE)
                .err()
                .map(|error| format!("failed: {}", base::report(&error)));
            // The remedies are tested with the API.
            let words = end.as_deref().map(|text| text.split("; check").next());
            assert_eq!(words.flatten(), expected.as_deref(), "{why}");
            drop(api);
            let lines: Vec<String> = seen.iter().collect();
            assert_eq!(
                lines,
                vec!["Post /api/v0/hosts/ID/retire null"; requests],
                "{why}"
            );
            let pauses = u32::try_from(requests - 1).unwrap();
            assert_eq!(waited, Duration::from_secs(3) * pauses, "{why}");
        }
    }
}
