//! `memory.*`: use of memory and swap, in bytes.

use crate::base::values::Values;
use crate::parse::meminfo::Meminfo;

/// Adds the known values.
pub(super) fn put(out: &mut Values, now: &Meminfo) {
    let mut put = |name: &str, bytes: Option<u64>| {
        if let Some(bytes) = bytes {
            out.put(name, bytes as f64);
        }
    };
    // LXCFS shows a container's own total, but some parts are the host's.
    let within = |part: Option<u64>, whole: Option<u64>| {
        part.map(|part| whole.map_or(part, |whole| part.min(whole)))
    };
    let total = now.total_bytes;
    put("memory.total", total);
    let unused = if now.tells_available {
        let available = within(now.available_bytes, total);
        put("memory.mem_available", available);
        available
    } else {
        // Linux before 3.14 has no `MemAvailable`.
        put("memory.free", within(now.free_bytes, total));
        put("memory.buffers", within(now.buffers_bytes, total));
        put("memory.cached", within(now.cached_bytes, total));
        let parts = now.free_bytes.zip(now.buffers_bytes).zip(now.cached_bytes);
        parts.map(|((free, buffers), cached)| free + buffers + cached)
    };
    let used = total.zip(unused);
    put(
        "memory.used",
        used.map(|(total, unused)| total.saturating_sub(unused)),
    );
    let swap = now.swap_total_bytes;
    put("memory.swap_total", swap);
    put("memory.swap_cached", within(now.swap_cached_bytes, swap));
    put("memory.swap_free", within(now.swap_free_bytes, swap));
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    /// In bytes.
    const MIB: f64 = 1_048_576.0;
    const KIB: f64 = 1024.0;

    #[test]
    fn available_memory_counts_as_unused() {
        let expected = [
            ("memory.total", 1000.0 * MIB),
            ("memory.mem_available", 600.0 * MIB),
            ("memory.used", 400.0 * MIB),
            ("memory.swap_total", 500.0 * MIB),
            ("memory.swap_cached", 10.0 * MIB),
            ("memory.swap_free", 400.0 * MIB),
        ];
        assert_eq!(Rig::of("memory").round("two-core/t0", 0), expected);
    }

    #[test]
    fn memory_of_older_kernels_is_reported_with_its_caches() {
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
        assert_eq!(Rig::of("memory").round("kernel-2.6.32", 0), expected);
    }
}
