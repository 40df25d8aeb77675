//! Which files a run has written already: a recorder that is built anew goes on in a new one.

use std::fs;

use super::*;

/// The property with which one life of the element tells the next what it wrote.
pub(super) const LEGACY: &str = "legacy";
/// Its one field, a list of files.
const FILES: &str = "files";

/// The files of this life and of those before it.
#[derive(Debug, Default)]
pub(super) struct Written {
    before: Mutex<Vec<String>>,
    now: Mutex<Vec<String>>,
}

impl Written {
    pub(super) fn spec() -> glib::ParamSpec {
        glib::ParamSpecBoxed::builder::<gst::Structure>(LEGACY)
            .nick("Legacy")
            .blurb("What this element's earlier lives in the same run leave to it: files that it must not replace")
            .mutable_ready()
            .build()
    }

    /// All files so far, as the property's value.
    pub(super) fn legacy(&self) -> gst::Structure {
        let files = lock(&self.before).iter().chain(lock(&self.now).iter()).cloned().collect::<Vec<_>>();
        gst::Structure::builder(LEGACY).field(FILES, gst::Array::new(files)).build()
    }

    /// Takes over what earlier lives wrote.
    pub(super) fn inherit(&self, legacy: Option<gst::Structure>) {
        let files = legacy.and_then(|legacy| {
            let files = legacy.get::<gst::Array>(FILES).ok()?;
            Some(files.iter().filter_map(|file| file.get().ok()).collect())
        });
        *lock(&self.before) = files.unwrap_or_default();
    }

    /// A new life begins: what it wrote the last time may be replaced.
    pub(super) fn begin(&self) {
        lock(&self.now).clear();
    }

    /// A file is being written.
    pub(super) fn add(&self, file: &str) {
        lock(&self.now).push(file.to_owned());
    }

    /// The number of the next file of a recording, at least `least`: none that this run has written is replaced.
    pub(super) fn next(&self, location: &str, least: u32) -> u32 {
        let remote = Destination::parse(location).is_ok_and(|place| place.is_remote());
        if !remote && fs::metadata(location).is_ok_and(|metadata| !metadata.is_file()) {
            // A device or a pipe keeps nothing that could be replaced.
            return least;
        }
        let (before, now) = (lock(&self.before), lock(&self.now));
        let holds_something =
            |file: &String| remote || fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0);
        (least..)
            .find(|number| {
                let file = target::part(location, *number);
                !now.contains(&file) && !before.iter().any(|old| *old == file && holds_something(old))
            })
            .unwrap_or(least)
    }
}
