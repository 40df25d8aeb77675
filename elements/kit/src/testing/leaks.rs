//! GStreamer's leak tracer, inside of a test.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use gst::prelude::*;

/// What is still alive after this is left for good.
const LIMIT: Duration = Duration::from_secs(10);
/// What is being destroyed is gone after this.
const PAUSE: Duration = Duration::from_millis(100);

/// The objects that are made from now on and are still alive at the end.
pub struct Watch {
    tracer: glib::Object,
}

impl Watch {
    /// Starts to watch. `None` where other tests of this process would be seen too (nextest runs each in its own), or if
    /// GStreamer was built without tracers.
    pub fn start() -> Option<Self> {
        std::env::var_os("NEXTEST")?;
        let feature = gst::Registry::get().lookup_feature("leaks")?;
        let factory = feature.load().ok()?.downcast::<gst::TracerFactory>().ok()?;
        Some(Watch { tracer: glib::Object::with_type(factory.tracer_type()) })
    }

    /// Waits until nothing is alive and returns what does not go: a thread that is just ending holds some things for a
    /// moment longer, and the tracer must not be asked while something is being destroyed.
    pub fn left(&self) -> Vec<String> {
        let end = Instant::now() + LIMIT;
        crate::worker::wait_for_all(LIMIT);
        loop {
            std::thread::sleep(PAUSE);
            let alive = self.alive();
            if alive.is_empty() || Instant::now() > end {
                return alive;
            }
        }
    }

    /// The types of what is alive.
    ///
    /// # Panics
    ///
    /// If the tracer's answer has another form: this is for tests.
    pub fn alive(&self) -> Vec<String> {
        let all = self.tracer.emit_by_name::<gst::Structure>("get-live-objects", &[]);
        // The tracer's answer owns references that nobody has taken ("to avoid deadlocks", gstleaks.c), and is freed: this
        // copy of it, which has taken them, makes up for that.
        let all = std::mem::ManuallyDrop::new(all);
        let list = all.get::<gst::ListRef>("live-objects-list").unwrap();
        list.iter()
            .map(|entry| {
                let object = entry.get::<&gst::StructureRef>().unwrap();
                object.value("object").unwrap().type_().name().to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_is_seen() {
        gst::init().unwrap();
        let Some(watch) = Watch::start() else {
            eprintln!("skipped: other tests run in this process");
            return;
        };
        assert_eq!(watch.alive(), Vec::<String>::new());
        let kept = gst::Buffer::new();
        let bin = gst::Bin::new();
        let alive = watch.alive();
        assert!(alive.contains(&"GstBuffer".to_owned()) && alive.contains(&"GstBin".to_owned()), "{alive:?}");
        drop((kept, bin));
        assert_eq!(watch.alive(), Vec::<String>::new());
    }
}
