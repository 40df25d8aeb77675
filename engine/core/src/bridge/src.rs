//! `abbridgesrc`: the consumer's end of a bridge.

use std::sync::{LazyLock, OnceLock};

use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::channel::{Channel, Item};
use super::sink::BridgeSink;

glib::wrapper! {
    /// The consumer's end of a bridge.
    pub struct BridgeSrc(ObjectSubclass<Imp>) @extends gst::Element, gst::Object;
}

impl BridgeSrc {
    pub(super) fn new(name: &str, channel: Channel, sink: &BridgeSink) -> Self {
        let src: Self = glib::Object::builder().property("name", name).build();
        let imp = src.imp();
        let _ = imp.channel.set(channel);
        src.set_producer(sink);
        src
    }

    /// Where key-frame requests go from now on.
    pub fn set_producer(&self, sink: &BridgeSink) {
        self.imp().producer.set(Some(sink));
    }

    /// The source pad.
    pub fn pad(&self) -> &gst::Pad {
        &self.imp().pad
    }
}

pub struct Imp {
    pad: gst::Pad,
    channel: OnceLock<Channel>,
    producer: glib::WeakRef<BridgeSink>,
}

impl Imp {
    fn step(&self) {
        let Some(channel) = self.channel.get() else {
            let _ = self.pad.pause_task();
            return;
        };
        let Some(item) = channel.pop() else {
            let _ = self.pad.pause_task();
            return;
        };
        match item {
            Item::Event(event) => {
                self.pad.push_event(event);
            }
            Item::Buffer(buffer) => match self.pad.push(buffer) {
                Ok(_) => {}
                Err(gst::FlowError::Flushing) => {
                    let _ = self.pad.pause_task();
                }
                Err(gst::FlowError::Eos) => {
                    channel.close(true);
                    self.pad.push_event(gst::event::Eos::new());
                }
                Err(error) => {
                    // Whoever failed has said why; this only tells the pipeline that nothing more comes.
                    channel.close(true);
                    gst::element_imp_error!(
                        self,
                        gst::StreamError::Failed,
                        ("Internal data stream error."),
                        ["streaming stopped, reason {} ({error:?})", flow_name(error)]
                    );
                    self.pad.push_event(gst::event::Eos::new());
                }
            },
        }
    }

    fn src_event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::CustomUpstream(_) => self.producer_pad().is_some_and(|pad| pad.push_event(event)),
            gst::EventView::Reconfigure(_) | gst::EventView::Latency(_) | gst::EventView::Qos(_) => true,
            _ => false,
        }
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        match query.view_mut() {
            gst::QueryViewMut::Latency(latency) => {
                // Nothing behind a bridge waits for the clock: a muxer that thought itself live would give up on
                // a track that is merely late.
                latency.set(false, gst::ClockTime::ZERO, None);
                true
            }
            gst::QueryViewMut::Position(_) | gst::QueryViewMut::Duration(_) => {
                self.producer_pad().is_some_and(|pad| pad.peer_query(query))
            }
            _ => gst::Pad::query_default(pad, Some(&*self.obj()), query),
        }
    }

    fn producer_pad(&self) -> Option<gst::Pad> {
        self.producer.upgrade().map(|sink| sink.pad().clone())
    }
}

fn flow_name(error: gst::FlowError) -> &'static str {
    match error {
        gst::FlowError::NotNegotiated => "not-negotiated",
        gst::FlowError::NotLinked => "not-linked",
        gst::FlowError::NotSupported => "not-supported",
        _ => "error",
    }
}

#[glib::object_subclass]
impl ObjectSubclass for Imp {
    const NAME: &'static str = "AbBridgeSrc";
    type Type = BridgeSrc;
    type ParentType = gst::Element;

    fn with_class(klass: &Self::Class) -> Self {
        let template = klass.pad_template("src").expect("the class has this template");
        let pad = gst::Pad::builder_from_template(&template)
            .event_function(|_, parent, event| {
                Imp::catch_panic_pad_function(parent, || false, |imp| imp.src_event(event))
            })
            .query_function(|pad, parent, query| {
                Imp::catch_panic_pad_function(parent, || false, |imp| imp.src_query(pad, query))
            })
            .activatemode_function(|pad, parent, mode, active| {
                Imp::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(gst::CAT_DEFAULT, "panic")),
                    |imp| imp.activate(pad, mode, active),
                )
            })
            .build();
        Imp { pad, channel: OnceLock::new(), producer: glib::WeakRef::new() }
    }
}

impl Imp {
    fn activate(&self, pad: &gst::Pad, mode: gst::PadMode, active: bool) -> Result<(), gst::LoggableError> {
        if mode != gst::PadMode::Push {
            return Ok(());
        }
        let Some(channel) = self.channel.get() else { return Ok(()) };
        channel.set_reader_flushing(!active);
        if active {
            let weak = self.obj().downgrade();
            pad.start_task(move || {
                if let Some(obj) = weak.upgrade() {
                    obj.imp().step();
                }
            })
            .map_err(|_| gst::loggable_error!(gst::CAT_DEFAULT, "the bridge's thread could not start"))
        } else {
            pad.stop_task()
                .map_err(|_| gst::loggable_error!(gst::CAT_DEFAULT, "the bridge's thread did not stop"))
        }
    }
}

impl ObjectImpl for Imp {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_element_flags(gst::ElementFlags::SOURCE);
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
                "Bridge source",
                "Source/Generic",
                "Takes media from a bridge sink in another failure domain",
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "src",
                gst::PadDirection::Src,
                gst::PadPresence::Always,
                &gst::Caps::new_any(),
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }
}
