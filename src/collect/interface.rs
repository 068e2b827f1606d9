//! Collector for network interface counters, from `/proc/net/dev`.

use super::devices::DeviceNames;
use super::readings::extra::Wanted;
use super::readings::{Devices, InterfaceCounters, Readings, Timed};
use super::{CollectContext, CollectError, Collector, ended};
use crate::parse::netdev;

/// Prefix of the host's ends of container links; they come and go with the containers.
const OF_CONTAINERS: &str = "veth";

#[derive(Default)]
pub(super) struct Interface(DeviceNames);

impl Collector for Interface {
    fn name(&self) -> &'static str {
        "interface"
    }

    fn collect(
        &mut self,
        context: &mut CollectContext<'_>,
        out: &mut Readings,
    ) -> Result<(), CollectError> {
        let root = context.root;
        let path = [root.network(), "/dev"].concat();
        let (text, cut) = root.table(path, context.buffer)?;
        let mut names = self.0.list();
        let mut counters = Vec::with_capacity(names.expected());
        let extra = &mut out.extra;
        netdev::parse(&text, is_wanted, &mut |now| {
            if names.add(now.interface) {
                counters.push(InterfaceCounters {
                    received_bytes: now.received_bytes,
                    sent_bytes: now.sent_bytes,
                });
                if let Some(extra) = extra
                    && extra.wants(Wanted::TRAFFIC)
                {
                    extra.interfaces.push(now.packets());
                }
            }
        })?;
        out.interfaces = Some(Timed {
            moment: context.now,
            reading: Devices {
                names: names.end(),
                counters,
            },
        });
        ended(cut)
    }
}

fn is_wanted(interface: &str) -> bool {
    interface != "lo" && !interface.starts_with(OF_CONTAINERS)
}
