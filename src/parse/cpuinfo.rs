//! `/proc/cpuinfo`: the host's logical CPUs. Format: proc_cpuinfo(5), and that of each
//! architecture.

mod names;

use super::ParseError;
use crate::base::table;

/// One logical CPU. Texts are those of the kernel; empty if missing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cpu<'a> {
    /// The kernel's number: the N of `/sys/devices/system/cpu/cpuN`.
    pub(crate) number: u32,
    /// On ARM and RISC-V, the vendor's name, looked up by its code.
    pub(crate) vendor_id: &'a str,
    pub(crate) family: &'a str,
    /// On ARM, the part number in hexadecimal.
    pub(crate) model: &'a str,
    /// On ARM, the name of the core, looked up by its part number.
    pub(crate) model_name: &'a str,
    /// 0 if missing.
    pub(crate) stepping: i64,
    /// 0 if missing.
    pub(crate) cache_kib: i64,
    pub(crate) physical_id: &'a str,
    pub(crate) core_id: &'a str,
    /// A decimal number without superfluous zeros, e.g. `2596.118`; `0` if missing.
    pub(crate) mhz: &'a str,
}

/// Parses `/proc/cpuinfo`: the online CPUs, in the kernel's order.
///
/// Fails if the number, the stepping or the cache size of a CPU is not an integer. Unknown keys and
/// lines before the first CPU are skipped. The result is empty if no CPU has a number.
pub(crate) fn parse(text: &str) -> Result<Vec<Cpu<'_>>, ParseError> {
    let mut cpus: Vec<Cpu<'_>> = Vec::new();
    // Set by a line that applies to every CPU after it.
    let mut model_name = "";
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "Processor" => model_name = value,
            "vendor_id" | "vendorId" if value.contains("S390") => model_name = "S390",
            _ => {}
        }
        if let "processor" | "cpu number" = key {
            let number = value.parse().map_err(|_| bad("CPU number", line))?;
            cpus.push(Cpu::new(number, model_name));
        } else if let Some(cpu) = cpus.last_mut() {
            cpu.set(key, value)
                .map_err(|Unreadable(wanted)| bad(wanted, line))?;
        }
    }
    Ok(cpus)
}

fn bad(wanted: &'static str, line: &str) -> ParseError {
    ParseError::new("/proc/cpuinfo", wanted, line)
}

/// Names a value that is not an integer.
struct Unreadable(&'static str);

impl<'a> Cpu<'a> {
    fn new(number: u32, model_name: &'a str) -> Cpu<'a> {
        Cpu {
            number,
            vendor_id: "",
            family: "",
            model: "",
            model_name,
            stepping: 0,
            cache_kib: 0,
            physical_id: "",
            core_id: "",
            mhz: "0",
        }
    }

    fn set(&mut self, key: &str, value: &'a str) -> Result<(), Unreadable> {
        match key {
            "vendor_id" | "vendorId" => self.vendor_id = value,
            "CPU implementer" => self.set_vendor(names::ARM_IMPLEMENTERS, value),
            "mvendorid" => self.set_vendor(names::RISC_V_VENDORS, value),
            "cpu family" | "marchid" => self.family = value,
            "model" | "CPU part" | "mimpid" => {
                self.model = value;
                if let ("ARM", Some(part)) = (self.vendor_id, hexadecimal(value)) {
                    self.model_name = table::find(names::ARM_PARTS, part).unwrap_or("Undefined");
                }
            }
            "model name" | "Model Name" | "cpu" | "uarch" => {
                self.model_name = value;
                if value.contains("POWER") {
                    self.model = value.split(' ').next().unwrap_or_default();
                    self.family = "POWER";
                    self.vendor_id = "IBM";
                }
            }
            "stepping" | "CPU revision" => self.set_stepping(value)?,
            // `2.2 (pvr 004e 1202)` on POWER.
            "revision" => self.set_stepping(value.split('.').next().unwrap_or_default())?,
            "cpu MHz" | "cpu MHz dynamic" | "clock" => {
                self.mhz = decimal(value).unwrap_or(self.mhz);
            }
            "cache size" => {
                let kib = value.strip_suffix(" KB").unwrap_or(value);
                self.cache_kib = kib.parse().map_err(|_| Unreadable("cache size"))?;
            }
            "physical id" | "hart" => self.physical_id = value,
            "core id" => self.core_id = value,
            _ => {}
        }
        Ok(())
    }

    fn set_vendor(&mut self, vendors: &'static str, code: &str) {
        let name = hexadecimal(code).and_then(|code| table::find(vendors, code));
        self.vendor_id = name.unwrap_or(self.vendor_id);
    }

    fn set_stepping(&mut self, value: &str) -> Result<(), Unreadable> {
        if !value.eq_ignore_ascii_case("unknown") {
            self.stepping = value.parse().map_err(|_| Unreadable("stepping"))?;
        }
        Ok(())
    }
}

/// The digits of a number with the prefix `0x`, without leading zeros; `None` without the prefix.
fn hexadecimal(value: &str) -> Option<&str> {
    let digits = value.strip_prefix("0x")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| digits.trim_start_matches('0'))
}

/// The shortest form of a decimal number, given with or without the unit MHz.
fn decimal(value: &str) -> Option<&str> {
    let number = value.strip_suffix("MHz").unwrap_or(value).trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let number = if fraction.is_empty() {
        whole
    } else {
        number.trim_end_matches('0').trim_end_matches('.')
    };
    // Number of leading zeros; one zero before the point is kept.
    let superfluous = whole.len() - whole.trim_start_matches('0').len().max(1);
    number.get(superfluous..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/cpuinfo");
    const S390X: &str = include_str!("../../tests/fixtures/s390x/t0/proc/cpuinfo");

    #[test]
    fn reads_a_recorded_file() {
        let cpus = parse(TWO_CORE).unwrap();
        assert_eq!(cpus.len(), 2);
        assert_eq!(
            cpus[1],
            Cpu {
                number: 1,
                vendor_id: "GenuineIntel",
                family: "6",
                model: "85",
                model_name: "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz",
                stepping: 4,
                cache_kib: 33792,
                physical_id: "0",
                core_id: "1",
                mhz: "2499.99",
            }
        );
    }

    #[test]
    fn reads_the_dialects_of_the_architectures() {
        // (why this row exists, lines, vendor, family, model, model name, stepping)
        let table = [
            (
                "a core that ARM designed",
                "CPU implementer: 0x41\nCPU part: 0xd08\nCPU revision: 3",
                ["ARM", "", "0xd08", "Cortex-A72", "3"],
            ),
            (
                "a core that ARM designed and the table lacks",
                "CPU implementer: 0x41\nCPU part: 0xfff",
                ["ARM", "", "0xfff", "Undefined", "0"],
            ),
            (
                "a core by another maker: its part numbers are its own",
                "model name: x\nCPU implementer: 0x51\nCPU part: 0xd08",
                ["Qualcomm", "", "0xd08", "x", "0"],
            ),
            (
                "an unknown maker",
                "vendor_id: kept\nCPU implementer: 0x99",
                ["kept", "", "", "", "0"],
            ),
            (
                "RISC-V, code with leading zeros",
                "uarch: u74\nmvendorid: 0x029\nmarchid: 0x8\nmimpid: 0x4",
                ["Microchip", "0x8", "0x4", "u74", "0"],
            ),
            (
                "POWER",
                "cpu: POWER9 (architected), altivec\nrevision: 2.2 (pvr 004e)",
                [
                    "IBM",
                    "POWER",
                    "POWER9",
                    "POWER9 (architected), altivec",
                    "2",
                ],
            ),
            (
                "stepping that some hypervisors do not know",
                "stepping: Unknown",
                ["", "", "", "", "0"],
            ),
            ("MIPS", "cpu model: MIPS 74Kc V4.12", ["", "", "", "", "0"]),
        ];
        for (why, lines, expected) in table {
            let text = format!("processor: 0\n{lines}\n");
            let cpu = parse(&text).unwrap()[0];
            let stepping = cpu.stepping.to_string();
            assert_eq!(
                [
                    cpu.vendor_id,
                    cpu.family,
                    cpu.model,
                    cpu.model_name,
                    &stepping
                ],
                expected,
                "{why}"
            );
        }
    }

    #[test]
    fn model_name_before_the_cpus_applies_to_all() {
        let cpus = parse(S390X).unwrap();
        assert_eq!(cpus.len(), 2);
        assert!(
            cpus.iter()
                .all(|cpu| cpu.model_name == "S390" && cpu.mhz == "5200")
        );
        assert!(cpus.iter().map(|cpu| cpu.core_id).eq(["0", "1"]));
    }

    #[test]
    fn writes_frequencies_as_short_as_can_be() {
        let table = [
            ("2596.118", Some("2596.118")),
            ("2400.000", Some("2400")),
            ("2499.990", Some("2499.99")),
            ("2200.000000MHz", Some("2200")),
            ("2200.5 MHz", Some("2200.5")),
            ("100", Some("100")),
            ("5200.", Some("5200")),
            ("007.50", Some("7.5")),
            ("000.000", Some("0")),
            ("0.50", Some("0.5")),
            (".5", None),
            ("1.2.3", None),
            ("1e3", None),
            ("-1", None),
            ("unknown", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(decimal(text), expected, "{text}");
        }
    }

    #[test]
    fn names_the_number_that_is_none() {
        let table = [
            ("processor: x", "CPU number"),
            ("processor: 0\nstepping: x", "stepping"),
            ("processor: 0\nrevision: .2", "stepping"),
            ("processor: 0\ncache size: 1 MB", "cache size"),
        ];
        for (text, wanted) in table {
            let line = text.lines().last().unwrap();
            assert_eq!(
                parse(text).unwrap_err().to_string(),
                format!("/proc/cpuinfo: no {wanted} in \"{line}\"")
            );
        }
    }

    #[test]
    fn never_panics() {
        for good in [TWO_CORE, S390X] {
            crate::parse::survives_damage(good, |text| drop(parse(text)));
        }
    }
}
