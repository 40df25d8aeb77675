//! The element at the end of a part: writes what a muxer gives into a [`Growing`] file.

use std::sync::{Arc, OnceLock};

use glib::subclass::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;

use super::growing::Growing;

mod imp {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{LazyLock, Mutex, PoisonError};

    use super::*;

    #[derive(Default)]
    pub struct FileSink {
        pub(super) file: OnceLock<Arc<Growing>>,
        /// A muxer that may not go back leaves out what it would add at the end.
        pub(super) forward_only: OnceLock<bool>,
        /// What would make the file another kind of file waits until that one is complete.
        pub(super) finalises: OnceLock<bool>,
        at: AtomicU64,
        late: Mutex<Late>,
    }

    /// So many bytes of a fragment are written at once. Nothing is lost by that: a fragment that is cut off has no index.
    const AT_ONCE: usize = 256 << 10;

    /// Changes that are made last.
    ///
    /// At its end `mp4mux` hides the index of the first fragment, has one box cover all fragments, and only then writes the
    /// index of the whole. Killed in between, it would leave a file without any index. Here the index comes first, and the
    /// box's header is one write that turns a fragmented file into an ordinary one.
    #[derive(Default)]
    struct Late {
        /// Where the header of the fragment lies that is being written: its size is filled in when it ends.
        fragment: Option<u64>,
        /// What has come of that fragment and is not written yet, and where it goes.
        media: Vec<u8>,
        media_at: u64,
        changes: Vec<(u64, Vec<u8>)>,
    }

    /// How the header of a fragment's media begins.
    const FRAGMENT: &[u8] = b"\0\0\0\x08free";

    impl Late {
        /// Keeps a packet of a fragment for a larger write; `false`: it is none, and is to be written.
        fn keep(&mut self, at: u64, data: &[u8], file: &Growing) -> bool {
            if self.fragment.is_none() || at != self.media_at + self.media.len() as u64 {
                self.flush(file);
                // The next one may follow this one.
                self.media_at = at + data.len() as u64;
                return false;
            }
            self.media.extend_from_slice(data);
            if self.media.len() >= AT_ONCE {
                self.flush(file);
            }
            true
        }

        fn flush(&mut self, file: &Growing) {
            if !self.media.is_empty() {
                file.write(self.media_at, &self.media);
                self.media_at += self.media.len() as u64;
                self.media.clear();
            }
        }

        /// Whether a write is to be made now; otherwise it is kept.
        fn is_now(&mut self, at: u64, length: u64, data: &[u8]) -> bool {
            if at >= length {
                if data.starts_with(FRAGMENT) {
                    self.fragment = Some(at);
                }
                return true;
            }
            if self.fragment == Some(at) {
                // Once: where there is but one fragment, the box that covers all has its header there too.
                self.fragment = None;
                return true;
            }
            self.changes.push((at, data.to_vec()));
            false
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FileSink {
        const NAME: &'static str = "AbRecorderFile";
        type Type = super::FileSink;
        type ParentType = gst_base::BaseSink;
    }

    impl ObjectImpl for FileSink {}
    impl GstObjectImpl for FileSink {}

    impl ElementImpl for FileSink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Recorder's file",
                    "Sink/File",
                    "Writes one part of a recording",
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> =
                LazyLock::new(|| crate::pads::templates(&[("sink", gst::PadDirection::Sink)]));
            &TEMPLATES
        }
    }

    impl FileSink {
        /// Makes the changes that have waited, the one that counts first. Not in a file that has lost its index.
        fn finalise(&self) {
            let mut late = std::mem::take(&mut *self.late.lock().unwrap_or_else(PoisonError::into_inner));
            let Some(file) = self.file.get() else { return };
            late.flush(file);
            if file.is_broken() {
                return;
            }
            if late.changes.is_empty() {
                return;
            }
            file.sync();
            for (at, data) in late.changes.iter().rev() {
                file.write(*at, data);
            }
        }
    }

    impl BaseSinkImpl for FileSink {
        fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let file = self.file.get().ok_or(gst::FlowError::Error)?;
            let data = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            let at = self.at.fetch_add(data.len() as u64, Ordering::Relaxed);
            let finalises = self.finalises.get().copied().unwrap_or(false);
            let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
            if finalises && late.keep(at, &data, file) {
                return Ok(gst::FlowSuccess::Ok);
            }
            if !finalises || late.is_now(at, file.length(), &data) {
                drop(late);
                // What goes wrong is noted in the file, and the recorder then ends it in order.
                file.write(at, &data);
            }
            Ok(gst::FlowSuccess::Ok)
        }

        fn stop(&self) -> Result<(), gst::ErrorMessage> {
            if let Some(file) = self.file.get() {
                self.late.lock().unwrap_or_else(PoisonError::into_inner).flush(file);
            }
            self.parent_stop()
        }

        fn event(&self, event: gst::Event) -> bool {
            if event.type_() == gst::EventType::Eos {
                self.finalise();
            }
            if let gst::EventView::Segment(segment) = event.view()
                && let Some(segment) = segment.segment().downcast_ref::<gst::format::Bytes>()
            {
                self.at.store(segment.start().map_or(0, |start| *start), Ordering::Relaxed);
            }
            self.parent_event(event)
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            if let gst::QueryViewMut::Seeking(seeking) = query.view_mut() {
                let bytes = seeking.format() == gst::Format::Bytes;
                let forward_only = self.forward_only.get().copied().unwrap_or(false);
                let start = gst::format::Bytes::ZERO;
                seeking.set(bytes && !forward_only, start, gst::format::Bytes::NONE);
                return true;
            }
            BaseSinkImplExt::parent_query(self, query)
        }
    }
}

glib::wrapper! {
    /// Writes one part of a recording.
    pub struct FileSink(ObjectSubclass<imp::FileSink>)
        @extends gst_base::BaseSink, gst::Element, gst::Object;
}

impl FileSink {
    /// A new one that writes there. `forward_only`: nothing that is written may be changed later; `finalises`: it is
    /// written in fragments that become one whole.
    pub fn new(name: &str, file: Arc<Growing>, forward_only: bool, finalises: bool) -> Self {
        let sink: Self = glib::Object::builder().property("name", name).build();
        sink.set_sync(false);
        sink.set_property("async", false);
        sink.set_property("enable-last-sample", false);
        let imp = sink.imp();
        // It is new, so nothing was set before.
        let _ = imp.file.set(file);
        let _ = imp.finalises.set(finalises);
        let _ = imp.forward_only.set(forward_only);
        sink
    }
}

#[cfg(test)]
mod tests {
    use gst::prelude::*;

    use super::*;

    /// What lies on the disk after each buffer, when a muxer does this.
    fn write(buffers: &[(Option<u64>, &[u8])]) -> Vec<Vec<u8>> {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let file = Arc::new(Growing::create(&path).unwrap());
        let sink = FileSink::new("sink", file, false, true);
        let pipeline = gst::Pipeline::new();
        pipeline.add(&sink).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let pad = gst::Pad::builder(gst::PadDirection::Src).build();
        pad.link(&sink.static_pad("sink").unwrap()).unwrap();
        pad.set_active(true).unwrap();
        let segment = |at: u64| {
            let mut segment = gst::FormattedSegment::<gst::format::Bytes>::new();
            segment.set_start(gst::format::Bytes::from_u64(at));
            gst::event::Segment::new(&segment)
        };
        pad.push_event(gst::event::StreamStart::new("x"));
        pad.push_event(segment(0));
        let mut seen = Vec::new();
        for (at, data) in buffers {
            if let Some(at) = at {
                pad.push_event(segment(*at));
            }
            pad.push(gst::Buffer::from_slice(data.to_vec())).unwrap();
            seen.push(std::fs::read(&path).unwrap());
        }
        pad.push_event(gst::event::Eos::new());
        seen.push(std::fs::read(&path).unwrap());
        pipeline.set_state(gst::State::Null).unwrap();
        seen
    }

    #[test]
    fn a_file_is_fragmented_until_its_index_is_there() {
        let header = |size: u8| [b"\0\0\0\x08free\0\0\0".as_slice(), &[size], b"mdat"].concat();
        let seen = write(&[
            (None, b"ftyp"),
            (None, &header(0)),
            (None, b"media"),
            // The first fragment ends.
            (Some(4), &header(13)),
            (Some(25), b"moov"),
            // The end: the first index is hidden, one box covers all, and the last index follows.
            (Some(25), b"h"),
            (Some(4), &header(99)),
            (Some(29), b"INDEX"),
        ]);
        let fragmented = [b"ftyp".as_slice(), &header(13), b"mediamoov"].concat();
        assert_eq!(seen[4..7], [fragmented.clone(), fragmented.clone(), fragmented.clone()]);
        assert_eq!(seen[7], [fragmented, b"INDEX".to_vec()].concat());
        assert_eq!(seen[8], [b"ftyp".as_slice(), &header(99), b"mediahoovINDEX"].concat());
    }
}
