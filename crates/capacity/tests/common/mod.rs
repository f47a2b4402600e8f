//! What the tests of this crate share.

#![allow(dead_code, reason = "no test program uses all of it")]

use capacity::randomx::{Cache, Mode};
use std::sync::{Arc, OnceLock};

/// The key of [`cache`], that of RandomX's own tests.
pub(crate) const KEY: &[u8] = b"test key 000";

/// The one cache of a test program: another would cost half a second and 256 MiB.
pub(crate) fn cache() -> Arc<Cache> {
    static CACHE: OnceLock<Arc<Cache>> = OnceLock::new();
    let cache = CACHE.get_or_init(|| {
        let cache = Cache::new(KEY, Mode::fastest());
        Arc::new(cache.expect("memory"))
    });
    Arc::clone(cache)
}

/// Bytes as text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What this process has in memory, in bytes.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says so");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        << 10
}
