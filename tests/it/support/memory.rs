//! How much memory a process has.

use std::fs;

/// A field of /proc/PID/status such as `VmRSS` or `VmHWM`, in KiB; `None` once the process has ended.
pub(crate) fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}
