//! Names of CPU vendors and cores by their codes: tables for [`crate::base::table`]. The keys are
//! in hexadecimal without leading zeros.

/// Implementer codes of the Main ID Register.
pub(super) const ARM_IMPLEMENTERS: &str = "\
    41 ARM; 42 Broadcom; 43 Cavium; 44 DEC; 46 Fujitsu; 48 HiSilicon; 49 Infineon; \
    4d Motorola/Freescale; 4e NVIDIA; 50 APM; 51 Qualcomm; 56 Marvell; 61 Apple; 69 Intel; \
    c0 Ampere";

/// JEDEC codes, as in the register mvendorid.
pub(super) const RISC_V_VENDORS: &str = "\
    29 Microchip; 127 MIPS; 31e Andes; 489 SiFive; 5b7 T-Head";

/// Part numbers of ARM's own cores.
pub(super) const ARM_PARTS: &str = "\
    810 ARM810; 920 ARM920; 922 ARM922; 926 ARM926; 940 ARM940; 946 ARM946; 966 ARM966; \
    a20 ARM1020; a22 ARM1022; a26 ARM1026; b02 ARM11 MPCore; b36 ARM1136; b56 ARM1156; \
    b76 ARM1176; c05 Cortex-A5; c07 Cortex-A7; c08 Cortex-A8; c09 Cortex-A9; c0d Cortex-A17; \
    c0e Cortex-A17; c0f Cortex-A15; c14 Cortex-R4; c15 Cortex-R5; c17 Cortex-R7; \
    c18 Cortex-R8; c20 Cortex-M0; c21 Cortex-M1; c23 Cortex-M3; c24 Cortex-M4; c27 Cortex-M7; \
    c60 Cortex-M0+; d01 Cortex-A32; d02 Cortex-A34; d03 Cortex-A53; d04 Cortex-A35; \
    d05 Cortex-A55; d06 Cortex-A65; d07 Cortex-A57; d08 Cortex-A72; d09 Cortex-A73; \
    d0a Cortex-A75; d0b Cortex-A76; d0c Neoverse-N1; d0d Cortex-A77; d0e Cortex-A76AE; \
    d13 Cortex-R52; d20 Cortex-M23; d21 Cortex-M33; d40 Neoverse-V1; d41 Cortex-A78; \
    d42 Cortex-A78AE; d43 Cortex-A65AE; d44 Cortex-X1; d46 Cortex-A510; d47 Cortex-A710; \
    d48 Cortex-X2; d49 Neoverse-N2; d4a Neoverse-E1; d4b Cortex-A78C; d4c Cortex-X1C; \
    d4d Cortex-A715; d4e Cortex-X3; d4f Neoverse-V2; d81 Cortex-A720; d82 Cortex-X4; \
    d84 Neoverse-V3; d85 Cortex-X925; d87 Cortex-A725; d8e Neoverse-N3";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_looked_up_and_once() {
        for table in [ARM_IMPLEMENTERS, RISC_V_VENDORS, ARM_PARTS] {
            let mut codes = Vec::new();
            for entry in table.split("; ") {
                let (code, name) = entry.split_once(' ').unwrap();
                assert!(!codes.contains(&code) && !name.is_empty(), "{entry}");
                let number = u32::from_str_radix(code, 16).unwrap();
                assert_eq!(format!("{number:x}"), code, "{entry}");
                codes.push(code);
            }
        }
    }
}
