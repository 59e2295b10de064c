//! What this process takes, by the names that all of Prometheus' clients use.

use std::fs;

use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use rustix::process::{Resource, getrlimit};

/// Of the times in `/proc/<pid>/stat`, for all that the kernel tells programs (`USER_HZ`, times(2)).
const TICKS_A_SECOND: f64 = 100.0;

/// Adds what the system says; what it does not say is left out.
pub(super) fn register(registry: &mut Registry) {
    let registry = registry.sub_registry_with_prefix("process");
    if let Some(seconds) = cpu_seconds() {
        registry.register_with_unit("cpu", "Time on a CPU", Unit::Seconds, ConstCounter::new(seconds));
    }
    if let Some(bytes) = resident_bytes() {
        let help = "Memory that is not swapped out";
        registry.register_with_unit("resident_memory", help, Unit::Bytes, ConstGauge::new(bytes as f64));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder itself is one of them.
        let open = open.count().saturating_sub(1);
        registry.register("open_fds", "Open files and sockets", ConstGauge::new(open as f64));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        registry.register("max_fds", "The most of them", ConstGauge::new(most as f64));
    }
}

/// proc_pid_stat(5): fields 14 and 15. The second field is a name in parentheses, which may hold anything.
fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

/// proc_pid_status(5).
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_this_process_takes() {
        assert!(cpu_seconds().unwrap() >= 0.0);
        assert!(resident_bytes().unwrap() > 1 << 20);
    }
}
