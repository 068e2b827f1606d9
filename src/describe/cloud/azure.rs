//! Microsoft Azure: the instance metadata service.

use super::{Service, Silence, place};
use crate::describe::Place;

const ID: &str = "compute/vmId";
const ID_KEY: &str = "vmID";
const DOMAIN: &str = "virtual_machine.azure.microsoft.com";
/// Tries to find out whether the service is there.
const PROBES: u32 = 2;

type Fields = [(&'static str, &'static str)];

/// As the description and the service call them, besides the id.
const COMPUTE: &Fields = &[
    ("location", "compute/location"),
    ("imageReferenceOffer", "compute/offer"),
    ("osSystemType", "compute/osType"),
    ("imageReferencePublisher", "compute/publisher"),
    ("imageReferenceSku", "compute/sku"),
    ("virtualMachineSizeType", "compute/vmSize"),
];
const NETWORK: &Fields = &[
    (
        "privateIpAddress",
        "network/interface/0/ipv4/ipAddress/0/privateIpAddress",
    ),
    (
        "publicIpAddress",
        "network/interface/0/ipv4/ipAddress/0/publicIpAddress",
    ),
];

/// What the service has no text for is not described, nor what comes after a break of the
/// connection within each of the two groups.
pub(super) fn look(mut service: Service<'_>, is_to_prove: bool) -> Result<Place, Silence> {
    service.header = Some(("Metadata", "true".to_owned()));
    let mut id = None;
    if is_to_prove {
        id = service.answer(&path(ID), PROBES)?;
        if id.is_none() {
            return Ok(Place::default());
        }
    }
    if id.as_deref().unwrap_or_default().is_empty() {
        id = service.identity(&path(ID))?;
    }
    let mut fields = Vec::new();
    if let Some(id) = &id {
        fields.push((ID_KEY, id.clone()));
    }
    for group in [COMPUTE, NETWORK] {
        for &(key, name) in group {
            match service.field(&path(name)) {
                Ok(Some(text)) => fields.push((key, text)),
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }
    Ok(place("AzureVM", Some(fields), id.as_deref(), DOMAIN))
}

fn path(name: &str) -> String {
    format!("/metadata/instance/{name}?api-version=2017-04-02&format=text")
}
