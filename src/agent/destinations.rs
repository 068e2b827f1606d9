//! The organisations of Mackerel that receive what is measured: one poster each, and what it has
//! reported. A destination is identified by its position in the list.

use super::health::Post;
use super::status::{self, AgentStatus};
use crate::base::channel::Sender;
use crate::base::clock::{Moment, Stamp, Unix};
use crate::base::url::without_secrets;
use crate::config::{Config, Organization};
use crate::deliver::delivery::SharedDelivery;
use crate::deliver::message::{Outcome, PosterCommand, PosterEvent};
use crate::plugins::output::Output;
use crate::render::status::DestinationStatus;
use crate::settings::organizations::{config_of, label, organizations};
use crate::sys::http::cancel::CancelToken;

/// One organisation, and the state of its poster.
pub(crate) struct Destination {
    /// `None`: the organisation of the key at the top of the configuration.
    organization: Option<String>,
    /// Sends commands to the poster.
    orders: Sender<PosterCommand>,
    /// Shortens the poster's requests at the end.
    pub(crate) cancel: CancelToken,
    /// Whether the reports of checks are sent to it.
    takes_checks: bool,
    stage: Stage,
    /// Whether the poster has been asked whether it is alive, and has not answered.
    owes_answer: bool,
    /// The host's id on the server. `None` before the registration.
    pub(crate) host_id: Option<String>,
    status: AgentStatus,
    /// The host's name on the server. `None` before the registration.
    host_name: Option<String>,
    /// When the server last accepted something.
    posted: Option<Moment>,
    /// What the poster publishes of itself.
    delivery: SharedDelivery,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Running,
    /// The poster receives no more commands, and has not sent [`Outcome`]: it has panicked.
    Vanished,
    Ended,
}

impl Destination {
    /// The destination of `organization`, whose poster receives `orders`. `cancel` shortens the
    /// requests of that poster.
    pub(crate) fn new(
        organization: Option<&Organization>,
        orders: Sender<PosterCommand>,
        cancel: CancelToken,
    ) -> Destination {
        Destination {
            organization: organization.map(|organization| organization.name.clone()),
            orders,
            cancel,
            takes_checks: organization.is_none_or(|organization| organization.checks),
            stage: Stage::Running,
            owes_answer: false,
            host_id: None,
            status: AgentStatus::default(),
            host_name: None,
            posted: None,
            delivery: SharedDelivery::default(),
        }
    }

    /// The state for people.
    fn text(&self) -> String {
        match self.stage {
            Stage::Ended => "refused for good, see the log".to_owned(),
            Stage::Running | Stage::Vanished => self.status.text(),
        }
    }

    /// The same destination, whose poster publishes its state in `delivery`.
    pub(crate) fn published_in(self, delivery: SharedDelivery) -> Destination {
        Destination { delivery, ..self }
    }

    fn order(&mut self, order: PosterCommand) {
        // A poster that ends sends `Event::Ended`, unless it has panicked.
        if self.stage == Stage::Running && self.orders.send(order).is_err() {
            self.stage = Stage::Vanished;
        }
    }
}

/// The destinations.
#[derive(Default)]
pub(crate) struct Destinations(Vec<Destination>);

impl Destinations {
    pub(crate) fn new(all: Vec<Destination>) -> Destinations {
        Destinations(all)
    }

    /// What a message about the destination `at` begins with. Empty if there is only one.
    pub(crate) fn label(&self, at: usize) -> String {
        match self.0.get(at) {
            Some(destination) if self.0.len() > 1 => label(destination.organization.as_deref()),
            _ => String::new(),
        }
    }

    fn running(&mut self) -> impl Iterator<Item = &mut Destination> {
        let all = self.0.iter_mut();
        all.filter(|destination| destination.stage == Stage::Running)
    }

    /// Whether the poster of any destination has not ended.
    pub(crate) fn is_any_left(&self) -> bool {
        let mut all = self.0.iter();
        all.any(|destination| destination.stage != Stage::Ended)
    }

    /// The first destination whose poster has vanished.
    pub(crate) fn vanished(&self) -> Option<usize> {
        let mut all = self.0.iter();
        all.position(|destination| destination.stage == Stage::Vanished)
    }

    /// Records that the poster of `at` has ended.
    pub(crate) fn ended(&mut self, at: usize) {
        if let Some(destination) = self.0.get_mut(at) {
            destination.stage = Stage::Ended;
            destination.owes_answer = false;
        }
    }

    /// The destinations whose posters have not ended, with their positions.
    pub(crate) fn left(&mut self) -> impl Iterator<Item = (usize, &mut Destination)> {
        let all = self.0.iter_mut().enumerate();
        all.filter(|(_, destination)| destination.stage != Stage::Ended)
    }

    /// Sends a command to the poster of `at`.
    pub(crate) fn order(&mut self, at: usize, order: PosterCommand) {
        if let Some(destination) = self.0.get_mut(at) {
            destination.order(order);
        }
    }

    /// Sends a command to each poster.
    pub(crate) fn order_all(&mut self, order: impl Fn() -> PosterCommand) {
        self.running()
            .for_each(|destination| destination.order(order()));
    }

    /// Sends a result to each poster that takes it. Values are shared.
    pub(crate) fn output(&mut self, output: Output) {
        let is_report = matches!(output, Output::Report { .. });
        let takers = self
            .running()
            .filter(|destination| !is_report || destination.takes_checks);
        let mut takers = takers.peekable();
        while let Some(taker) = takers.next() {
            if takers.peek().is_none() {
                taker.order(output.into());
                return;
            }
            taker.order(output.clone().into());
        }
    }

    /// Asks each poster whether it is alive.
    pub(crate) fn ask(&mut self) {
        for destination in self.running() {
            destination.owes_answer = true;
            destination.order(PosterCommand::Answer);
        }
    }

    /// The destinations whose posters have not answered [`Destinations::ask`].
    pub(crate) fn silent(&self) -> impl Iterator<Item = usize> {
        let all = self.0.iter().enumerate();
        all.filter(|(_, destination)| destination.owes_answer)
            .map(|(at, _)| at)
    }

    /// Records an event of the poster of `at`. Returns whether [`Destinations::texts`] may have
    /// changed.
    pub(crate) fn note(&mut self, at: usize, news: PosterEvent, now: Moment, wall: Unix) -> bool {
        let Some(destination) = self.0.get_mut(at) else {
            return false;
        };
        match &news {
            PosterEvent::Alive => destination.owes_answer = false,
            PosterEvent::Registered { id, name } => {
                destination.host_id = Some(id.clone());
                destination.host_name = Some(name.clone());
            }
            PosterEvent::Working | PosterEvent::Posted => destination.posted = Some(now),
            PosterEvent::Failing(_) | PosterEvent::Trusted(_) => {}
        }
        destination.status.note(news, wall)
    }

    /// The hosts that are registered: position of the destination, and id.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (usize, &str)> {
        let all = self.0.iter().enumerate();
        all.filter_map(|(at, destination)| Some((at, destination.host_id.as_deref()?)))
    }

    /// What is known of the posts of each destination.
    pub(crate) fn posts(&self) -> impl Iterator<Item = Post> {
        let all = self.0.iter().enumerate();
        all.map(|(at, destination)| Post {
            label: self.label(at),
            posted: destination.posted,
            has_ended: destination.stage == Stage::Ended,
        })
    }

    /// The host's name on the first server that has it.
    pub(crate) fn host_name(&self) -> Option<&str> {
        let mut names = self.0.iter();
        names.find_map(|destination| destination.host_name.as_deref())
    }

    /// The time at `stamp` according to the first destination that knows it.
    pub(crate) fn time(&self, stamp: Stamp) -> Option<Unix> {
        let mut all = self.0.iter();
        all.find_map(|destination| destination.delivery.trust().time(stamp))
    }

    /// Adds the state of each destination for `mackerel-agent status`.
    pub(crate) fn add_statuses(
        &self,
        config: &Config,
        now: Moment,
        all: &mut Vec<DestinationStatus>,
    ) {
        for (destination, organization) in self.0.iter().zip(organizations(config)) {
            let posted_ago = destination.posted.map(|then| now.since(then));
            let has_ended = destination.stage != Stage::Running;
            let mut status =
                status::of_delivery(destination.delivery.read(), posted_ago, has_ended);
            let name = destination.organization.as_deref();
            status.name.push_str(name.unwrap_or("main organization"));
            status.kind = "mackerel";
            status.server = without_secrets(&config_of(config, organization).apibase);
            status.host_id.clone_from(&destination.host_id);
            all.push(status);
        }
    }

    /// For the exposition: the name of each destination, and when it last accepted something.
    pub(crate) fn posted(&self) -> impl Iterator<Item = (String, Option<Moment>)> {
        self.0.iter().map(|destination| {
            let name = match &destination.organization {
                Some(name) => ["mackerel.", name].concat(),
                None => "mackerel".to_owned(),
            };
            (name, destination.posted)
        })
    }

    /// The state of each destination for people.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        let all = self.0.iter().enumerate();
        all.map(|(at, destination)| [self.label(at), destination.text()].concat())
    }

    /// For events: the name of each destination, whether it accepts posts, and its state for people.
    pub(crate) fn states(&self) -> impl Iterator<Item = (String, bool, String)> {
        self.0.iter().map(|destination| {
            let name = label(destination.organization.as_deref());
            let name = name.strip_suffix(": ").unwrap_or_default().to_owned();
            let works = destination.stage == Stage::Running && destination.status.works();
            (name, works, destination.text())
        })
    }
}

/// The text for the user if something went wrong.
pub(crate) fn result(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Delivered => Ok(()),
        Outcome::Undelivered { values, reports: 0 } => {
            Err(format!("{values} values could not be delivered"))
        }
        Outcome::Undelivered { values, reports } => Err(format!(
            "{values} values and {reports} check reports could not be delivered"
        )),
        Outcome::Refused(text) => Err(text),
    }
}
