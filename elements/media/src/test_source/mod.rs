//! `test-source`: moving pictures with a frame counter that a test can read back, and tones.

mod audio;
pub mod barcode;
pub mod picture;
pub mod tone;
mod video;

use std::sync::LazyLock;

use anabranch_graph::catalog::{Direction, ElementDescriptor, Part, PortSpec, PropertyMap, Refined, Role};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::params::{ParamStore, table};
use anabranch_kit::registry::Registration;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::absent::AbsentTrack;
use crate::pace::{Pace, pace};
use crate::pads;

/// The background of the pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// Colour bars.
    #[default]
    Bars,
    /// A soft gradient.
    Gradient,
    /// Black.
    Black,
}

/// The properties of `test-source`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Picture width, pixels; the frame counter needs at least 64.
    #[schemars(range(min = 1, max = 16384))]
    pub width: u32,
    /// Picture height, pixels; the frame counter needs at least 16.
    #[schemars(range(min = 1, max = 16384))]
    pub height: u32,
    /// Frames per second.
    #[schemars(range(min = 0.01, max = 1000.0))]
    pub fps: f64,
    /// How many frames to make, and as much sound; 0: endless, or as `duration` says.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub frames: u64,
    /// How long to go on, seconds of media; 0: endless, or as `frames` says.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub duration: f64,
    /// Whether frames come at the pace of the clock or as fast as they are taken.
    pub pace: Pace,
    /// Whether there are pictures.
    pub video: bool,
    /// Whether there is sound.
    pub audio: bool,
    /// The background of the pictures.
    pub pattern: Pattern,
    /// Frequency of the tone, Hz.
    #[schemars(range(min = 1.0, max = 20_000.0))]
    pub tone: f64,
    /// Samples per second.
    #[schemars(range(min = 8000, max = 192_000))]
    pub sample_rate: u32,
    /// Channels of the sound; all carry the same.
    #[schemars(range(min = 1, max = 8))]
    pub channels: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            width: 640,
            height: 480,
            fps: 30.0,
            frames: 0,
            duration: 0.0,
            pace: Pace::Auto,
            video: true,
            audio: true,
            pattern: Pattern::Bars,
            tone: 440.0,
            sample_rate: 48_000,
            channels: 1,
        }
    }
}

impl Params {
    /// Frames per second as a fraction; 29.97 and its like become what they stand for.
    pub fn frame_rate(&self) -> gst::Fraction {
        let ntsc = (self.fps * 1.001).round();
        if (self.fps - ntsc / 1.001).abs() < 0.005 && self.fps.fract() > 0.001 && ntsc >= 1.0 {
            return gst::Fraction::new(ntsc as i32 * 1000, 1001);
        }
        gst::Fraction::approximate_f64(self.fps)
            .filter(|f| f.numer() > 0)
            .unwrap_or_else(|| gst::Fraction::new(30, 1))
    }

    /// How long the media are; `None`: endless.
    pub fn length(&self) -> Option<gst::ClockTime> {
        let by_frames = (self.frames > 0).then(|| {
            let fps = self.frame_rate();
            let ticks = u128::from(self.frames) * 1_000_000_000 * fps.denom() as u128;
            gst::ClockTime::from_nseconds((ticks / fps.numer() as u128) as u64)
        });
        let by_time = (self.duration > 0.0).then(|| gst::ClockTime::from_seconds_f64(self.duration));
        by_frames.into_iter().chain(by_time).min()
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct TestSource {
        params: ParamStore<Params>,
    }

    impl TestSource {
        fn build(&self) -> Result<(), gst::ErrorMessage> {
            let params = self.params.get();
            let video = params.video.then(|| video::TestVideo::new(video::Settings::new(&params)).upcast());
            let audio = params.audio.then(|| audio::TestAudio::new(audio::Settings::new(&params)).upcast());
            self.add_track("video", params.pace, video)?;
            self.add_track("audio", params.pace, audio)
        }

        fn add_track(
            &self,
            name: &str,
            how: Pace,
            source: Option<gst::Element>,
        ) -> Result<(), gst::ErrorMessage> {
            let bin = self.obj();
            let absent = source.is_none();
            let source = source.unwrap_or_else(|| AbsentTrack::new(&format!("no_{name}")).upcast());
            let failed = || pads::link_failed("The test source's insides");
            bin.add(&source).map_err(|_| failed())?;
            let mut pad = source.static_pad("src").ok_or_else(failed)?;
            if !absent {
                pad = pace(&*bin, how, &pad, name)?;
            }
            let ghost = pads::ghost(&*bin, &format!("src_{name}")).ok_or_else(failed)?;
            crate::pads::hold_while_unlinked(&ghost, &pad);
            ghost.set_target(Some(&pad)).map_err(|_| failed())
        }

        fn take_down(&self) {
            let bin = self.obj();
            for pad in bin.src_pads().into_iter().filter_map(|p| p.downcast::<gst::GhostPad>().ok()) {
                // Taking the target away from a ghost pad cannot fail.
                let _ = pad.set_target(None::<&gst::Pad>);
            }
            for child in bin.children() {
                let _ = child.set_state(gst::State::Null);
                let _ = bin.remove(&child);
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TestSource {
        const NAME: &'static str = "AbTestSource";
        type Type = super::TestSource;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for TestSource {
        anabranch_kit::object_properties!(params: Params);

        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            bin.set_suppressed_flags(gst::ElementFlags::SOURCE | gst::ElementFlags::SINK);
            bin.set_element_flags(gst::ElementFlags::SOURCE);
            pads::add_ghosts(&*bin);
        }
    }

    impl GstObjectImpl for TestSource {}

    impl ElementImpl for TestSource {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Anabranch test source",
                    "Source/Audio/Video",
                    SUMMARY,
                    "The Anabranch developers",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                pads::templates(&[
                    ("src_video", gst::PadDirection::Src),
                    ("src_audio", gst::PadDirection::Src),
                ])
            });
            &TEMPLATES
        }

        fn change_state(
            &self,
            transition: gst::StateChange,
        ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady
                && let Err(error) = self.build()
            {
                self.post_error_message(error);
                return Err(gst::StateChangeError);
            }
            let result = self.parent_change_state(transition);
            if transition == gst::StateChange::ReadyToNull {
                self.take_down();
            }
            result
        }
    }

    impl BinImpl for TestSource {}
}

glib::wrapper! {
    /// The element `abtestsource`.
    pub struct TestSource(ObjectSubclass<imp::TestSource>)
        @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

const SUMMARY: &str = "Makes moving pictures with a frame counter that a test can read back, and tones.";

const DESCRIPTION: &str = "\
Makes raw pictures and sound of which every frame can be told apart, to try a pipeline without a camera and to \
check that it loses nothing.

**Pictures.** A strip of 32 black and white cells at the top of the picture (a tenth of its height, at least 8 rows) \
holds the frame number: two cells `10`, 24 bits most significant first, 4 bits check (all nibbles and 0xA, XORed), two \
cells `01`. It survives low bit rates and scaling to half size. Below it a light box moves over the background. Pictures \
narrower than 64 or lower than 16 pixels have no counter.

**Sound.** A steady tone at a quarter of full scale; each second starts with a marker of 50 ms at four times the tone's \
frequency and 0.6 of full scale. Sound is as long as the pictures would be.

`pace: realtime` gives frames at the pace of the clock, `fastest` as fast as they are taken.

    test-source frames=300 width=320 height=240 -> recorder location=test.webm
";

fn port(name: &str, medium: Medium, format: Format) -> PortSpec {
    PortSpec {
        name: name.into(),
        direction: Direction::Output,
        medium,
        pad: format!("src_{name}"),
        formats: vec![format],
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

fn describe() -> ElementDescriptor {
    ElementDescriptor {
        name: "test-source".into(),
        factory: "abtestsource".into(),
        role: Role::Source,
        summary: SUMMARY.into(),
        description: DESCRIPTION.into(),
        author: "The Anabranch developers".into(),
        example: "test-source frames=300 -> recorder location=test.webm".into(),
        ports: vec![
            port("video", Medium::Video, Format::RawVideo),
            port("audio", Medium::Audio, Format::RawAudio),
        ],
        properties: table::<Params>().properties().to_vec(),
        events: Vec::new(),
        requires: Vec::new(),
        realtime: false,
        refine: Some(refine),
    }
}

fn refine(properties: &PropertyMap) -> Refined {
    let flag = |name: &str| properties.get(name).and_then(serde_json::Value::as_bool).unwrap_or(true);
    let mut refined = Refined { paced: crate::refine::pace(properties).asked(), ..Refined::default() };
    for name in ["video", "audio"] {
        if flag(name) && refined.paced != Some(false) {
            let why = format!("{name} comes at the pace of the clock");
            refined.parts.push(Part { factory: "clocksync".into(), why });
        }
    }
    if !flag("video") && !flag("audio") {
        refined.problems.push(("video".into(), "with `audio: false` too, there is nothing to make".into()));
    }
    refined
}

anabranch_kit::inventory::submit! {
    Registration {
        descriptor: describe,
        register: |plugin| {
            gst::Element::register(plugin, "abtestsource", gst::Rank::NONE, TestSource::static_type())
        },
    }
}
