//! The OTLP destinations: one exporter each, and what it has reported. They have the order of the
//! configuration.

use std::sync::Arc;
use std::time::Duration;

use super::health::Post;
use super::status;
use crate::base::channel::Sender;
use crate::base::clock::{Moment, Stamp, Unix};
use crate::base::url::without_secrets;
use crate::base::values::Values;
use crate::config::{Config, Otlp};
use crate::deliver::delivery::SharedDelivery;
use crate::deliver::otlp::{Destination, OtlpCommand, OtlpEvent};
use crate::render::otlp::{Resource, Round};
use crate::render::status::DestinationStatus;
use crate::settings::connection::proxies;
use crate::sys::http::cancel::CancelToken;
use crate::sys::localtime;
use crate::sys::log;
use crate::sys::uname::host_name;
use crate::wire::check::CheckStatus;

/// Time limit for what waits when the agent stops. It is lost otherwise: a collector that cannot be
/// reached must not delay the end for long.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Starts an exporter. Its events carry the number.
pub(crate) type Start =
    Box<dyn Fn(usize, Destination<Resource>) -> Result<Sender<OtlpCommand>, String>>;

/// One destination, and the state of its exporter.
struct Exporter {
    /// No other exporter of this agent has or had it.
    number: usize,
    /// Position of the destination in the configuration.
    at: usize,
    endpoint: String,
    /// The endpoint without parts that may be secret, and a number if an earlier exporter has the
    /// same.
    shown: String,
    orders: Sender<OtlpCommand>,
    /// Shortens the exporter's request at the end.
    cancel: CancelToken,
    /// What the exporter publishes of itself.
    delivery: SharedDelivery,
    /// Whether it gets the states of checks.
    takes_checks: bool,
    has_ended: bool,
    /// Whether the exporter has been asked whether it is alive, and has not answered.
    owes_answer: bool,
    /// When the server last accepted something.
    posted: Option<Moment>,
    /// Since when requests fail, and why.
    trouble: Option<(Unix, String)>,
}

impl Exporter {
    fn order(&mut self, order: OtlpCommand) {
        // A thread that has panicked receives nothing, and ends the process.
        self.has_ended |= self.orders.send(order).is_err();
    }

    /// What a message about the destination begins with.
    fn label(&self) -> String {
        self.name() + ": "
    }

    /// What the destination is called in messages and values.
    fn name(&self) -> String {
        ["otlp ", &self.shown].concat()
    }

    /// The state for people.
    fn text(&self) -> String {
        match (&self.trouble, self.posted) {
            (Some((since, why)), _) => {
                let since = localtime::rfc3339(Duration::from_secs(since.0));
                format!("exporting fails since {since}: {why}")
            }
            (None, Some(_)) => "exporting works".to_owned(),
            (None, None) => "nothing exported yet".to_owned(),
        }
    }
}

/// A destination of the configuration whose connection is prepared.
pub(super) struct Prepared {
    endpoint: String,
    takes_checks: bool,
    destination: Destination<Resource>,
    cancel: CancelToken,
    delivery: SharedDelivery,
    /// The number of the exporter that has the same endpoint.
    known: Option<usize>,
}

/// The exporters.
pub(crate) struct Exporters {
    all: Vec<Exporter>,
    /// The number of the next exporter.
    next: usize,
    start: Start,
    /// When the host started, as Mackerel's server confirms it.
    trusted: Option<u64>,
}

impl Exporters {
    /// No exporter yet. They are started by `start`.
    pub(super) fn new(start: Start) -> Exporters {
        Exporters {
            all: Vec::new(),
            next: 0,
            start,
            trusted: None,
        }
    }

    /// The destinations of the configuration, with prepared connections. Changes nothing. Fails
    /// with the place of a setting that cannot be used.
    pub(super) fn prepare(&self, config: &Config) -> Result<Vec<Prepared>, String> {
        let name = host_name();
        let mut left: Vec<&Exporter> = self.all.iter().collect();
        let mut all = Vec::new();
        for otlp in &config.otlp {
            let same = left
                .iter()
                .position(|known| known.endpoint == otlp.endpoint);
            let known = same.map(|at| left.swap_remove(at));
            let cancel = known.map_or_else(CancelToken::default, |known| known.cancel.clone());
            let delivery = known
                .map(|known| known.delivery.clone())
                .unwrap_or_default();
            let resource = Resource::new(&name, &otlp.resource);
            let destination = Destination::new(otlp, proxies(config), resource, cancel.clone())?;
            all.push(Prepared {
                endpoint: otlp.endpoint.clone(),
                takes_checks: otlp.checks,
                destination: destination.published_in(delivery.clone()),
                cancel,
                delivery,
                known: known.map(|known| known.number),
            });
        }
        Ok(all)
    }

    /// Changes to the prepared destinations. An exporter that has the endpoint of one goes on with
    /// what waits; others are stopped at `now`.
    pub(super) fn configure(&mut self, prepared: Vec<Prepared>, now: Moment) {
        let mut old = std::mem::take(&mut self.all);
        for (at, one) in prepared.into_iter().enumerate() {
            let mut shown = without_secrets(&one.endpoint);
            let same = |known: &&Exporter| without_secrets(&known.endpoint) == shown;
            let count = self.all.iter().filter(same).count();
            if count > 0 {
                shown.extend(["#", &(count + 1).to_string()]);
            }
            let known = old
                .iter()
                .position(|exporter| Some(exporter.number) == one.known);
            if let Some(known) = known {
                let mut exporter = old.swap_remove(known);
                exporter.at = at;
                exporter.shown = shown;
                exporter.takes_checks = one.takes_checks;
                exporter.order(OtlpCommand::Configure(Box::new(one.destination)));
                self.all.push(exporter);
                continue;
            }
            let number = self.next;
            self.next += 1;
            match (self.start)(number, one.destination) {
                Ok(orders) => self.all.push(Exporter {
                    number,
                    at,
                    endpoint: one.endpoint,
                    shown,
                    orders,
                    cancel: one.cancel,
                    delivery: one.delivery,
                    takes_checks: one.takes_checks,
                    has_ended: false,
                    owes_answer: false,
                    posted: None,
                    trouble: None,
                }),
                Err(why) => log::error!("otlp {shown}: {why}"),
            }
        }
        for mut exporter in old {
            // A request that hangs must not outlast the exporter's limit.
            exporter.cancel.cancel();
            exporter.order(OtlpCommand::Stop(Moment(now.0 + STOP_LIMIT)));
        }
        if let Some(start) = self.trusted {
            self.trust(start);
        }
    }

    fn running(&mut self) -> impl Iterator<Item = &mut Exporter> {
        self.all.iter_mut().filter(|exporter| !exporter.has_ended)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether any exporter has not ended.
    pub(super) fn is_any_left(&self) -> bool {
        self.all.iter().any(|exporter| !exporter.has_ended)
    }

    /// Whether any destination gets the states of checks.
    pub(super) fn take_checks(&self) -> bool {
        self.all.iter().any(|exporter| exporter.takes_checks)
    }

    /// Sends each destination of the configuration its round of the host.
    pub(super) fn rounds(&mut self, rounds: Vec<Round>) {
        for (at, round) in rounds.into_iter().enumerate() {
            let mut all = self.all.iter_mut();
            if !round.is_empty()
                && let Some(exporter) = all.find(|exporter| exporter.at == at)
            {
                exporter.order(OtlpCommand::Round(round));
            }
        }
    }

    /// Sends the values of a plugin to all destinations.
    pub(super) fn custom(&mut self, values: &Arc<Values>, stamp: Stamp) {
        if self.all.is_empty() {
            return;
        }
        let round = Round::custom(values, stamp);
        for exporter in self.running() {
            exporter.order(OtlpCommand::Round(round.clone()));
        }
    }

    /// Sends the state of a check to the destinations that get them.
    pub(super) fn check(&mut self, name: &str, status: CheckStatus, stamp: Stamp) {
        let status = match status {
            CheckStatus::Ok => 0,
            CheckStatus::Warning => 1,
            CheckStatus::Critical => 2,
            CheckStatus::Unknown => 3,
        };
        for exporter in self.running().filter(|exporter| exporter.takes_checks) {
            exporter.order(OtlpCommand::Round(Round::check(name, status, stamp)));
        }
    }

    /// Passes on when the host started, as Mackerel's server confirms it.
    pub(super) fn trust(&mut self, start: u64) {
        self.trusted = Some(start);
        for exporter in self.running() {
            exporter.order(OtlpCommand::Trusted(start));
        }
    }

    /// Asks each exporter whether it is alive.
    pub(super) fn ask(&mut self) {
        for exporter in self.running() {
            exporter.owes_answer = true;
            exporter.order(OtlpCommand::Answer);
        }
    }

    /// What a message about each exporter begins with that has not answered [`Exporters::ask`].
    pub(super) fn silent(&self) -> impl Iterator<Item = String> {
        let owing = self
            .all
            .iter()
            .filter(|exporter| exporter.owes_answer && !exporter.has_ended);
        owing.map(Exporter::label)
    }

    /// Has each exporter send what waits, and end.
    pub(super) fn stop(&mut self, now: Moment, limit: Moment) {
        let limit = limit.min(Moment(now.0 + STOP_LIMIT));
        for exporter in self.running() {
            // First: the exporter clears the token when it handles the command.
            exporter.cancel.cancel();
            exporter.order(OtlpCommand::Stop(limit));
        }
    }

    /// Records an event of the exporter `number`. Returns whether [`Exporters::texts`] may have
    /// changed.
    pub(super) fn note(
        &mut self,
        number: usize,
        event: OtlpEvent,
        now: Moment,
        wall: Unix,
    ) -> bool {
        let mut all = self.all.iter_mut();
        let Some(exporter) = all.find(|exporter| exporter.number == number) else {
            return false;
        };
        match event {
            OtlpEvent::Alive => {
                exporter.owes_answer = false;
                return false;
            }
            OtlpEvent::Posted => {
                exporter.posted = Some(now);
                return false;
            }
            OtlpEvent::Working => {
                exporter.posted = Some(now);
                exporter.trouble = None;
            }
            OtlpEvent::Failing(why) => {
                let since = exporter.trouble.take().map_or(wall, |(since, _)| since);
                exporter.trouble = Some((since, why));
            }
            OtlpEvent::Ended(_) => exporter.has_ended = true,
        }
        true
    }

    /// What is known of the posts to each destination.
    pub(super) fn posts(&self) -> impl Iterator<Item = Post> {
        self.all.iter().map(|exporter| Post {
            label: exporter.label(),
            posted: exporter.posted,
            has_ended: exporter.has_ended,
        })
    }

    /// The time at `stamp` according to the first exporter that knows it.
    pub(super) fn time(&self, stamp: Stamp) -> Option<Unix> {
        let mut all = self.all.iter();
        all.find_map(|exporter| exporter.delivery.trust().time(stamp))
    }

    /// Adds the state of each destination for `mackerel-agent status`.
    pub(super) fn add_statuses(&self, now: Moment, all: &mut Vec<DestinationStatus>) {
        for exporter in &self.all {
            let posted_ago = exporter.posted.map(|then| now.since(then));
            let published = exporter.delivery.read();
            let mut status = status::of_delivery(published, posted_ago, exporter.has_ended);
            status.name.push_str(&exporter.shown);
            status.server = exporter.shown.clone();
            status.kind = "otlp";
            all.push(status);
        }
    }

    /// For the exposition: the name of each destination, and when it last accepted something.
    pub(super) fn posted(&self) -> impl Iterator<Item = (String, Option<Moment>)> {
        self.all
            .iter()
            .map(|exporter| (exporter.name(), exporter.posted))
    }

    /// The state of each destination for people.
    pub(super) fn texts(&self) -> impl Iterator<Item = String> {
        let all = self.all.iter();
        all.map(|exporter| [exporter.label(), exporter.text()].concat())
    }

    /// For events: the name of each destination, whether it accepts posts, and its state for people.
    pub(super) fn states(&self) -> impl Iterator<Item = (String, bool, String)> {
        self.all.iter().map(|exporter| {
            let works = exporter.trouble.is_none() && exporter.posted.is_some();
            (
                exporter.name(),
                works && !exporter.has_ended,
                exporter.text(),
            )
        })
    }
}

/// Whether any destination of the configuration gets the states of checks.
pub(super) fn want_checks(all: &[Otlp]) -> bool {
    all.iter().any(|otlp| otlp.checks)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::base::channel::{Receiver, channel};
    use crate::config::OtlpProtocol;

    /// The commands to the exporters that were started, by their numbers.
    type Started = Arc<Mutex<Vec<Receiver<OtlpCommand>>>>;

    fn exporters() -> (Exporters, Started) {
        let started = Started::default();
        let all = Arc::clone(&started);
        let start = move |number: usize, _| {
            let (orders, received) = channel();
            let mut all = all.lock().unwrap();
            assert_eq!(all.len(), number);
            all.push(received);
            Ok(orders)
        };
        (Exporters::new(Box::new(start)), started)
    }

    fn config(endpoints: &[&str]) -> Config {
        let otlp = |endpoint: &&str| Otlp {
            endpoint: (*endpoint).to_owned(),
            insecure: true,
            ..Otlp::default()
        };
        Config {
            otlp: endpoints.iter().map(otlp).collect(),
            ..Config::default()
        }
    }

    /// The commands to each exporter since the last call.
    fn commands(started: &Started) -> Vec<Vec<&'static str>> {
        let name = |command| match command {
            OtlpCommand::Round(_) => "round",
            OtlpCommand::Configure(_) => "configure",
            OtlpCommand::Trusted(_) => "trusted",
            OtlpCommand::Answer => "answer",
            OtlpCommand::Stop(_) => "stop",
        };
        let all = started.lock().unwrap();
        all.iter()
            .map(|one| {
                std::iter::from_fn(|| one.try_recv().ok())
                    .map(name)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn exporters_keep_their_endpoints_at_a_reload() {
        let (mut exporters, started) = exporters();
        let now = Moment::default();
        let mut configure = |endpoints: &[&str]| {
            let prepared = exporters.prepare(&config(endpoints)).unwrap();
            exporters.configure(prepared, now);
            commands(&started)
        };
        assert_eq!(configure(&["a:1", "b:1"]), [[""; 0]; 2]);
        // The first is removed: what waits for it does not go to the second.
        let expected = [vec!["stop"], vec!["configure"]];
        assert_eq!(configure(&["b:1"]), expected);
        let expected = [vec![], vec!["configure"], vec![]];
        assert_eq!(configure(&["c:1", "b:1"]), expected);
        // Twice the same endpoint: two exporters.
        let expected = [vec![], vec!["configure"], vec!["stop"], vec![]];
        assert_eq!(configure(&["b:1", "b:1"]), expected);
    }

    /// An exporter that cannot be started has no place among the others.
    #[test]
    fn exporters_get_the_rounds_of_their_own_destination() {
        // (why this row exists, number of the exporter that is not started, rounds of the others)
        let table = [
            ("all are started", 9, vec![(0, 1), (1, 2), (2, 3)]),
            ("the first is not", 0, vec![(1, 2), (2, 3)]),
            ("one in between is not", 1, vec![(0, 1), (2, 3)]),
        ];
        for (why, failing, expected) in table {
            let started = Arc::<Mutex<Vec<(usize, Receiver<OtlpCommand>)>>>::default();
            let all = Arc::clone(&started);
            let start = move |number: usize, _| {
                if number == failing {
                    return Err("no thread".to_owned());
                }
                let (orders, received) = channel();
                all.lock().unwrap().push((number, received));
                Ok(orders)
            };
            let mut exporters = Exporters::new(Box::new(start));
            let prepared = exporters.prepare(&config(&["a:1", "b:1", "c:1"])).unwrap();
            exporters.configure(prepared, Moment::default());
            let round = |age| {
                let stamp = Stamp {
                    age,
                    ..Stamp::default()
                };
                Round::check("c", 0, stamp)
            };
            exporters.rounds([1, 2, 3].map(round).into());
            let started = started.lock().unwrap();
            let got = started
                .iter()
                .filter_map(|(number, received)| match received.try_recv() {
                    Ok(OtlpCommand::Round(round)) => Some((*number, round.stamp().age)),
                    _ => None,
                });
            assert_eq!(got.collect::<Vec<_>>(), expected, "{why}");
        }
    }

    #[test]
    fn exporters_are_shown_without_secrets_by_names_of_their_own() {
        let (mut exporters, _started) = exporters();
        let mut config = config(&[
            "http://a:1/v1?t=SECRET",
            "http://a:1/v1?t=SECRET2",
            "http://b:1",
        ]);
        for otlp in &mut config.otlp {
            otlp.protocol = OtlpProtocol::Http;
        }
        let expected = [
            "otlp http://a:1/v1",
            "otlp http://a:1/v1#2",
            "otlp http://b:1",
        ];
        // The second time, each exporter has the endpoint of one that is there.
        for _ in 0..2 {
            let prepared = exporters.prepare(&config).unwrap();
            exporters.configure(prepared, Moment::default());
            let posted: Vec<String> = exporters.posted().map(|(name, _)| name).collect();
            assert_eq!(posted, expected);
            let states: Vec<String> = exporters.states().map(|(name, ..)| name).collect();
            assert_eq!(states, expected);
            let mut statuses = Vec::new();
            exporters.add_statuses(Moment::default(), &mut statuses);
            let mut shown: Vec<String> = exporters.posts().map(|post| post.label).collect();
            shown.extend(exporters.texts().chain(exporters.silent()));
            for status in statuses {
                shown.extend([status.name, status.server]);
            }
            assert!(!shown.concat().contains("SECRET"), "{shown:?}");
        }
    }

    #[test]
    fn exporters_get_what_concerns_them() {
        let (mut exporters, started) = exporters();
        let now = Moment::default();
        exporters.trust(1);
        let mut config = config(&["a:1", "b:1"]);
        config.otlp[1].checks = true;
        let prepared = exporters.prepare(&config).unwrap();
        exporters.configure(prepared, now);
        assert_eq!(commands(&started), [["trusted"], ["trusted"]]);
        exporters.check("c", CheckStatus::Critical, Stamp::default());
        assert_eq!(commands(&started), [vec![], vec!["round"]]);
        let mut values = Values::default();
        values.put("custom.a", 1.0);
        exporters.custom(&Arc::new(values), Stamp::default());
        assert_eq!(commands(&started), [["round"], ["round"]]);
        exporters.ask();
        assert_eq!(exporters.silent().count(), 2);
        exporters.note(0, OtlpEvent::Alive, now, Unix(0));
        let silent: Vec<String> = exporters.silent().collect();
        assert_eq!(silent, ["otlp b:1: "]);
        exporters.note(1, OtlpEvent::Failing("no".to_owned()), now, Unix(60));
        exporters.note(0, OtlpEvent::Working, now, Unix(60));
        let texts: Vec<String> = exporters.texts().collect();
        let since = localtime::rfc3339(Duration::from_secs(60));
        let expected = [
            "otlp a:1: exporting works".to_owned(),
            format!("otlp b:1: exporting fails since {since}: no"),
        ];
        assert_eq!(texts, expected);
        exporters.stop(now, Moment(Duration::from_secs(30)));
        exporters.note(0, OtlpEvent::Ended(0), now, Unix(61));
        assert!(exporters.is_any_left());
        exporters.note(1, OtlpEvent::Ended(3), now, Unix(61));
        assert!(!exporters.is_any_left());
    }
}
