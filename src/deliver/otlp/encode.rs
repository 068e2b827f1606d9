//! The interface between the exporter and the rounds that it sends.

use crate::base::clock::Stamp;
use crate::render::otlp::{Resource, Round, encode};

/// Writes rounds as messages of OTLP. An implementation holds the resource, which all rounds share.
pub(crate) trait Encode: Send {
    /// What was measured at one time, or a part of it.
    type Round: Send;

    /// When it was measured.
    fn stamp(round: &Self::Round) -> Stamp;

    /// Bytes of memory that it occupies.
    fn held(round: &Self::Round) -> usize;

    /// About its bytes in a message.
    fn size(round: &Self::Round) -> usize;

    /// Appends an `ExportMetricsServiceRequest` with `rounds` to `message`. `time_of` is the Unix time
    /// of a stamp, and that of the boot, in nanoseconds.
    fn encode(
        &self,
        rounds: &[&Self::Round],
        time_of: &dyn Fn(Stamp) -> Option<(u64, u64)>,
        message: &mut Vec<u8>,
    );
}

impl Encode for Resource {
    type Round = Round;

    fn stamp(round: &Round) -> Stamp {
        round.stamp()
    }

    fn held(round: &Round) -> usize {
        round.held_bytes()
    }

    fn size(round: &Round) -> usize {
        round.encoded_bytes()
    }

    fn encode(
        &self,
        rounds: &[&Round],
        time_of: &dyn Fn(Stamp) -> Option<(u64, u64)>,
        message: &mut Vec<u8>,
    ) {
        encode(rounds, self, time_of, message);
    }
}
