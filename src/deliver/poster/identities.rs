//! The hosts for which plugins report by custom identifier: what is known about each, and when the
//! server is asked. Time is an argument.

use std::time::Duration;

use crate::base::backoff::Backoff;
use crate::base::clock::Moment;
use crate::config::Config;

/// Longest pause between two attempts to look a host up.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// Pause before a host that does not exist is looked up again.
const ABSENT: Duration = Duration::from_secs(60 * 60);

/// Pause before the look-up of a host whose data the server refuses. It gives a host that is being
/// registered again time to appear. The refused data is repeated later than that.
const DOUBTED: Duration = Duration::from_secs(4 * 60);

/// What is known about each host.
#[derive(Default)]
pub(super) struct Identities {
    all: Vec<Identity>,
    /// Whether a look-up has changed a state since the last [`Identities::take_change`].
    is_changed: bool,
}

struct Identity {
    identifier: String,
    state: State,
    /// When the host is looked up next; `None` if its id is known, and nothing speaks against it.
    due: Option<Moment>,
    backoff: Backoff,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    Unknown,
    /// The server has no such host.
    Absent,
    /// The id of the host.
    Known(String),
}

/// What is known about one host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identified<'a> {
    /// Nothing is known yet.
    NotYet,
    /// The server has no such host.
    Absent,
    /// The id of the host.
    As(&'a str),
}

impl Identities {
    /// Adds the hosts of the plugins of `config`, and removes all others. What is known is kept.
    pub(super) fn configure(&mut self, config: &Config, now: Moment) {
        let mut wanted: Vec<&String> = Vec::new();
        for plugin in config.metric_plugins.values() {
            wanted.extend(&plugin.custom_identifier);
        }
        for plugin in config.check_plugins.values() {
            wanted.extend(&plugin.custom_identifier);
        }
        self.all
            .retain(|identity| wanted.contains(&&identity.identifier));
        for identifier in wanted {
            if self.find(identifier).is_none() {
                self.all.push(Identity {
                    identifier: identifier.clone(),
                    state: State::Unknown,
                    due: Some(now),
                    backoff: Backoff::up_to(PAUSE),
                });
            }
        }
    }

    fn find(&self, identifier: &str) -> Option<&Identity> {
        self.all
            .iter()
            .find(|identity| identity.identifier == identifier)
    }

    /// What is known about the host with this identifier.
    pub(super) fn of(&self, identifier: &str) -> Identified<'_> {
        match self.find(identifier).map(|identity| &identity.state) {
            Some(State::Known(id)) => Identified::As(id),
            Some(State::Unknown) => Identified::NotYet,
            // An identifier without an entry has been removed from the configuration.
            Some(State::Absent) | None => Identified::Absent,
        }
    }

    /// Whether a look-up has found that no host has this identifier.
    pub(super) fn is_absent(&self, identifier: &str) -> bool {
        let found = self.find(identifier);
        found.is_some_and(|identity| identity.state == State::Absent)
    }

    /// When [`Identities::next`] returns an identifier; `None` if no look-up is needed.
    pub(super) fn due(&self) -> Option<Moment> {
        self.all.iter().filter_map(|identity| identity.due).min()
    }

    /// The identifier to be looked up now; `None` if none is due.
    pub(super) fn next(&self, now: Moment) -> Option<&str> {
        let is_due = |identity: &&Identity| identity.due.is_some_and(|due| due <= now);
        self.all
            .iter()
            .find(is_due)
            .map(|identity| identity.identifier.as_str())
    }

    /// Records the result of a look-up: an id, or `None` if there is no such host. Returns whether
    /// it is new. A host that was there once may come back, or the key may be another
    /// organization's: its id stays, and what waits for it.
    pub(super) fn found(&mut self, identifier: &str, id: Option<String>, now: Moment) -> bool {
        let Some(identity) = self.find_mut(identifier) else {
            return false;
        };
        identity.due = id.is_none().then_some(Moment(now.0 + ABSENT));
        identity.backoff.succeeded();
        let state = match (id, &identity.state) {
            (Some(id), _) => State::Known(id),
            (None, State::Known(_)) => return false,
            (None, _) => State::Absent,
        };
        let is_news = identity.state != state;
        identity.state = state;
        self.is_changed |= is_news;
        is_news
    }

    /// Whether a look-up has changed a state since the last call.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Records that a look-up has failed. `asked` is the pause that the server asks for.
    pub(super) fn failed(&mut self, identifier: &str, asked: Duration, random: u32, now: Moment) {
        if let Some(identity) = self.find_mut(identifier) {
            let pause = identity.backoff.failed(asked, random);
            identity.due = Some(Moment(now.0 + pause));
        }
    }

    /// Records that the server has refused data of other hosts. A host that is registered again has
    /// another id, so all are looked up again. The known ids are used until then.
    pub(super) fn doubt(&mut self, now: Moment) {
        for identity in &mut self.all {
            identity.due.get_or_insert(Moment(now.0 + DOUBTED));
        }
    }

    fn find_mut(&mut self, identifier: &str) -> Option<&mut Identity> {
        let mut all = self.all.iter_mut();
        all.find(|identity| identity.identifier == identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn config(identifiers: &[&str]) -> Config {
        let mut config = Config::default();
        for (at, identifier) in identifiers.iter().enumerate() {
            let kind = ["metrics", "checks"][at % 2];
            let table = format!(
                "[plugin.{kind}.p{at}]\ncommand = 'x'\ncustom_identifier = '{identifier}'\n"
            );
            config.read(table.as_bytes()).unwrap();
        }
        config
    }

    #[test]
    fn a_host_that_is_gone_keeps_its_id_until_it_is_there_again() {
        let mut identities = Identities::default();
        identities.configure(&config(&["a"]), moment(0));
        assert!(identities.found("a", Some("1".to_owned()), moment(0)));
        assert_eq!(identities.due(), None);
        assert!(!identities.found("a", None, moment(300)));
        assert_eq!(identities.of("a"), Identified::As("1"));
        assert_eq!(identities.due(), Some(Moment(moment(300).0 + ABSENT)));
        assert!(identities.found("a", Some("2".to_owned()), moment(4_000)));
        assert_eq!(identities.of("a"), Identified::As("2"));
    }

    #[test]
    fn identifier_is_looked_up_until_it_is_found() {
        let mut identities = Identities::default();
        assert_eq!(identities.due(), None);
        identities.configure(&config(&["a", "b", "a"]), moment(0));
        assert_eq!(identities.next(moment(0)), Some("a"));
        assert!(identities.found("a", Some("1".to_owned()), moment(0)));
        assert_eq!(identities.of("a"), Identified::As("1"));
        assert_eq!(identities.next(moment(0)), Some("b"));
        assert_eq!(identities.of("b"), Identified::NotYet);
        identities.failed("b", Duration::from_secs(30), 0, moment(0));
        assert_eq!(identities.due(), Some(moment(30)));
        assert!(identities.found("b", None, moment(30)));
        assert_eq!(identities.of("b"), Identified::Absent);
        assert_eq!(identities.due(), Some(moment(3_630)));
        assert!(!identities.found("b", None, moment(3_630)), "no news");
        assert!(identities.found("b", Some("2".to_owned()), moment(7_230)));
        assert_eq!(identities.due(), None);
    }

    #[test]
    fn identifier_of_a_refused_host_is_looked_up_again_after_a_pause() {
        let mut identities = Identities::default();
        identities.configure(&config(&["a"]), moment(0));
        identities.found("a", Some("1".to_owned()), moment(0));
        for now in [10, 20, 249] {
            identities.doubt(moment(now));
            assert_eq!(identities.due(), Some(moment(250)));
            assert_eq!(identities.of("a"), Identified::As("1"));
        }
        identities.failed("a", Duration::from_secs(30), 0, moment(250));
        assert_eq!(identities.due(), Some(moment(280)));
        assert_eq!(identities.of("a"), Identified::As("1"));
        assert!(!identities.found("a", Some("1".to_owned()), moment(280)));
        assert_eq!(identities.due(), None);
        identities.doubt(moment(300));
        assert!(identities.found("a", Some("2".to_owned()), moment(540)));
        assert_eq!(identities.of("a"), Identified::As("2"));
        assert_eq!(identities.due(), None);
    }

    #[test]
    fn configuration_change_keeps_what_is_known() {
        let mut identities = Identities::default();
        identities.configure(&config(&["a", "b"]), moment(0));
        identities.found("a", Some("1".to_owned()), moment(0));
        identities.configure(&config(&["a", "c"]), moment(10));
        assert_eq!(identities.of("a"), Identified::As("1"));
        assert_eq!(identities.of("b"), Identified::Absent);
        assert_eq!(identities.next(moment(10)), Some("c"));
    }
}
