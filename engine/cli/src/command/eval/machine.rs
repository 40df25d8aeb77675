//! What this machine is, for reports.

use anabranch_eval::report::Machine;

/// This machine and this program.
pub fn describe() -> Machine {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str, separator: char| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(separator)?.1.trim().trim_matches('"').to_owned())
    };
    let system = field(&read("/etc/os-release"), "PRETTY_NAME", '=');
    Machine {
        cpu: field(&read("/proc/cpuinfo"), "model name", ':').unwrap_or_else(|| "unknown".to_owned()),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        system: format!("{}, {}", system.as_deref().unwrap_or("Linux"), std::env::consts::ARCH),
        anabranch: env!("CARGO_PKG_VERSION").to_owned(),
        gstreamer: gst::version_string().trim_start_matches("GStreamer ").to_owned(),
    }
}
