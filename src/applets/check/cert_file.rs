//! `check-cert-file`: days until the certificate in a file expires.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::base::packed::packed;
use crate::parse::certificate;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-cert-file",
    help: packed!(
        "check when the certificate in a file expires
  -f, --file=PATH           file in PEM or DER; its first certificate counts
  -c, --critical=DAYS       days before the end until CRITICAL (default: 14)
  -w, --warning=DAYS        days before the end until WARNING (default: 30)
"
    ),
    work: Work::Check("CERT Expiry", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let path = arguments.required("file")?;
    let (warning, critical) = (arguments.count("warning")?, arguments.count("critical")?);
    let mut buffer = Vec::new();
    let end = match host.root.read(path, &mut buffer) {
        Ok(file) => {
            let first = certificate::first(file);
            let end = first.and_then(|first| certificate::not_after(&first));
            end.ok_or_else(|| [path, ": has no certificate in PEM or DER"].concat().into())
        }
        Err(error) => Err(Failure::of(&error)),
    };
    let days = host.millis_until(end.map_err(Failure::critical)?) / 86_400_000;
    let message = [&days.to_string(), " days remaining"].concat();
    Ok(Finding::of_limits(days < warning, days < critical, message))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_cert_file_counts_days() {
        let key = KeyPair::generate().unwrap();
        let made = |year, month, day| {
            let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
            params.self_signed(&key).unwrap()
        };
        let (own, issuer) = (made(2026, 12, 31), made(2026, 1, 1));
        let mut tree = Tree::new(&[("etc/other.pem", "-----BEGIN X-----\n")]);
        let chain = [&*key.serialize_pem(), &own.pem(), &issuer.pem()].concat();
        tree.write("etc/a.pem", chain);
        tree.write("etc/a.der", own.der());
        // (arguments, days before the end, exit code, output; why)
        let table = [
            (
                "-f /etc/a.pem",
                30.0,
                0,
                "OK: 30 days remaining",
                "at the limit",
            ),
            (
                "-f /etc/a.pem",
                29.9,
                1,
                "WARNING: 29 days remaining",
                "below it",
            ),
            (
                "-f /etc/a.pem",
                14.0,
                1,
                "WARNING: 14 days remaining",
                "at the other one",
            ),
            (
                "-f /etc/a.der",
                13.9,
                2,
                "CRITICAL: 13 days remaining",
                "DER",
            ),
            (
                "-f /etc/a.der -c 0 -w 3",
                0.5,
                1,
                "WARNING: 0 days remaining",
                "the last day",
            ),
            (
                "-f /etc/a.der -c 0",
                -0.5,
                1,
                "WARNING: 0 days remaining",
                "cut towards zero",
            ),
            (
                "-f /etc/a.der -c 0",
                -1.5,
                2,
                "CRITICAL: -1 days remaining",
                "expired",
            ),
            (
                "--file=/etc/other.pem",
                9.0,
                2,
                "CRITICAL: /etc/other.pem: has no certificate in PEM or DER",
                "another file",
            ),
        ];
        for (arguments, days, code, expected, why) in table {
            tree.now = Duration::from_secs_f64(1_798_675_200.0 - days * 86_400.0);
            let expected = format!("CERT Expiry {expected}\n");
            assert_eq!(
                tree.run("check-cert-file", arguments),
                said(code, &expected),
                "{why}"
            );
        }
        let missing = tree.run("check-cert-file", "-f /etc/missing.pem");
        assert_eq!(missing.code, 2);
        assert!(
            missing.output.contains("etc/missing.pem: No such file"),
            "{}",
            missing.output
        );
        assert_eq!(tree.run("check-cert-file", "").code, 1);
    }
}
