//! `memory.*`: use of memory and swap, from `/proc/meminfo`. In bytes.

use super::{CollectError, Collector, Values, View};
use crate::parse::meminfo;

pub(super) struct Memory;

impl Collector for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        let now = meminfo::parse(&view.root.text("/proc/meminfo", view.buffer)?)?;
        let mut put = |name: &str, bytes: u64| out.put(name, bytes as f64);
        put("memory.total", now.total_bytes);
        let unused_bytes = match now.available_bytes {
            Some(available_bytes) => {
                put("memory.mem_available", available_bytes);
                available_bytes
            }
            // Before Linux 3.14 the kernel does not say what it could give up.
            None => {
                put("memory.free", now.free_bytes);
                put("memory.buffers", now.buffers_bytes);
                put("memory.cached", now.cached_bytes);
                let caches_bytes = now.buffers_bytes.saturating_add(now.cached_bytes);
                now.free_bytes.saturating_add(caches_bytes)
            }
        };
        put("memory.used", now.total_bytes.saturating_sub(unused_bytes));
        put("memory.swap_total", now.swap_total_bytes);
        put("memory.swap_cached", now.swap_cached_bytes);
        put("memory.swap_free", now.swap_free_bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::round;
    use super::*;

    /// Bytes.
    const MIB: f64 = 1_048_576.0;
    const KIB: f64 = 1024.0;

    #[test]
    fn what_is_available_counts_as_unused() {
        let expected = [
            ("memory.total", 1000.0 * MIB),
            ("memory.mem_available", 600.0 * MIB),
            ("memory.used", 400.0 * MIB),
            ("memory.swap_total", 500.0 * MIB),
            ("memory.swap_cached", 10.0 * MIB),
            ("memory.swap_free", 400.0 * MIB),
        ];
        assert_eq!(round(&mut Memory, "two-core/t0", 0), expected);
    }

    #[test]
    fn an_older_kernel_says_what_it_uses_for_caches() {
        let expected = [
            ("memory.total", 1_024_000.0 * KIB),
            ("memory.free", 400_000.0 * KIB),
            ("memory.buffers", 24_000.0 * KIB),
            ("memory.cached", 200_000.0 * KIB),
            ("memory.used", 400_000.0 * KIB),
            ("memory.swap_total", 0.0),
            ("memory.swap_cached", 0.0),
            ("memory.swap_free", 0.0),
        ];
        assert_eq!(round(&mut Memory, "kernel-2.6.32", 0), expected);
    }
}
