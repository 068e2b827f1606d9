//! Everything between a round of measurements and the server.
//!
//! `poster` runs it, in a thread of its own. It receives commands (`message`), holds their contents
//! in queues of a fixed size (`spool` for values, `queue` for check reports, `metadata` for
//! documents), and sends what is due through `api`, one request at a time. `registration` finds or
//! creates the host first. `cloud_lookup` looks up the cloud in which the host runs. `clock_trust`
//! decides the time under which values are posted. `delivery` is what each thread publishes of
//! itself for `mackerel-agent status`, with the `failed_step`. What cannot be sent soon is written to disk as
//! `record`s, which the next agent reads.
//!
//! Nothing here takes measurements, runs a program or calls a plugin.

pub(crate) mod api;
pub(crate) mod clock_trust;
pub(crate) mod cloud_lookup;
pub(crate) mod delivery;
pub(crate) mod failed_step;
pub(crate) mod message;
pub(crate) mod metadata;
pub(crate) mod otlp;
pub(crate) mod poster;
mod queue;
mod record;
pub(crate) mod registration;
pub(crate) mod retire;
mod spool;
