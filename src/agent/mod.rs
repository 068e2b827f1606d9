//! The service: measures every minute, runs plugins, and hands their results to the poster.
//!
//! `start` reads the configuration, claims the pid file and the lock, and starts the threads. Then
//! `service` is the main loop. It waits on one channel for an `event::Event` (a signal, the result
//! of a plugin, an event of the poster) and no longer than until the next job of `schedule`. A job
//! measures (`collect`), starts plugins (`plugins`) or describes the host; the results go to the
//! poster (`deliver`) of each organisation (`destinations`) as `PosterCommand`s. The loop makes no
//! request and never waits for one.
//!
//! `exposition` starts the thread of the listeners, which asks the loop for what only that has.
//! `watchdog`, `status` and `health` answer systemd and `mackerel-agent health` from the state of the
//! loop. `readiness` holds the registration back until the configured probe succeeds.

mod destinations;
pub(crate) mod event;
mod exporters;
mod exposition;
mod health;
mod readiness;
mod schedule;
pub(crate) mod service;
mod start;
mod status;
mod watchdog;

pub(crate) use start::agent;
