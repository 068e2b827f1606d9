//! The lanes of Mackerel's API. A server of another kind has another poster, with lanes of its own.

mod description;
mod graphs;
mod identifiers;
mod metadata;
mod registration;
mod reports;
mod values;

use super::lane::Lane;
use crate::base::clock::Moment;
use description::DescriptionLane;
use graphs::GraphsLane;
use identifiers::IdentifiersLane;
use metadata::MetadataLane;
use registration::RegistrationLane;
use reports::ReportsLane;
pub(super) use reports::Undated;
use values::ValuesLane;

/// Number of lanes.
pub(super) const COUNT: usize = 7;
/// Number of lanes, from the first, whose unsent data the next agent sends from the spool file.
/// While the agent stops, a single failure in one of them is enough to give up.
pub(super) const KEPT: usize = 3;

/// All lanes, by name: each command goes to one of them.
pub(super) struct Lanes {
    pub(super) registration: RegistrationLane,
    pub(super) reports: ReportsLane,
    pub(super) values: ValuesLane,
    pub(super) identifiers: IdentifiersLane,
    pub(super) metadata: MetadataLane,
    pub(super) graphs: GraphsLane,
    pub(super) description: DescriptionLane,
}

impl Lanes {
    /// Lanes with nothing to send but the registration of the host, which is due `now`.
    pub(super) fn new(now: Moment) -> Lanes {
        Lanes {
            registration: RegistrationLane::new(now),
            reports: ReportsLane::new(now),
            values: ValuesLane::default(),
            identifiers: IdentifiersLane::default(),
            metadata: MetadataLane::new(now),
            graphs: GraphsLane::default(),
            description: DescriptionLane::default(),
        }
    }

    /// All lanes, highest priority first. Reports and values precede the rest, because alerts
    /// depend on them. Registration is the only lane that is due before the host has an id, and is
    /// never due afterwards.
    pub(super) fn by_priority(&mut self) -> [&mut dyn Lane; COUNT] {
        [
            &mut self.registration,
            &mut self.reports,
            &mut self.values,
            &mut self.identifiers,
            &mut self.metadata,
            &mut self.graphs,
            &mut self.description,
        ]
    }
}
