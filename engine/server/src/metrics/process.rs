//! What the process takes: processor, memory, threads, files.

use serde::Serialize;

use super::table::{Kind, Table};

/// What the process takes now; what /proc does not say is left out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Usage {
    /// Processor time so far, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Memory that it holds, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    /// Threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<f64>,
}

impl Usage {
    /// As /proc says.
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name is in parentheses and may have blanks; utime and stime are the 14th and 15th field of the line.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).and_then(|f| f.parse::<f64>().ok());
        let (tick, page) = (system(libc::_SC_CLK_TCK), system(libc::_SC_PAGESIZE));
        Usage {
            cpu_seconds: field(14)
                .zip(field(15))
                .zip(tick)
                .map(|((user, kernel), tick)| (user + kernel) / tick),
            memory: field(24).zip(page).map(|(pages, page)| pages * page),
            threads: field(20),
        }
    }
}

/// Adds what /proc says; what it does not say is left out.
pub(super) fn collect(table: &mut Table) {
    let usage = Usage::now();
    if let Some(seconds) = usage.cpu_seconds {
        table.add("process_cpu_seconds", "Processor time", Kind::Counter, seconds, &[]);
    }
    if let Some(threads) = usage.threads {
        table.add("process_threads", "Threads", Kind::Gauge, threads, &[]);
    }
    if let Some(memory) = usage.memory {
        table.add("process_resident_memory_bytes", "Memory", Kind::Gauge, memory, &[]);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        table.add("process_open_fds", "Open files and sockets", Kind::Gauge, files.count() as f64, &[]);
    }
    if let Some(limit) = crate::listen::files::limit() {
        table.add("process_max_fds", "Files and sockets that may be open", Kind::Gauge, limit as f64, &[]);
    }
}

fn system(name: libc::c_int) -> Option<f64> {
    // SAFETY: sysconf has no preconditions.
    let value = unsafe { libc::sysconf(name) };
    (value > 0).then_some(value as f64)
}
