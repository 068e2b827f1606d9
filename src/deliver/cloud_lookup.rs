//! Where this host runs, as far as that is known: asked of its cloud's metadata service in a thread
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

/// Bytes of the thread's stack: requests are plain, and their answers are not kept on it.
const STACK: usize = 256 << 10;

/// Looks. Returns what there is to be known at once, or `None` if [`PosterCommand::Placed`] will tell.
pub(crate) type Look = Box<dyn FnMut(CloudPlatform) -> Option<CloudAnswer> + Send>;

/// The place of this host.
pub(crate) struct CloudLookup {
    look: Look,
    stage: Stage,
    /// What the last look that brought anything brought.
    known: Option<Place>,
    log: LogOnce,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
    /// Nobody has looked, or it is time to look again.
    Due,
    /// A look is under way.
    Looking,
    /// As before, for a setting that no longer applies.
    Outdated,
    Done,
}

impl CloudLookup {
    /// Nothing is known, and nobody has looked.
    pub(crate) fn new(look: Look) -> CloudLookup {
        CloudLookup {
            look,
            stage: Stage::Due,
            known: None,
            log: LogOnce::default(),
        }
    }

    /// Looks, unless a look is under way.
    pub(crate) fn look(&mut self, platform: CloudPlatform) {
        if matches!(self.stage, Stage::Due | Stage::Done) {
            self.stage = Stage::Looking;
            if let Some(found) = (self.look)(platform) {
                self.take(found);
            }
        }
    }

    /// Looks if it is time to. Returns whether no look is under way.
    pub(crate) fn is_settled(&mut self, platform: CloudPlatform) -> bool {
        if self.stage == Stage::Due {
            self.look(platform);
        }
        self.stage == Stage::Done
    }

    /// Takes what a look brought. Where that is nothing, what is known stays so: the description
    /// would take the host's identity away.
    pub(crate) fn take(&mut self, found: CloudAnswer) {
        if self.stage == Stage::Outdated {
            self.stage = Stage::Due;
            return;
        }
        self.stage = Stage::Done;
        match found {
            Ok(place) => {
                match place.cloud.is_some() && place.custom_identifier.is_none() {
                    true => {
                        let text = "the metadata service does not say what identifies this host";
                        self.log.failed(text.to_owned());
                    }
                    false => {
                        self.log
                            .succeeded(|| "the metadata service answers again".to_owned());
                    }
                }
                self.known = Some(place);
            }
            Err(why) => {
                self.log.failed(format!("{why}; it is asked again"));
            }
        }
    }

    /// Something did not work: if nothing is known, it is time to look again.
    pub(crate) fn doubt(&mut self) {
        if self.stage == Stage::Done && self.known.is_none() {
            self.stage = Stage::Due;
        }
    }

    /// The setting has changed.
    pub(crate) fn forget(&mut self) {
        self.known = None;
        self.stage = match self.stage {
            Stage::Looking | Stage::Outdated => Stage::Outdated,
            Stage::Due | Stage::Done => Stage::Due,
        };
    }

    /// The place; `None` as long as every look brought nothing.
    pub(crate) fn known(&self) -> Option<&Place> {
        self.known.as_ref()
    }

    /// The place for a description; none in particular as long as it is unknown.
    pub(crate) fn place(&self) -> Place {
        self.known.clone().unwrap_or_default()
    }
}

/// Looks in a thread, of which there is one as long as the network has to be asked.
pub(crate) fn in_background(root: Root, tell: Sender<PosterCommand>) -> Look {
    Box::new(move |platform| {
        let Some(target) = cloud::target(&root, platform) else {
            return Some(Ok(Place::default()));
        };
        let tell = tell.clone();
        let run = move || {
            let _stack = crash::watch_stack();
            // Nobody is left to be told only if the process is ending already.
            drop(tell.send(PosterCommand::Placed(ask(target))));
        };
        match thread::start("cloud", STACK, run) {
            Ok(()) => None,
            Err(error) => Some(Err(format!("cannot ask the metadata service: {error}"))),
        }
    })
}

/// Looks, and waits for what comes of it.
pub(crate) fn at_once(config: &Config) -> CloudAnswer {
    match cloud::target(&Root::of(&config.host), config.cloud_platform) {
        Some(target) => ask(target),
        None => Ok(Place::default()),
    }
}

/// Asks the metadata service, never through a proxy.
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

    /// A host whose looks are counted; a look tells at once what `found` is, if it is.
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
    fn one_look_at_a_time() {
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
    fn what_is_known_stays_known_when_the_service_is_away() {
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
    fn what_is_unknown_is_looked_for_again_and_not_at_once() {
        let (mut host, looks) = host(Some(Err("away".to_owned())));
        assert!(host.is_settled(AUTO) && host.is_settled(AUTO));
        assert_eq!((host.known(), *looks.lock().unwrap()), (None, 1));
        host.doubt();
        assert!(host.is_settled(AUTO));
        assert_eq!(*looks.lock().unwrap(), 2);
    }

    #[test]
    fn what_was_asked_under_another_setting_is_not_believed() {
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
