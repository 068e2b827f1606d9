//! The keys of `[[otlp]]` and `[[organization]]`.

use std::mem;

use super::STATUS;
use crate::base::url::address;
use crate::config::apibase::apibase;
use crate::config::item::Item;
use crate::config::key::quoted;
use crate::config::outputs::is_same_file;
use crate::config::{Config, Families, Listen, OtlpProtocol, Place, Placed, Secret};
use crate::settings::draft::Draft;
use crate::settings::kind::{Kind, store};
use crate::settings::pairs::{headers, resource};
use crate::settings::row::{Row, read_table};

/// The names of the arrays of tables.
pub(in crate::settings) const OTLP: &str = "otlp";
pub(in crate::settings) const ORGANIZATION: &str = "organization";
/// The table of [`ORGANIZATION_KEYS`] that has keys of its own.
pub(in crate::settings) const HOST_STATUS: &str = "host_status";

/// Each array, its description, and further sentences that the sample leaves out.
#[cfg(test)]
pub(in crate::settings) const ARRAYS: [(&str, &str, &str); 2] = [
    (
        OTLP,
        "Destination of metrics over OTLP. One such block for each destination, up to 8.",
        "The blocks of all files are used. There are no variables with the prefix `MACKEREL_`. A \
         change takes effect at a reload.",
    ),
    (
        ORGANIZATION,
        "Further organization of Mackerel that receives everything too. One such block for each, \
         up to 8.",
        "The blocks of all files are used. There are no variables. Each organization has its own \
         host. A change needs a restart.",
    ),
];

const fn row(key: &'static str, kind: Kind<Draft>) -> Row<Draft> {
    Row::new(key, kind)
}

/// The keys of `[[otlp]]`.
pub(in crate::settings) const OTLP_KEYS: &[Row<Draft>] = &[
    row(
        "endpoint",
        Kind::Own(
            |o, v| {
                o.otlp.place.line = v.line;
                store(&mut o.otlp.endpoint, v.string()?.to_owned())
            },
            None,
        ),
    )
    .of(&[(OTLP, "\"otlp.mackerelio.com:4317\"")])
    .example("\"otlp.mackerelio.com:4317\"")
    .values("host:port for gRPC, URL for HTTP")
    .about("Address of the destination. Required.")
    .more(
        "For HTTP, `/v1/metrics` is appended to a URL without a path. For \
         `otlp.mackerelio.com:4317`, the agent's API key is sent as the header \
         `mackerel-api-key`, unless `headers` or `headers_file` has it.",
    ),
    row(
        "protocol",
        Kind::Own(
            |o, v| store(&mut o.otlp.protocol, protocol(v.string()?)?),
            None,
        ),
    )
    .of(&[(OTLP, "")])
    .default("\"grpc\"")
    .example("\"http/protobuf\"")
    .values("grpc or http/protobuf")
    .about("How it is reached."),
    row("headers", Kind::Table(headers))
        .of(&[(OTLP, "")])
        .example("{ authorization = \"Bearer TOKEN\" }")
        .values("table of texts")
        .about("Headers that are sent, such as a key. They are not logged."),
    row("headers_file", Kind::File(|o| &mut o.otlp.headers_file))
        .of(&[(OTLP, "")])
        .example("\"/etc/mackerel-agent/headers\"")
        .about("File with further headers, each a line `name: value`."),
    row("resource", Kind::Table(resource))
        .of(&[(OTLP, "")])
        .example("{ \"service.name\" = \"web\" }")
        .values("table of texts")
        .about("Resource attributes besides `host.name` and `os.type`."),
    row("per_cpu", Kind::Bool(|o| &mut o.otlp.per_cpu))
        .of(&[(OTLP, "")])
        .about("Send CPU time for each CPU."),
    row("insecure", Kind::Bool(|o| &mut o.otlp.insecure))
        .of(&[(OTLP, "")])
        .about("Speak gRPC without TLS.")
        .more("`http://` before the endpoint has the same effect."),
    row("ca_file", Kind::File(|o| &mut o.otlp.ca_file))
        .of(&[(OTLP, "")])
        .example("\"/etc/mackerel-agent/ca.pem\"")
        .about("Certificates, in PEM, to trust besides the public authorities."),
    row(
        "metrics",
        Kind::Own(
            |o, v| {
                let mut all = Families::default();
                for name in v.strings()? {
                    all = all.with(Families::named(&name)?);
                }
                store(&mut o.otlp.metrics, all)
            },
            None,
        ),
    )
    .of(&[(OTLP, "[\"disk.io_time\", \"network.errors\"]")])
    .example("[\"disk.io_time\", \"network.errors\"]")
    .values("list of names")
    .about("Extra metrics.")
    .more(
        "The names are `disk.io_time`, `disk.operation_time`, `disk.weighted_io_time`, \
         `disk.pending_operations`, `disk.merged`, `network.packets`, `network.errors`, \
         `network.dropped`, `filesystem.inodes`, `paging.faults` and `paging.operations`. \
         `system.` before a name is accepted.",
    ),
    row("timeout", Kind::Seconds(|o| &mut o.otlp.timeout, (1, 60)))
        .of(&[(OTLP, "")])
        .default("10")
        .example("7")
        .about("Seconds after which an export has failed."),
    row("checks", Kind::Bool(|o| &mut o.otlp.checks))
        .of(&[(OTLP, "")])
        .about("Send the states of checks as gauges."),
];

/// The keys of `[[organization]]`.
pub(in crate::settings) const ORGANIZATION_KEYS: &[Row<Draft>] = &[
    row(
        "name",
        Kind::Own(
            |o, v| store(&mut o.organization.name, v.string()?.to_owned()),
            None,
        ),
    )
    .of(&[(ORGANIZATION, "\"second\"")])
    .example("\"second\"")
    .values("1 to 32 characters of a-z, 0-9, - and _")
    .about("Name in messages, and in the files `id.NAME` and `spool.NAME` below root. Required."),
    row(
        "apikey",
        Kind::Own(
            |o, v| store(&mut o.organization.apikey, Secret::new(v.string()?)),
            None,
        ),
    )
    .of(&[(ORGANIZATION, "")])
    .example("\"KEY\"")
    .values("text")
    .about("API key of the organization, with write permission."),
    row(
        "apikey_file",
        Kind::File(|o| &mut o.organization.apikey_file),
    )
    .of(&[(ORGANIZATION, "\"/etc/mackerel-agent/apikey.second\"")])
    .example("\"/etc/mackerel-agent/apikey.second\"")
    .about("File that holds the API key in place of apikey."),
    row(
        "apibase",
        Kind::Own(
            |o, v| store(&mut o.organization.apibase, Some(apibase(v.string()?)?)),
            None,
        ),
    )
    .of(&[(ORGANIZATION, "")])
    .example("\"http://mackerel.example:8080\"")
    .values("URL of an HTTP or HTTPS server")
    .about("Address of the API, if not that at the top of the file."),
    row("roles", Kind::Texts(|o| &mut o.organization.roles))
        .of(&[(ORGANIZATION, "[\"My-Service:app\"]")])
        .example("[\"My-Service:app\"]")
        .about("Roles of this host there. Those at the top of the file are not added."),
    row(
        "display_name",
        Kind::Text(|o| &mut o.organization.display_name),
    )
    .of(&[(ORGANIZATION, "")])
    .example("\"web server 1\"")
    .about("Name of the host there, if not that at the top of the file."),
    row("memo", Kind::Text(|o| &mut o.organization.memo))
        .of(&[(ORGANIZATION, "")])
        .example("\"behind the door\"")
        .about("Memo of the host there, if not that at the top of the file."),
    row(
        HOST_STATUS,
        Kind::Table(|walk, o, v| read_table(walk, o, STATUS_KEYS, v, HOST_STATUS)),
    )
    .of(&[(ORGANIZATION, "")])
    .example("{ on_start = \"working\" }")
    .values("table with `on_start` and `on_stop`")
    .about("Statuses there, if not those of `[host_status]`."),
    row("checks", Kind::Bool(|o| &mut o.organization.checks))
        .of(&[(ORGANIZATION, "")])
        .default("true")
        .example("false")
        .about("Send the reports of checks there too."),
];

/// The keys of an organisation's table `host_status`.
pub(in crate::settings) const STATUS_KEYS: &[Row<Draft>] = &[
    row(
        "on_start",
        Kind::Word(|o| &mut o.organization.host_status.on_start, &STATUS),
    ),
    row(
        "on_stop",
        Kind::Word(|o| &mut o.organization.host_status.on_stop, &STATUS),
    ),
];

/// The name of each array, and its keys.
pub(in crate::settings) static ARRAY_ROWS: [(&str, &[Row<Draft>]); 2] =
    [(OTLP, OTLP_KEYS), (ORGANIZATION, ORGANIZATION_KEYS)];

/// The protocol of that name. An empty name is `grpc`.
pub(in crate::settings) fn protocol(name: &str) -> Result<OtlpProtocol, String> {
    match name {
        "" | "grpc" => Ok(OtlpProtocol::Grpc),
        "http/protobuf" => Ok(OtlpProtocol::Http),
        _ => Err(format!("{}; write grpc or http/protobuf", quoted(name))),
    }
}

/// Where the listener accepts connections; `None` if the text is empty.
pub(super) fn listen(item: Item<'_>) -> Result<Option<Placed<Listen>>, String> {
    let text = item.string()?;
    let tcp = || Some(Listen::Tcp(address(text)?));
    let value = if text.is_empty() {
        return Ok(None);
    } else if text.starts_with('/') {
        Listen::Unix(text.into())
    } else {
        tcp().ok_or("no address with a port; write \"127.0.0.1:9100\", or the path of a socket")?
    };
    let place = Place {
        line: item.line,
        ..Place::default()
    };
    Ok(Some(Placed { value, place }))
}

/// Swaps the files of the token if their paths differ. Returns whether they do.
pub(super) fn swap_token(one: &mut Config, other: &mut Config) -> bool {
    let (one, other) = (&mut one.listen_token_file, &mut other.listen_token_file);
    let differs = !is_same_file(one, other);
    if differs {
        mem::swap(one, other);
    }
    differs
}
