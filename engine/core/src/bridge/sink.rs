//! `abbridgesink`: the producer's end of a bridge.

use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::channel::{Channel, Pushed};

/// How often dropped frames are reported, at most.
const REPORT_EVERY: Duration = Duration::from_secs(1);

glib::wrapper! {
    /// The producer's end of a bridge.
    pub struct BridgeSink(ObjectSubclass<Imp>) @extends gst::Element, gst::Object;
}

impl BridgeSink {
    pub(super) fn new(name: &str, channel: Channel, consumer: &str) -> Self {
        let sink: Self = glib::Object::builder().property("name", name).build();
        let imp = sink.imp();
        let _ = imp.channel.set(channel);
        let _ = imp.consumer.set(consumer.to_owned());
        sink
    }

    /// The sink pad.
    pub fn pad(&self) -> &gst::Pad {
        &self.imp().pad
    }
}

#[derive(Default)]
struct Report {
    dropped: u64,
    stalled: bool,
    last: Option<Instant>,
}

pub struct Imp {
    pad: gst::Pad,
    channel: OnceLock<Channel>,
    consumer: OnceLock<String>,
    report: Mutex<Report>,
}

impl Imp {
    fn chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(channel) = self.channel.get() else { return Err(gst::FlowError::Error) };
        match channel.push_buffer(buffer) {
            // A consumer that is gone is no error of the producer's.
            Pushed::Queued | Pushed::Gone => {}
            Pushed::Dropped { first } => {
                if first {
                    self.ask_for_key_frame();
                }
                self.count_drop(false);
            }
            Pushed::Stalled => self.count_drop(true),
            Pushed::Flushing => return Err(gst::FlowError::Flushing),
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn ask_for_key_frame(&self) {
        let event = gst::event::CustomUpstream::new(
            gst::Structure::builder("GstForceKeyUnit").field("all-headers", true).build(),
        );
        self.pad.push_event(event);
    }

    fn count_drop(&self, stalled: bool) {
        let count = {
            let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            report.dropped += 1;
            report.stalled |= stalled;
            let now = Instant::now();
            if report.last.is_some_and(|last| now - last < REPORT_EVERY) {
                return;
            }
            report.last = Some(now);
            (std::mem::take(&mut report.dropped), std::mem::take(&mut report.stalled))
        };
        self.post_drops(count.0, count.1);
    }

    fn post_drops(&self, count: u64, stalled: bool) {
        let consumer = self.consumer.get().map_or("", String::as_str);
        let reason = if stalled {
            format!("'{consumer}' took nothing for 10 s; it is no longer waited for")
        } else {
            format!("'{consumer}' is slower than the media that it gets")
        };
        anabranch_kit::message::post(
            &*self.obj(),
            "frames-dropped",
            serde_json::json!({ "consumer": consumer, "count": count, "reason": reason }),
        );
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        let Some(channel) = self.channel.get() else { return false };
        match event.view() {
            gst::EventView::FlushStart(_) => {
                channel.clear();
                true
            }
            gst::EventView::FlushStop(_) => true,
            gst::EventView::Eos(_) => {
                let left = {
                    let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
                    std::mem::take(&mut report.dropped)
                };
                if left > 0 {
                    self.post_drops(left, false);
                }
                channel.push_event(event.clone());
                let seqnum = event.seqnum();
                let obj = self.obj();
                let _ = obj.post_message(gst::message::Eos::builder().src(&*obj).seqnum(seqnum).build());
                true
            }
            _ if event.is_serialized() => {
                channel.push_event(event);
                true
            }
            _ => true,
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "AbBridgeSink";
    type Type = BridgeSink;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let template = klass.pad_template("sink").expect("the class has this template");
        let pad = gst::Pad::builder_from_template(&template)
            .chain_function(|_, parent, buffer| {
                Imp::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |imp| imp.chain(buffer))
            })
            .event_function(|_, parent, event| {
                Imp::catch_panic_pad_function(parent, || false, |imp| imp.sink_event(event))
            })
            .activatemode_function(|_, parent, mode, active| {
                Imp::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(gst::CAT_DEFAULT, "panic")),
                    |imp| {
                        if mode == gst::PadMode::Push
                            && let Some(channel) = imp.channel.get()
                        {
                            channel.set_writer_flushing(!active);
                        }
                        Ok(())
                    },
                )
            })
            .build();
        Imp {
            pad,
            channel: OnceLock::new(),
            consumer: OnceLock::new(),
            report: Mutex::new(Report::default()),
        }
    }
}

impl ObjectImpl for Imp {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        // The pipeline waits for this element's end of stream before it reports its own.
        obj.set_element_flags(gst::ElementFlags::SINK);
        if obj.add_pad(&self.pad).is_err() {
            gst::error!(gst::CAT_DEFAULT, imp = self, "the pad could not be added");
        }
    }
}

impl GstObjectImpl for Imp {}

impl ElementImpl for Imp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Bridge sink",
                "Sink/Generic",
                "Hands media to a bridge source in another failure domain",
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &gst::Caps::new_any(),
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }
}
