//! Files of control groups, versions 1 and 2: usage and limits. Formats: cgroup-v2.rst and
//! cgroup-v1/ in the kernel's documentation.

use super::ParseError;

/// Percent of one core.
const PERCENT: f64 = 100.0;

/// `/proc/PID/cgroup`: the process's path in the hierarchy of version 2, or in the hierarchy of
/// version 1 that has `controller`. Format: cgroups(7).
pub(crate) fn path<'t>(text: &'t str, controller: Option<&str>) -> Option<&'t str> {
    let mut lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        Some((parts.next()?, parts.next()?, parts.next()?))
    });
    let found = lines.find(|(number, controllers, _)| match controller {
        None => *number == "0" && controllers.is_empty(),
        Some(controller) => controllers.split(',').any(|one| one == controller),
    });
    found.map(|(_, _, path)| path)
}

/// Whether the groups mounted at `/sys/fs/cgroup` begin above the process's cgroup namespace, by
/// the process's `/proc/PID/mountinfo`. Paths within the namespace are then not valid below the
/// mount. Format: cgroup_namespaces(7).
pub(crate) fn begins_above(mounts: &str) -> bool {
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, point) = (fields.next(), fields.next());
        root.is_some_and(|root| root.starts_with("/.."))
            && point.is_some_and(|point| point.contains("/sys/fs/cgroup"))
    })
}

/// The number after `name` in a file of lines `NAME NUMBER`: `cpu.stat`, `memory.stat`,
/// `memory.events`, `memory.oom_control`. `None` if there is no such line.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value?.trim().parse().ok()
}

/// CPU time used by a group, in microseconds: `usage_usec` in `cpu.stat`.
pub(crate) fn usage_us(text: &str) -> Result<u64, ParseError> {
    field(text, "usage_usec").ok_or_else(|| ParseError::new("cpu.stat", "usage_usec", first(text)))
}

/// Parses a file with one number: `memory.current`, `memory.usage_in_bytes`, `cpuacct.usage`.
pub(crate) fn number(format: &'static str, text: &str) -> Result<u64, ParseError> {
    let number = text.trim().parse();
    number.map_err(|_| ParseError::new(format, "number", first(text)))
}

/// Parses `memory.max` or `memory.limit_in_bytes`. `None` if it is `max` or not a number.
pub(crate) fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The CPU limit in `cpu.max`, in percent of one core; `None` if there is no limit.
pub(crate) fn cpu_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

/// The CPU limit in `cpu.cfs_quota_us` and `cpu.cfs_period_us`, in percent of one core. `None` if
/// there is no limit, which is written as -1.
pub(crate) fn cfs(quota: &str, period: &str) -> Option<f64> {
    share(quota.trim(), period.trim())
}

fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.parse().ok()?);
    let share = f64::from(quota) * PERCENT / f64::from(period);
    Some(share).filter(|_| quota > 0 && period > 0)
}

/// Parses a file `*.pressure`: the stall time of some and of all tasks, in microseconds. `None` for
/// a missing line: `cpu.pressure` has the line `full` since Linux 5.13.
pub(crate) fn pressure(text: &str) -> [Option<u64>; 2] {
    ["some ", "full "].map(|kind| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let mut words = line.split_ascii_whitespace();
        words
            .find_map(|word| word.strip_prefix("total="))?
            .parse()
            .ok()
    })
}

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    const V1: &str = "12:memory:/docker/ab\n4:cpu,cpuacct:/docker/cd\n1:name=systemd:/x\n";
    const CPU_STAT: &str = "usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\nnr_periods 10\n\
                            nr_throttled 3\nthrottled_usec 700\n";
    const PRESSURE: &str = "some avg10=0.00 avg60=0.00 avg300=0.00 total=123\n\
                            full avg10=0.00 avg60=0.00 avg300=0.00 total=45\n";

    #[test]
    fn a_process_has_a_path_in_each_hierarchy() {
        // (text, controller, expected)
        let table = [
            ("0::/\n", None, Some("/")),
            ("0::/../a:b\n", None, Some("/../a:b")),
            (V1, None, None),
            (V1, Some("memory"), Some("/docker/ab")),
            (V1, Some("cpuacct"), Some("/docker/cd")),
            (V1, Some("systemd"), None),
            ("nonsense\n0::\n", None, Some("")),
            ("", None, None),
        ];
        for (text, controller, expected) in table {
            assert_eq!(path(text, controller), expected, "{text}");
        }
    }

    #[test]
    fn a_mount_may_begin_above_the_namespace() {
        let line =
            |root: &str, point: &str| format!("30 1 0:30 {root} {point} ro - cgroup2 c rw\n");
        // (why this row exists, root and mount point, whether they begin above)
        let table = [
            ("the own", "/", "/sys/fs/cgroup", false),
            ("the host's", "/../..", "/sys/fs/cgroup", true),
            ("the host's, elsewhere", "/..", "/host/sys/fs/cgroup", true),
            ("version 1", "/../..", "/sys/fs/cgroup/memory", true),
            ("other groups", "/../..", "/mnt", false),
            ("a name with dots", "/a/..b", "/sys/fs/cgroup", false),
        ];
        for (why, root, point, expected) in table {
            assert_eq!(begins_above(&line(root, point)), expected, "{why}");
        }
        assert!(!begins_above("nonsense\n"));
    }

    #[test]
    fn a_line_is_found_by_its_whole_name() {
        assert_eq!(field(CPU_STAT, "nr_throttled"), Some(3));
        assert_eq!(field(CPU_STAT, "nr"), None);
        assert_eq!(field("oom 1\noom_kill 2\n", "oom_kill"), Some(2));
        assert_eq!(usage_us(CPU_STAT), Ok(5000));
        let error = usage_us("user_usec 1\n").unwrap_err().to_string();
        assert_eq!(error, "cpu.stat: no usage_usec in \"user_usec 1\"");
    }

    #[test]
    fn a_limit_may_be_none() {
        // (why this row exists, cpu.max, expected)
        let table = [
            ("half a core", "50000 100000\n", Some(50.0)),
            ("two and a half", "250000 100000\n", Some(250.0)),
            ("none", "max 100000\n", None),
            ("nonsense", "1 0\n", None),
            ("empty", "", None),
        ];
        for (why, text, expected) in table {
            assert_eq!(cpu_max(text), expected, "{why}");
        }
        assert_eq!(cfs("-1\n", "100000\n"), None);
        assert_eq!(cfs("20000\n", "100000\n"), Some(20.0));
        assert_eq!((limit("max\n"), limit("1024\n")), (None, Some(1024)));
        assert_eq!(number("memory.current", "7\n"), Ok(7));
        let error = number("memory.current", "x\n").unwrap_err().to_string();
        assert_eq!(error, "memory.current: no number in \"x\"");
    }

    #[test]
    fn pressure_is_a_total() {
        assert_eq!(pressure(PRESSURE), [Some(123), Some(45)]);
        let some = PRESSURE.lines().next().unwrap();
        assert_eq!(pressure(some), [Some(123), None]);
    }

    #[test]
    fn never_panics() {
        for good in [V1, CPU_STAT, PRESSURE, "50000 100000\n", "max\n"] {
            survives_damage(good, |text| {
                let _ = (path(text, None), path(text, Some("memory")));
                let _ = (usage_us(text), number("x", text), limit(text));
                let _ = (cpu_max(text), cfs(text, text), pressure(text));
            });
        }
    }
}
