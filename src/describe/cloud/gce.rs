//! Google Compute Engine: the metadata server, queried once for the whole document.

use super::{Service, place};
use crate::base::json::Json;
use crate::describe::Place;

/// The path documented by Google, and the one that the Go agent uses.
const PATHS: [&str; 2] = [
    "/computeMetadata/v1/?recursive=true",
    "/computeMetadata/v1?recursive=true",
];
const DOMAIN: &str = "gce.cloud.google.com";
/// Number of attempts to detect the server.
const PROBES: u32 = 2;

/// If the document cannot be parsed, the result has no cloud if the server `is_to_prove` itself;
/// otherwise the lookup fails.
pub(super) fn look(service: &mut Service<'_>, is_to_prove: bool) -> Option<Place> {
    service.header = Some(("Metadata-Flavor", "Google".to_owned()));
    let [documented, other] = PATHS;
    let mut text = service.insist(documented, PROBES, false)?;
    if text.is_empty() {
        text = service.insist(other, PROBES, false)?;
    }
    let found = described(&text);
    if found.is_none() && is_to_prove {
        return Some(Place::default());
    }
    service.why = "its answer is invalid".to_owned();
    found
}

fn described(text: &str) -> Option<Place> {
    let document = Json::parse(text).ok()?;
    let (instance, project) = (document.member("instance")?, document.member("project")?);
    let field = |of: &Json, name| match of.member(name) {
        Some(Json::Text(text)) => text.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let id = digits(text, instance.member("id")?)?;
    let fields = vec![
        ("hostname", field(instance, "hostname")),
        ("instance-id", id.to_owned()),
        // For example `projects/1234567890/machineTypes/e2-micro`.
        ("instance-type", field(instance, "machineType")),
        ("zone", field(instance, "zone")),
        ("projectId", field(project, "projectId")),
    ];
    Some(place("gce", Some(fields), id, DOMAIN))
}

/// The digits of an id in `text`; a [`Json::Number`] cannot hold all of them. The result is the
/// first id in the text with the same rounded value.
fn digits<'t>(text: &'t str, id: &Json) -> Option<&'t str> {
    let mut ids = text.split("\"id\"").skip(1).filter_map(|after| {
        let value = after.trim_start().strip_prefix(':')?.trim_start();
        value.split(|c: char| !c.is_ascii_digit()).next()
    });
    ids.find(|digits| {
        let number = digits.parse::<u64>().map(|number| number as f64);
        number.is_ok_and(|number| *id == Json::Number(number))
    })
}
