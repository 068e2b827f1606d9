//! What the metadata server of Google Compute Engine says of a machine: GET computeMetadata/v1/ with
//! `recursive=true`. It has much more than is kept here, keys of users among it.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) instance: Instance,
    pub(crate) project: Project,
}

/// The machine.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Instance {
    #[serde(default)]
    pub(crate) hostname: String,
    /// More digits than a floating-point number keeps.
    pub(crate) id: u64,
    /// e.g. `projects/1234567890/machineTypes/e2-micro`
    #[serde(default)]
    pub(crate) machine_type: String,
    /// e.g. `projects/1234567890/zones/asia-northeast1-b`
    #[serde(default)]
    pub(crate) zone: String,
}

/// What the machine belongs to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    #[serde(default)]
    pub(crate) project_id: String,
}
