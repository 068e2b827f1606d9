//! `mackerel-plugin-uptime`: seconds since boot.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-uptime",
    help: packed!(
        "print the seconds since boot
  -metric-key-prefix=NAME   begin of the metric's name (default: uptime)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$":{"label":"&","unit":"float","metrics":[{"name":"seconds","label":"Seconds","stacked":false}]}}}"#
        )),
        measure,
    }),
};

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    // A second that has begun counts, as in sysinfo(2), which the official plugin asks.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time since boot in seconds"
    )]
    let seconds = host.uptime()?.ceil() as u64;
    values.count("seconds", seconds);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn plugin_uptime_prints_seconds() {
        let tree = Tree::new(&[("proc/uptime", "93784.20 1.00\n")]);
        let name = "mackerel-plugin-uptime";
        assert_eq!(
            tree.run(name, ""),
            said(0, "uptime.seconds\t93785\t1700000000\n")
        );
        assert_eq!(
            tree.run(name, "-metric-key-prefix up"),
            said(0, "up.seconds\t93785\t1700000000\n")
        );
        assert_eq!(tree.graphs(name, "-metric-key-prefix up").0, ["custom.up"]);
    }
}
