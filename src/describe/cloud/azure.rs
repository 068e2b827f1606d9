//! Microsoft Azure: the instance metadata service.

use super::{Reply, Service, TRIES, place};
use crate::describe::Place;

const DOMAIN: &str = "virtual_machine.azure.microsoft.com";
/// Number of attempts to detect the service.
const PROBES: u32 = 2;
const ID: (&str, &str) = ("vmID", "compute/vmId");
/// The other fields: the key in the description, and the path in the service.
const KEYS: [(&str, &str); 8] = [
    ("location", "compute/location"),
    ("imageReferenceOffer", "compute/offer"),
    ("osSystemType", "compute/osType"),
    ("imageReferencePublisher", "compute/publisher"),
    ("imageReferenceSku", "compute/sku"),
    ("virtualMachineSizeType", "compute/vmSize"),
    (
        "privateIpAddress",
        "network/interface/0/ipv4/ipAddress/0/privateIpAddress",
    ),
    (
        "publicIpAddress",
        "network/interface/0/ipv4/ipAddress/0/publicIpAddress",
    ),
];

/// Fields for which the service has no text are left out. If a connection fails, the remaining
/// fields of the same group, `compute` or `network`, are left out.
pub(super) fn look(service: &mut Service<'_>, is_to_prove: bool) -> Option<Place> {
    service.header = Some(("Metadata", "true".to_owned()));
    let (key, name) = ID;
    if is_to_prove && service.insist(&path(name), PROBES, false)?.is_empty() {
        return Some(Place::default());
    }
    let id = service.insist(&path(name), TRIES, true)?;
    let mut fields = Vec::new();
    if !id.is_empty() {
        fields.push((key, id.clone()));
    }
    let mut broken = None;
    for (key, name) in KEYS {
        let group = name.bytes().next();
        if broken == group {
            continue;
        }
        match service.get(&path(name)) {
            Reply::Text(text) => fields.push((key, text)),
            Reply::Nothing | Reply::Busy => {}
            Reply::Silence => broken = group,
        }
    }
    Some(place("AzureVM", Some(fields), &id, DOMAIN))
}

fn path(name: &str) -> String {
    format!("/metadata/instance/{name}?api-version=2017-04-02&format=text")
}
