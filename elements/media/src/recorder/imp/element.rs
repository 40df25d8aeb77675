//! What GObject and GStreamer call: properties, pads, states and messages.

use anabranch_kit::command;
use anabranch_kit::params::{Table, table};
use glib::subclass::Signal;

use super::written::LEGACY;
use super::*;

impl ObjectImpl for Recorder {
    fn properties() -> &'static [glib::ParamSpec] {
        static ALL: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut all = table::<Params>().param_specs();
            all.extend([Written::spec(), Table::stats_spec()]);
            all
        });
        &ALL
    }

    fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
        if spec.name() == LEGACY {
            return self.written.inherit(value.get().ok().flatten());
        }
        if let Err(error) = self.params.set_value(spec.name(), value) {
            anabranch_kit::params::report(self.obj().upcast_ref(), &error);
        }
    }

    fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
        match spec.name() {
            LEGACY => self.written.legacy().to_value(),
            "stats" => self.stats().to_value(),
            _ => self.params.value(spec),
        }
    }

    fn signals() -> &'static [Signal] {
        static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
            vec![command::signal(|recorder: &crate::recorder::Recorder, name, _, answer| {
                recorder.imp().command(name, answer);
            })]
        });
        &SIGNALS
    }

    fn constructed(&self) {
        self.parent_constructed();
        let bin = self.obj();
        bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
        bin.set_element_flags(gst::ElementFlags::SINK);
        let input = |index: usize| {
            let template = bin
                .pad_template(&format!("sink_{}", MEDIA[index]))
                .expect("the class has a template for each input");
            gst::Pad::builder_from_template(&template)
                .chain_function(move |pad, parent, buffer| {
                    Recorder::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |imp| imp.chain(index, pad, buffer),
                    )
                })
                .event_function(move |pad, parent, event| {
                    Recorder::catch_panic_pad_function(parent, || false, |imp| imp.event(index, pad, event))
                })
                .query_function(move |pad, parent, query| {
                    Recorder::catch_panic_pad_function(parent, || false, |imp| imp.query(pad, query))
                })
                .build()
        };
        for pad in self.inputs.get_or_init(|| [input(0), input(1)]) {
            // The names are the class's own, so they are free.
            let _ = bin.add_pad(pad);
        }
    }

    fn dispose(&self) {
        self.stop_writer();
    }
}

impl GstObjectImpl for Recorder {}

impl ElementImpl for Recorder {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch recorder",
                "Sink/File/Audio/Video",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            pads::templates(&[
                ("sink_video", gst::PadDirection::Sink),
                ("sink_audio", gst::PadDirection::Sink),
            ])
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => {
                self.reset();
                self.written.begin();
                let params = self.params.get();
                let location = &params.location;
                let checked = Destination::parse(location).and_then(|place| {
                    place.check(&destination::spool_folder(&params.spool))?;
                    Container::choose(params.profile, location)
                });
                match checked {
                    Ok(container) => *lock(&self.container) = Some(container),
                    Err(text) => {
                        self.fail(gst::ResourceError::OpenWrite, &text, None);
                        return Err(gst::StateChangeError);
                    }
                }
            }
            gst::StateChange::ReadyToPaused => self.start_writer(),
            gst::StateChange::PausedToReady => {
                {
                    let mut state = lock(&self.state);
                    if state.phase != Phase::Failed {
                        state.phase = Phase::Done;
                    }
                }
                self.room.notify_all();
            }
            _ => {}
        }
        let result = self.parent_change_state(transition);
        match transition {
            gst::StateChange::PausedToReady => {
                self.stop_writer();
                self.reset();
            }
            gst::StateChange::ReadyToPaused if result.is_err() => self.stop_writer(),
            _ => {}
        }
        result
    }
}

impl BinImpl for Recorder {
    fn handle_message(&self, message: gst::Message) {
        match message.view() {
            // Each file ends on its own; the recording ends with the last one.
            gst::MessageView::Eos(eos) => {
                let parts = lock(&self.state).parts.clone();
                let part = eos.src().and_then(|sink| parts.into_iter().find(|p| p.is_written_by(sink)));
                if let Some(part) = part {
                    part.set_whole();
                    self.desk.ring();
                }
            }
            gst::MessageView::Error(error) => {
                let location = self.params.with(|p| without_password(&p.location));
                let original = error.error();
                let debug = error.debug().unwrap_or_default();
                let (kind, text) = sentence(&location, &original, &debug);
                self.fail(kind, &text, Some(&format!("{}: {debug}", original.message())));
            }
            _ => self.parent_handle_message(message),
        }
    }
}

/// An error from inside the recorder in words for a person.
fn sentence(location: &str, error: &glib::Error, debug: &str) -> (gst::ResourceError, String) {
    let both = format!("{} {debug}", error.message());
    match error.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NoSpaceLeft) => (gst::ResourceError::NoSpaceLeft, target::full(location)),
        _ if both.contains("No space left") => (gst::ResourceError::NoSpaceLeft, target::full(location)),
        Some(kind) => {
            (kind, format!("'{location}' cannot be written: {}.", error.message().trim_end_matches('.')))
        }
        None => (
            gst::ResourceError::Failed,
            format!(
                "'{location}' cannot be written: what came does not fit the file ({}).",
                error.message().trim_end_matches('.')
            ),
        ),
    }
}
