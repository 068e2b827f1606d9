//! Sizes of mounted filesystems, from statvfs(3), with a time limit: if a filesystem's disk or
//! daemon is gone, the call blocks its thread, and no signal interrupts it.
//!
//! One thread asks all paths of a round. If a path blocks it, the thread is abandoned until the
//! call returns, and a new thread asks the other paths.

mod failing;
mod guard;
mod point;
mod usage;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::root::Root;
use crate::base::channel::Receiver;
use crate::sys::log;

use failing::Failing;
use guard::Guard;

pub(crate) use point::Point;
pub(crate) use usage::Usage;

/// Time between two looks at the thread. If it is at the same path at two looks in a row, that
/// filesystem hangs. Filesystems answer from memory even if the disk sleeps; only vfat has to read
/// before its first answer.
const LOOK: Duration = Duration::from_millis(250);
/// The same for a caller that asks once, and may wait: filesystems of other hosts answer late.
const LONG_LOOK: Duration = Duration::from_secs(1);
/// Looks at a thread that makes progress, until it is given up.
const LOOKS: usize = 8;
/// Threads that may block in one round.
const WAITS: usize = 5;
/// Threads that may be blocked at the same time, each by another filesystem. At this number no
/// filesystem is asked any more.
const MAX_STUCK: usize = 16;

/// What is known of a filesystem after it was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    Usage(Usage),
    /// It has no blocks, or `df` would not show it for another reason ([`Usage::new`]).
    NoBlocks,
    /// It is not there, is forbidden, has failed, or has not answered.
    Failed,
}

impl Reply {
    /// The usage, if there is one.
    pub(crate) fn usage(&self) -> Option<&Usage> {
        match self {
            Reply::Usage(usage) => Some(usage),
            Reply::NoBlocks | Reply::Failed => None,
        }
    }
}

/// The usage at one path; `None` if `df` would not show it.
type Answer = io::Result<Option<Usage>>;
/// The answers of one round, in the order of its paths.
type Answers = Vec<Answer>;
/// Asks for the filesystem at a mount point; may never return.
type Ask = dyn Fn(&Point) -> Answer + Send + Sync;
/// Waits for answers while the thread makes progress, which is the second argument.
type Wait = dyn Fn(&Receiver<Answers>, &AtomicUsize) -> Option<Answers> + Send;
/// The paths that hang, shared by all users of the same filesystems. Each user removes the paths that
/// answer again, also those that another user has found, which may not ask any more.
type Hanging = Arc<Mutex<Vec<Stuck>>>;

/// Asks filesystems for their size. Keeps which of them hang and which fail, and logs the begin and
/// the end of either.
pub(crate) struct FsStats {
    ask: Arc<Ask>,
    wait: Box<Wait>,
    /// `None` before the first round and after the thread was abandoned.
    guard: Option<Guard>,
    hanging: Hanging,
    failing: Failing,
}

/// A path that hangs, and the channel of its thread.
struct Stuck {
    path: PathBuf,
    answers: Receiver<Answers>,
}

impl FsStats {
    /// Asks the kernel, for paths that [`Root::path`] returns.
    pub(crate) fn new(root: &Root) -> FsStats {
        let places = root.places().clone();
        FsStats::asking(move |point: &Point| point.ask(&places), patient)
    }

    /// The same, with more time for each filesystem: a caller that asks once learns nothing of one
    /// that answers later.
    pub(crate) fn unhurried(root: &Root) -> FsStats {
        let mut stats = FsStats::new(root);
        stats.wait = Box::new(|answers, progress| look_by_look(LONG_LOOK, answers, progress));
        stats
    }

    /// Another one for another thread, which shares the list of paths that hang.
    pub(crate) fn beside(&self) -> FsStats {
        FsStats {
            ask: Arc::clone(&self.ask),
            wait: Box::new(patient),
            guard: None,
            hanging: Arc::clone(&self.hanging),
            failing: Failing::default(),
        }
    }

    /// Asks `ask`, which always returns.
    #[cfg(test)]
    pub(crate) fn answering(ask: impl Fn(&Path) -> Answer + Send + Sync + 'static) -> FsStats {
        FsStats::asking(by_path(ask), |answers, _| answers.recv().ok())
    }

    /// Asks `ask`, which sends to `held` before it blocks.
    #[cfg(test)]
    pub(crate) fn patient_until(
        ask: impl Fn(&Path) -> Answer + Send + Sync + 'static,
        held: Receiver<()>,
    ) -> FsStats {
        FsStats::asking(by_path(ask), move |answers, _| {
            loop {
                match answers.try_recv() {
                    Ok(answers) => return Some(answers),
                    Err(TryRecvError::Disconnected) => return None,
                    Err(TryRecvError::Empty) if held.try_recv().is_ok() => return None,
                    Err(TryRecvError::Empty) => std::thread::yield_now(),
                }
            }
        })
    }

    fn asking(
        ask: impl Fn(&Point) -> Answer + Send + Sync + 'static,
        wait: impl Fn(&Receiver<Answers>, &AtomicUsize) -> Option<Answers> + Send + 'static,
    ) -> FsStats {
        FsStats {
            ask: Arc::new(ask),
            wait: Box::new(wait),
            guard: None,
            hanging: Hanging::default(),
            failing: Failing::default(),
        }
    }

    /// The paths that do not answer.
    pub(crate) fn hanging_paths(&self) -> Vec<PathBuf> {
        let hanging = self.hanging();
        hanging.iter().map(|stuck| stuck.path.clone()).collect()
    }

    /// The usage of the filesystem at each of `points`, in their order. Takes at most [`WAITS`]
    /// times [`LOOKS`] times [`LOOK`]; a filesystem that hangs costs two looks, once.
    ///
    /// `None` if `df` would not show it ([`Usage::new`]), if it does not exist, is forbidden or
    /// fails, or if it hangs since this round or an earlier one.
    pub(crate) fn usage(&mut self, points: &Arc<[Point]>) -> Vec<Option<Usage>> {
        let mut usage = vec![None; points.len()];
        self.ask_each(points, &mut |at, answer| {
            if let Some(usage) = usage.get_mut(at) {
                *usage = answer.ok().flatten();
            }
        });
        usage
    }

    /// The same, with the difference between a filesystem without blocks and one that failed.
    pub(crate) fn replies(&mut self, points: &Arc<[Point]>) -> Vec<Reply> {
        let mut replies = vec![Reply::Failed; points.len()];
        self.ask_each(points, &mut |at, answer| {
            if let (Some(reply), Ok(answer)) = (replies.get_mut(at), answer) {
                *reply = answer.map_or(Reply::NoBlocks, Reply::Usage);
            }
        });
        replies
    }

    /// Asks each of `points`, and passes on the answers with their indices; none for one that
    /// hangs. `Ok(None)` if `df` would not show it ([`Usage::new`]).
    pub(crate) fn ask_each(
        &mut self,
        points: &Arc<[Point]>,
        answered_at: &mut dyn FnMut(usize, io::Result<Option<Usage>>),
    ) {
        self.release();
        let hanging = self.hanging_paths();
        let path = |at: &usize| points.get(*at).map(Point::path);
        let is_hanging = |path: &Path| hanging.iter().any(|hanging| hanging == path);
        let mut asked: Vec<usize> = Vec::new();
        for at in 0..points.len() {
            if !path(&at).is_some_and(is_hanging) {
                asked.push(at);
            }
        }
        let mut answers = Vec::new();
        for _ in 0..WAITS {
            if asked.is_empty() {
                break;
            }
            let Some(guard) = self.guard() else { break };
            if let Some(found) = guard.answers(points, &asked, &*self.wait) {
                self.guard = Some(guard);
                answers = found;
                break;
            }
            self.leave(guard, points, &mut asked);
        }
        self.failing
            .note(asked.iter().filter_map(path).zip(&answers));
        for (at, answer) in asked.iter().zip(answers) {
            answered_at(*at, answer);
        }
    }

    /// The idle thread, or a new one; `None` if too many are blocked.
    fn guard(&mut self) -> Option<Guard> {
        let start = || match Guard::start(Arc::clone(&self.ask)) {
            Err(error) => {
                log::warn!("filesystems: cannot start a thread: {error}");
                None
            }
            Ok(guard) => Some(guard),
        };
        let may_start = self.hanging().len() < MAX_STUCK;
        let idle = self.guard.take();
        idle.or_else(|| may_start.then(start).flatten())
    }

    /// Abandons a blocked thread, and removes its path from `asked`. The path is added to the list,
    /// unless another user of it has been waiting for the same one meanwhile.
    fn leave(&mut self, guard: Guard, points: &[Point], asked: &mut Vec<usize>) {
        let (at, answers) = guard.leave();
        if at < asked.len()
            && let Some(point) = points.get(asked.remove(at))
        {
            let path = point.path().to_owned();
            let count = {
                let mut hanging = self.hanging();
                if hanging.iter().any(|stuck| stuck.path == path) {
                    return;
                }
                hanging.push(Stuck {
                    path: path.clone(),
                    answers,
                });
                hanging.len()
            };
            log::warn!("filesystem {} does not answer: left alone", path.display());
            if count == MAX_STUCK {
                log::warn!("filesystems: {MAX_STUCK} do not answer: the others wait for them");
            }
        }
    }

    /// Removes paths from the list of those that hang if their threads have ended, also threads of
    /// others that share the list.
    fn release(&mut self) {
        let is_stuck =
            |stuck: &mut Stuck| matches!(stuck.answers.try_recv(), Err(TryRecvError::Empty));
        let free: Vec<Stuck> = self
            .hanging()
            .extract_if(.., |stuck| !is_stuck(stuck))
            .collect();
        for Stuck { path, .. } in free {
            log::info!("filesystem {} answers again", path.display());
        }
    }

    /// The list. Poisoning is ignored: no change of it can fail half-way.
    fn hanging(&self) -> MutexGuard<'_, Vec<Stuck>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for answers until the thread is at the same path at two looks in a row.
fn patient(answers: &Receiver<Answers>, progress: &AtomicUsize) -> Option<Answers> {
    look_by_look(LOOK, answers, progress)
}

/// The same with this time between two looks.
fn look_by_look(
    look: Duration,
    answers: &Receiver<Answers>,
    progress: &AtomicUsize,
) -> Option<Answers> {
    let mut last = None;
    for _ in 0..LOOKS {
        match answers.recv_timeout(look) {
            Ok(answers) => return Some(answers),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let at = progress.load(Ordering::Relaxed);
        if last.replace(at) == Some(at) {
            return None;
        }
    }
    None
}

/// Makes a function of paths one of points.
#[cfg(test)]
fn by_path(ask: impl Fn(&Path) -> Answer) -> impl Fn(&Point) -> Answer {
    move |point| ask(point.path())
}

#[cfg(test)]
mod tests {
    use crate::base::channel::{Sender, channel};
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn points(names: &[&str]) -> Arc<[Point]> {
        let points = names.iter().map(PathBuf::from);
        points.map(Point::from).collect()
    }

    /// Filesystems of which those named `hung*` block until they are repaired. No clock runs: the
    /// wait ends as soon as one of them is asked.
    struct Rig {
        stats: FsStats,
        repaired: Arc<AtomicBool>,
        free: Sender<()>,
    }

    impl Rig {
        fn new() -> Rig {
            let (hold, held) = channel();
            let (free, freed) = channel();
            let freed = Mutex::new(freed);
            let repaired = Arc::new(AtomicBool::new(false));
            let is_repaired = Arc::clone(&repaired);
            let ask = move |path: &Path| {
                let name = path.to_str().unwrap();
                if name.starts_with("hung") && !is_repaired.load(Ordering::Relaxed) {
                    hold.send(()).unwrap();
                    // Fails when the test is over.
                    let _ = freed.lock().unwrap().recv();
                }
                Ok(Usage::new(1, 1, 0, 0))
            };
            Rig {
                stats: FsStats::patient_until(ask, held),
                repaired,
                free,
            }
        }

        /// Whether each of the filesystems has answered.
        fn answered(&mut self, names: &[&str]) -> Vec<bool> {
            let usage = self.stats.usage(&points(names));
            usage.iter().map(Option::is_some).collect()
        }

        /// Releases all blocked threads, and waits until they have ended.
        fn repair(&mut self) {
            self.repaired.store(true, Ordering::Relaxed);
            let hanging = self.stats.hanging();
            for _ in hanging.iter() {
                self.free.send(()).unwrap();
            }
            for stuck in hanging.iter() {
                assert!(stuck.answers.recv().is_err());
            }
        }
    }

    #[test]
    fn answers_in_the_order_of_the_paths() {
        let of = |blocks| Usage::new(1, blocks, 0, 0);
        let mut stats = FsStats::answering(move |path| match path.to_str().unwrap() {
            "gone" => Err(io::ErrorKind::NotFound.into()),
            "pseudo" => Ok(None),
            name => Ok(of(name.parse().unwrap())),
        });
        let names = points(&["1", "gone", "2", "pseudo", "3"]);
        for _ in 0..2 {
            assert_eq!(stats.usage(&names), [of(1), None, of(2), None, of(3)]);
        }
        assert_eq!(stats.usage(&points(&[])), []);
    }

    #[test]
    fn one_that_hangs_costs_the_others_nothing_and_is_left_alone() {
        let mut rig = Rig::new();
        let names = ["a", "hung", "b"];
        for _ in 0..3 {
            assert_eq!(rig.answered(&names), [true, false, true]);
            assert_eq!(rig.stats.hanging().len(), 1);
        }
        rig.repair();
        assert_eq!(rig.answered(&names), [true, true, true]);
        assert!(rig.stats.hanging().is_empty());
    }

    #[test]
    fn what_hangs_for_one_is_left_alone_by_the_other_too() {
        let mut rig = Rig::new();
        let mut other = FsStats {
            hanging: Arc::clone(&rig.stats.hanging),
            ..FsStats::answering(|_| Ok(Usage::new(1, 1, 0, 0)))
        };
        let names = ["a", "hung", "b"];
        let asked = |other: &mut FsStats| {
            let usage = other.usage(&points(&names));
            usage.iter().map(Option::is_some).collect::<Vec<_>>()
        };
        assert_eq!(asked(&mut other), [true; 3]);
        rig.answered(&names);
        assert_eq!(asked(&mut other), [true, false, true]);
        rig.repair();
        // The one that found it may have no more to ask, like the live page without a viewer.
        assert_eq!(asked(&mut other), [true; 3]);
        assert_eq!(rig.answered(&names), [true; 3]);
    }

    #[test]
    fn what_hangs_for_two_at_the_same_time_is_listed_once() {
        let rig = Mutex::new(Rig::new());
        let hanging = Arc::clone(&rig.lock().unwrap().stats.hanging);
        let (_free, freed) = channel::<()>();
        let freed = Mutex::new(freed);
        let blocks = move |_: &Path| {
            // Fails when the test is over.
            let _ = freed.lock().unwrap().recv();
            Ok(None)
        };
        let mut other = FsStats {
            hanging,
            // The other one is found to hang while this one waits.
            wait: Box::new(move |_, _| {
                assert_eq!(rig.lock().unwrap().answered(&["hung"]), [false]);
                None
            }),
            ..FsStats::answering(blocks)
        };
        assert_eq!(other.usage(&points(&["hung"])), [None]);
        assert_eq!(other.hanging_paths(), [PathBuf::from("hung")]);
    }

    #[test]
    fn what_hung_for_one_that_is_gone_is_asked_again_by_the_other() {
        let mut rig = Rig::new();
        let other = FsStats {
            wait: Box::new(|answers, _| answers.recv().ok()),
            ..rig.stats.beside()
        };
        let names = ["a", "hung", "b"];
        assert_eq!(rig.answered(&names), [true, false, true]);
        rig.repair();
        rig.stats = other;
        assert_eq!(rig.answered(&names), [true; 3]);
    }

    #[test]
    fn waits_for_whoever_gets_on() {
        let (tell, answers) = channel();
        let progress = AtomicUsize::new(3);
        assert!(patient(&answers, &progress).is_none(), "it does not get on");
        tell.send(Vec::new()).unwrap();
        assert!(patient(&answers, &progress).is_some(), "it has answered");
        drop(tell);
        assert!(patient(&answers, &progress).is_none(), "it has gone");
    }

    #[test]
    fn several_that_hang_are_found_one_by_one() {
        let mut rig = Rig::new();
        let names = ["hung1", "hung2", "a", "hung3"];
        assert_eq!(rig.answered(&names), [false, false, true, false]);
        assert_eq!(rig.stats.hanging().len(), 3);
        rig.repair();
        assert_eq!(rig.answered(&names), [true; 4]);
    }

    #[test]
    fn the_time_of_a_round_and_the_number_of_threads_are_bounded() {
        let mut rig = Rig::new();
        let hung: Vec<String> = (0..MAX_STUCK + 5).map(|at| format!("hung{at}")).collect();
        let mut names: Vec<&str> = hung.iter().map(String::as_str).collect();
        names.push("a");
        for stuck in [WAITS, 2 * WAITS, 3 * WAITS, MAX_STUCK, MAX_STUCK] {
            assert!(rig.answered(&names).iter().all(|answered| !answered));
            assert_eq!(rig.stats.hanging().len(), stuck);
        }
        rig.repair();
        assert!(rig.answered(&names).iter().all(|answered| *answered));
    }
}
