//! Google Compute Engine: the metadata server, asked once for all it has.

use super::{Service, Silence, place};
use crate::describe::Place;
use crate::wire::gce::Document;

/// As Google documents it, and as the Go agent asks.
const PATHS: [&str; 2] = [
    "/computeMetadata/v1/?recursive=true",
    "/computeMetadata/v1?recursive=true",
];
const DOMAIN: &str = "gce.cloud.google.com";
/// Tries to find out whether the server is there.
const PROBES: u32 = 2;

/// Without a document that can be understood there is no cloud, or, where there has to be one, no
/// answer.
pub(super) fn look(mut service: Service<'_>, is_to_prove: bool) -> Result<Place, Silence> {
    service.header = Some(("Metadata-Flavor", "Google".to_owned()));
    let [documented, other] = PATHS;
    let text = match service.answer(documented, PROBES)? {
        Some(text) => Some(text),
        None => service.answer(other, PROBES)?,
    };
    let text = text.unwrap_or_default();
    let Ok(Document { instance, project }) = serde_json::from_str(&text) else {
        return match is_to_prove {
            true => Ok(Place::default()),
            false => Err(Silence::Strange),
        };
    };
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let id = instance.id.to_string();
    let fields = vec![
        ("hostname", instance.hostname),
        ("instance-id", id.clone()),
        ("instance-type", last(&instance.machine_type)),
        ("zone", last(&instance.zone)),
        ("projectId", project.project_id),
    ];
    Ok(place("gce", Some(fields), Some(&id), DOMAIN))
}
