//! The cloud in which this host runs. It is found out from the cloud's metadata service in a thread
//! of its own, so that neither measuring nor posting waits for it.

use super::message::PosterCommand;
use crate::base::channel::Sender;
use crate::base::clock::pause;
use crate::base::{self, program};
use crate::config::{CloudPlatform, Config};
use crate::deliver::message::CloudAnswer;
use crate::describe::Place;
use crate::describe::cloud::{self, Target};
use crate::sys::crash;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Http, Settings};
use crate::sys::log_once::LogOnce;
use crate::sys::root::Root;
use crate::sys::thread;

/// Stack of the thread in bytes. Requests are plain, and their responses are not kept on the stack.
const STACK: usize = 256 << 10;

/// Looks the cloud up. Returns the result if it is available at once, or `None` if it arrives later
/// as [`PosterCommand::Placed`].
pub(crate) type Look = Box<dyn FnMut(CloudPlatform) -> Option<CloudAnswer> + Send>;

/// The cloud look-up and its last result.
pub(crate) struct CloudLookup {
    look: Look,
    stage: Stage,
    /// The result of the last successful look-up.
    known: Option<Place>,
    log: LogOnce,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    /// No look-up has been made, or another one is due.
    Due,
    /// A look-up is in progress.
    Looking,
    /// A look-up is in progress, for a setting that no longer applies.
    Outdated,
    Done,
}

impl CloudLookup {
    /// No look-up has been made.
    pub(crate) fn new(look: Look) -> CloudLookup {
        CloudLookup {
            look,
            stage: Stage::Due,
            known: None,
            log: LogOnce::default(),
        }
    }

    /// Starts a look-up, unless one is in progress.
    pub(crate) fn look(&mut self, platform: CloudPlatform) {
        if matches!(self.stage, Stage::Due | Stage::Done) {
            self.stage = Stage::Looking;
            if let Some(found) = (self.look)(platform) {
                self.take(found);
            }
        }
    }

    /// Starts a look-up if one is due. Returns whether none is in progress.
    pub(crate) fn is_settled(&mut self, platform: CloudPlatform) -> bool {
        if self.stage == Stage::Due {
            self.look(platform);
        }
        self.stage == Stage::Done
    }

    /// Records the result of a look-up. After a failure the last known place is kept, because a
    /// description without it would clear the host's custom identifier.
    pub(crate) fn take(&mut self, found: CloudAnswer) {
        if self.stage == Stage::Outdated {
            self.stage = Stage::Due;
            return;
        }
        self.stage = Stage::Done;
        match found {
            // An identifier does not disappear: the answer is a fault of the service.
            Ok(place) if place.custom_identifier.is_none() && self.is_identified() => {
                let text = "the metadata service no longer says what identifies this host; \
                    it is asked again";
                self.log.warned(text);
            }
            Ok(place) => {
                if place.cloud.is_some() && place.custom_identifier.is_none() {
                    let text = "the metadata service does not say what identifies this host";
                    self.log.warned(text);
                } else {
                    self.log
                        .succeeded(|| "the metadata service answers again".to_owned());
                }
                self.known = Some(place);
            }
            Err(why) => {
                self.log.warned(&format!("{why}; it is asked again"));
            }
        }
    }

    /// Makes a look-up due if the place is not known. Called after a failed step of the
    /// registration.
    pub(crate) fn doubt(&mut self) {
        if self.stage == Stage::Done && self.known.is_none() {
            self.stage = Stage::Due;
        }
    }

    /// Handles a change of the setting.
    pub(crate) fn forget(&mut self) {
        self.known = None;
        self.stage = match self.stage {
            Stage::Looking | Stage::Outdated => Stage::Outdated,
            Stage::Due | Stage::Done => Stage::Due,
        };
    }

    /// Whether the last known place has an identifier.
    fn is_identified(&self) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|place| place.custom_identifier.is_some())
    }

    /// The place; `None` until a look-up has succeeded.
    pub(crate) fn known(&self) -> Option<&Place> {
        self.known.as_ref()
    }

    /// The place for a description; an empty one until a look-up has succeeded.
    pub(crate) fn place(&self) -> Place {
        self.known.clone().unwrap_or_default()
    }
}

/// A look-up in a thread, which exists only while the network has to be asked.
pub(crate) fn in_background(root: Root, tell: Sender<PosterCommand>) -> Look {
    Box::new(move |platform| {
        let Some(target) = cloud::target(&root, platform) else {
            return Some(Ok(Place::default()));
        };
        let tell = tell.clone();
        let run = move || {
            let _stack = crash::watch_stack();
            // The receiver is gone only if the process is ending.
            drop(tell.send(PosterCommand::Placed(ask(target))));
        };
        match thread::start("cloud", STACK, run) {
            Ok(()) => None,
            Err(error) => Some(Err(format!("cannot ask the metadata service: {error}"))),
        }
    })
}

/// Looks the cloud up, and waits for the result.
pub(crate) fn at_once(config: &Config) -> CloudAnswer {
    match cloud::target(&Root::of(&config.host), config.cloud_platform) {
        Some(target) => ask(target),
        None => Ok(Place::default()),
    }
}

/// Requests the place from the metadata service, never through a proxy.
fn ask(target: Target) -> CloudAnswer {
    let settings = Settings {
        base: cloud::SERVICE.to_owned(),
        key: String::new(),
        user_agent: program::agent_name(),
        version: String::new(),
        revision: String::new(),
        keep_alive: true,
        proxy: Rules::default(),
        ca_file: None,
        limit: cloud::REQUEST_LIMIT,
    };
    let mut service = Http::new(settings).map_err(|error| base::report(&error))?;
    cloud::look(target, &mut service, &mut pause)
        .map_err(|why| format!("metadata service of {target}: {why}"))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A host whose look-ups are counted. Their result is `found`; `None` if it arrives later.
    fn host(found: Option<CloudAnswer>) -> (CloudLookup, Arc<Mutex<u32>>) {
        let looks = Arc::<Mutex<u32>>::default();
        let counted = Arc::clone(&looks);
        let look = move |_| {
            *counted.lock().unwrap() += 1;
            found.clone()
        };
        (CloudLookup::new(Box::new(look)), looks)
    }

    fn place(id: &str) -> Place {
        Place {
            cloud: None,
            custom_identifier: Some(id.to_owned()),
        }
    }

    const AUTO: CloudPlatform = CloudPlatform::Auto;

    #[test]
    fn lookups_run_one_at_a_time() {
        let (mut host, looks) = host(None);
        assert!(!host.is_settled(AUTO) && !host.is_settled(AUTO));
        host.look(AUTO);
        assert_eq!(*looks.lock().unwrap(), 1);
        host.take(Ok(place("a")));
        assert!(host.is_settled(AUTO));
        assert_eq!(host.known(), Some(&place("a")));
        host.look(AUTO);
        assert_eq!(*looks.lock().unwrap(), 2, "later, it may have changed");
    }

    #[test]
    fn place_is_kept_while_the_service_is_unreachable() {
        let (mut host, looks) = host(None);
        host.look(AUTO);
        host.take(Ok(place("a")));
        host.look(AUTO);
        host.take(Err("away".to_owned()));
        assert_eq!(host.known(), Some(&place("a")));
        host.doubt();
        assert!(host.is_settled(AUTO));
        assert_eq!(*looks.lock().unwrap(), 2);
    }

    #[test]
    fn identifier_is_kept_when_the_service_no_longer_has_one() {
        let (mut host, _) = host(None);
        host.look(AUTO);
        host.take(Ok(Place::default()));
        assert_eq!(host.known(), Some(&Place::default()));
        for (found, known) in [
            (place("a"), "a"),
            (Place::default(), "a"),
            (place("b"), "b"),
        ] {
            host.look(AUTO);
            host.take(Ok(found));
            assert_eq!(host.known(), Some(&place(known)));
        }
        host.forget();
        host.look(AUTO);
        host.take(Ok(Place::default()));
        assert_eq!(host.known(), Some(&Place::default()), "another setting");
    }

    #[test]
    fn place_that_is_unknown_is_looked_up_again_and_not_at_once() {
        let (mut host, looks) = host(Some(Err("away".to_owned())));
        assert!(host.is_settled(AUTO) && host.is_settled(AUTO));
        assert_eq!((host.known(), *looks.lock().unwrap()), (None, 1));
        host.doubt();
        assert!(host.is_settled(AUTO));
        assert_eq!(*looks.lock().unwrap(), 2);
    }

    #[test]
    fn lookup_under_another_setting_is_discarded() {
        let (mut host, looks) = host(None);
        host.look(AUTO);
        host.forget();
        host.take(Ok(place("a")));
        assert_eq!(host.known(), None);
        assert!(!host.is_settled(AUTO));
        assert_eq!(*looks.lock().unwrap(), 2);
        host.take(Ok(place("b")));
        assert_eq!(host.known(), Some(&place("b")));
        host.forget();
        assert_eq!(host.known(), None);
    }
}
