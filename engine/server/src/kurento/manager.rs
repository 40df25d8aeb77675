//! Operations of the server's manager.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::{Code, RpcError};
use super::surface::surface;
use super::{Kurento, may_use};
use crate::access::Grant;

/// The version of Kurento whose protocol this is.
const VERSION: &str = "7.3.0";
/// The longest time for which the use of processors is measured.
const MAX_INTERVAL: Duration = Duration::from_secs(10);
/// Ticks a second in `/proc/self/stat`; the kernel's interface has had this value on every platform for decades.
const TICKS: f64 = 100.0;

impl Kurento {
    /// What the server is and which modules it has. Clients refuse to work with a module that is not listed, so all
    /// are; the factories say what can be created.
    pub(super) fn info(&self) -> Value {
        let modules = surface().modules.iter().map(|(name, module)| {
            let classes = module.remote_classes.iter().filter(|class| self.is_available(class));
            let factories: Vec<Value> = classes.map(|class| Value::from(class.name.as_str())).collect();
            json!({
                "__module__": "kurento",
                "__type__": "ModuleInfo",
                "name": name,
                "version": module.version,
                "generationTime": "",
                "factories": factories,
            })
        });
        json!({
            "__module__": "kurento",
            "__type__": "ServerInfo",
            "version": VERSION,
            "type": "KMS",
            "capabilities": ["transactions"],
            "modules": modules.collect::<Vec<_>>(),
        })
    }

    pub(super) fn pipeline_ids(&self, grant: &Grant) -> Value {
        let shared = self.shared();
        let pipelines = shared.objects.values().filter(|object| object.class.name == "MediaPipeline");
        Value::Array(pipelines.filter(|o| may_use(grant, o)).map(|object| Value::from(&*object.id)).collect())
    }

    pub(super) fn session_ids(&self) -> Value {
        Value::Array(self.shared().sessions.ids().iter().map(|id| Value::from(&**id)).collect())
    }

    /// A module's interface as JSON.
    pub(super) fn kmd(&self, name: &str) -> Result<String, RpcError> {
        let found = surface().modules.get_key_value(name);
        let (name, module) =
            found.ok_or_else(|| RpcError::new(Code::Undefined, format!("there is no module '{name}'")))?;
        let mut kmd =
            serde_json::to_value(module).map_err(|error| RpcError::new(Code::Internal, error.to_string()))?;
        kmd["name"] = json!(name);
        Ok(kmd.to_string())
    }
}

/// Processors that the server may use.
pub(super) fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Per cent of all processors that the server uses, measured for that many milliseconds.
pub(super) async fn used_cpu(milliseconds: f64) -> Result<Value, RpcError> {
    if milliseconds < 1.0 {
        return Err(RpcError::new(
            Code::IllegalParam,
            "'interval' must be a positive number of milliseconds",
        ));
    }
    let interval = Duration::from_secs_f64(milliseconds / 1000.0).min(MAX_INTERVAL);
    let (start, before) = (std::time::Instant::now(), busy_seconds());
    tokio::time::sleep(interval).await;
    let (elapsed, after) = (start.elapsed().as_secs_f64(), busy_seconds());
    let used = (after - before) / (elapsed * cpu_count() as f64);
    Ok(json!((used * 100.0).clamp(0.0, 100.0)))
}

/// Time that processors have spent on this process, seconds.
fn busy_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name may hold spaces; it ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / TICKS
}

/// Memory that the server uses, KiB.
pub(super) fn used_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_uses_memory_and_time() {
        assert!(used_memory() > 1000);
        // Whoever shares the processors with others gets its first hundredth of a second late.
        let start = std::time::Instant::now();
        while busy_seconds() <= 0.0 {
            assert!(start.elapsed() < Duration::from_secs(30), "no time was used");
        }
    }
}
