//! Everything between a round of measurements and the server.
//!
//! `poster` owns it, in a thread of its own. It receives commands (`message`), keeps what they carry
//! in queues of a fixed size (`spool` for values, `queue` for check reports, `metadata` for
//! documents), and sends what is due through `api`, one request at a time. `registration` finds or
//! creates the host first; `cloud_lookup` looks up which cloud it runs in. `clock_trust` decides which time
//! values are posted under. What cannot be sent soon is written to disk as `record`s and read again
//! by the next agent.
//!
//! Nothing here measures, runs a program or knows a plugin.

pub(crate) mod api;
mod clock_trust;
pub(crate) mod cloud_lookup;
pub(crate) mod message;
pub(crate) mod metadata;
pub(crate) mod poster;
mod queue;
mod record;
pub(crate) mod registration;
pub(crate) mod retire;
mod spool;
