//! What mends streams on their way out of a parser: queues for those that run ahead, caps that are announced twice.

use super::*;

/// Most that a queue in front of the way out may hold, bytes. Such a queue exists only where streams come far apart.
const MAX_QUEUE_BYTES: u32 = 128 << 20;

impl Session {
    /// Watches how far a track is ahead of the other one, before any queue.
    pub(super) fn watch_lead(self: &Arc<Self>, index: usize, pad: &gst::Pad, info: &gst::PadProbeInfo) {
        let must = {
            let mut streams = self.streams();
            let tracks = &mut streams.tracks;
            match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => tracks[index].advance(buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    if let Some(buffer) = list.get(0) {
                        tracks[index].advance(buffer);
                    }
                }
                Some(gst::PadProbeData::Event(event)) => tracks[index].note(event),
                _ => {}
            }
            let must = Track::must_queue(tracks, index);
            tracks[index].queued |= must;
            must
        };
        if must && let Err(error) = self.insert_queue(index, pad) {
            gst::error!(gst::CAT_RUST, obj = pad, "{error:?}");
        }
    }

    /// Puts a queue behind a stream that runs far ahead of the other one, so that the thread that reads the file is
    /// free to bring the other one. Runs in that thread, between two buffers.
    fn insert_queue(&self, index: usize, pad: &gst::Pad) -> Result<(), gst::ErrorMessage> {
        let failed = || pads::link_failed("The queue of a stream that runs ahead");
        let queue = pads::make("queue", &format!("lead_{}", super::super::MEDIA[index]))?;
        queue.set_property("max-size-buffers", 0u32);
        queue.set_property("max-size-time", 0u64);
        queue.set_property("max-size-bytes", MAX_QUEUE_BYTES);
        self.pipeline.add(&queue).map_err(|_| failed())?;
        let (Some(sink), Some(src), Some(next)) =
            (queue.static_pad("sink"), queue.static_pad("src"), pad.peer())
        else {
            return Err(failed());
        };
        pad.unlink(&next).map_err(|_| failed())?;
        src.link(&next).map_err(|_| failed())?;
        queue.sync_state_with_parent().map_err(|_| failed())?;
        pad.link(&sink).map(|_| ()).map_err(|_| failed())
    }
}

/// Whether these are not media but a list of where they are.
pub fn is_playlist(caps: &gst::Caps) -> bool {
    caps.structure(0).is_some_and(|s| {
        ["application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml"]
            .contains(&s.name().as_str())
    })
}

/// Keeps packets as they are in the file. parsebin announces a stream's caps to its parser, and then the demuxer does so
/// again; h264parse and h265parse take the second time for new parameter sets and write them into the stream.
pub(super) fn keep_packets(parser: &gst::Element) {
    let is_parser = parser
        .factory()
        .and_then(|f| f.metadata("klass").map(|klass| klass.contains("Parser")))
        .unwrap_or_default();
    let Some(sink) = parser.static_pad("sink").filter(|_| is_parser) else { return };
    let last = Mutex::new(None);
    sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        let caps = match &info.data {
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Caps(caps) => caps.caps_owned(),
                _ => return gst::PadProbeReturn::Ok,
            },
            _ => return gst::PadProbeReturn::Ok,
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&caps) {
            // Not `Drop`: GStreamer 1.22 frees what the bindings have freed already and complains.
            return gst::PadProbeReturn::Handled;
        }
        *last = Some(caps);
        gst::PadProbeReturn::Ok
    });
}
