//! What comes in besides packets: caps, segments, tags, gaps and ends, and queries.

use super::*;

impl Recorder {
    pub(super) fn event(&self, index: usize, pad: &gst::Pad, event: gst::Event) -> bool {
        if !self.takes(index) {
            if event.type_() == gst::EventType::Eos {
                lock(&self.state).tracks[index].ended = true;
                self.desk.ring();
            }
            return true;
        }
        match event.view() {
            gst::EventView::StreamStart(_) => lock(&self.state).tracks[index].stream_start = Some(event),
            gst::EventView::Caps(caps) => {
                let caps = caps.caps_owned();
                if !self.container().caps(MEDIUM[index]).can_intersect(&caps) {
                    self.refuse_caps(index, &caps);
                    return false;
                }
                lock(&self.state).tracks[index].caps = Some(caps);
            }
            gst::EventView::Segment(segment) => {
                let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() else {
                    self.fail(
                        gst::ResourceError::Settings,
                        "The recorder needs media with timestamps; put a parser in front of it.",
                        None,
                    );
                    return false;
                };
                lock(&self.state).tracks[index].segment = Some(segment.clone());
            }
            gst::EventView::Tag(_) => {
                let tags = &mut lock(&self.state).tracks[index].tags;
                tags.retain(|old| {
                    let scope = |event: &gst::Event| match event.view() {
                        gst::EventView::Tag(tag) => Some(tag.tag().scope()),
                        _ => None,
                    };
                    scope(old) != scope(&event)
                });
                tags.push(event);
            }
            gst::EventView::Gap(gap) => {
                let (time, duration) = gap.get();
                let mut state = lock(&self.state);
                let shift = state.pauses.shift();
                state.tracks[index].gap(time + duration.unwrap_or(gst::ClockTime::ZERO), shift);
            }
            gst::EventView::Eos(_) => {
                let untold = {
                    let mut state = lock(&self.state);
                    let track = &mut state.tracks[index];
                    if track.ended {
                        return true;
                    }
                    track.ended = true;
                    track.push(Item::End);
                    track.dropping.take().filter(|count| *count > 0)
                };
                self.desk.ring();
                if let Some(count) = untold {
                    self.tell_drops(index, count);
                }
            }
            gst::EventView::FlushStop(_) => {
                {
                    let mut state = lock(&self.state);
                    let over = state.stopped || state.trouble.is_some();
                    state.tracks[index].flush(!over);
                }
                return gst::Pad::event_default(pad, Some(&*self.obj()), event);
            }
            _ => {}
        }
        true
    }

    pub(super) fn refuse_caps(&self, index: usize, caps: &gst::Caps) {
        let container = self.container();
        let names: Vec<&str> = container.formats(MEDIUM[index]).iter().map(|f| f.name()).collect();
        let came = format_of(caps).map_or_else(|| caps.to_string(), |f| f.name().to_owned());
        self.fail(
            gst::ResourceError::Settings,
            &format!(
                "{} takes {} {}, but {came} came: encode it before the recorder, or choose another container.",
                container.name(),
                MEDIA[index],
                names.join(", "),
            ),
            None,
        );
    }

    /// The format is right, but not this kind of it.
    pub(super) fn refuse_detail(&self, index: usize, caps: &gst::Caps) {
        let size = caps.structure(0).and_then(|s| {
            Some(format!(" of {}x{} pixels", s.get::<i32>("width").ok()?, s.get::<i32>("height").ok()?))
        });
        let came = format_of(caps).map_or_else(|| MEDIA[index].to_owned(), |f| f.name().to_owned());
        self.fail(
            gst::ResourceError::Settings,
            &format!(
                "{} cannot hold {came}{}: choose another container, such as Matroska (.mkv), or another size.",
                self.container().name(),
                size.unwrap_or_default(),
            ),
            Some(&caps.to_string()),
        );
    }

    pub(super) fn query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::AcceptCaps(query) => {
                // What does not fit is refused when it comes, with a sentence.
                query.set_result(true);
                true
            }
            gst::QueryViewMut::Allocation(_) => false,
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }
}
