//! The containers that a recorder writes: what fits in, and which muxer writes them.

use std::path::Path;

use anabranch_graph::format::{Format, Medium};
use gst::prelude::*;

use super::profile::Profile;
use crate::pads;

/// A container that a recorder can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// WebM, the part of Matroska that browsers play.
    Webm,
    /// Matroska.
    Mkv,
    /// MP4, written in fragments and made whole at the end.
    Mp4,
    /// Flash video.
    Flv,
    /// One JPEG picture.
    Jpeg,
}

/// Milliseconds of media that a killed process loses at most in an MP4 file.
const MP4_FRAGMENT_MS: u32 = 400;
/// The longest piece of a Matroska file that stands on its own.
const CLUSTER: gst::ClockTime = gst::ClockTime::from_mseconds(1000);
/// How much media each input of the MP4 muxer may hold.
const MP4_INPUT: gst::ClockTime = gst::ClockTime::from_seconds(6);
/// How much more of each track is given to the MP4 muxer.
const MP4_WAITING: gst::ClockTime = gst::ClockTime::from_seconds(3);
/// Most that is given to a muxer that has something of the other track as well, bytes.
const MUXER_BYTES: usize = 8 << 20;

/// What waits in front of a muxer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waiting {
    /// How much.
    pub bytes: usize,
    /// How long it lasts.
    pub time: gst::ClockTime,
}

impl Container {
    /// The container for a wish and a location.
    ///
    /// # Errors
    ///
    /// What is wrong with the location, as a sentence for a person.
    pub fn choose(profile: Profile, location: &str) -> Result<Self, String> {
        if let Some(container) = profile.container() {
            return Ok(container);
        }
        // What follows a question mark in an address is no part of the name.
        let name = if location.contains("://") { location.split('?').next() } else { None };
        let extension = Path::new(name.unwrap_or(location)).extension();
        match extension.and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase().as_str() {
            "webm" => Ok(Container::Webm),
            "mkv" | "mka" => Ok(Container::Mkv),
            "mp4" | "m4v" | "m4a" => Ok(Container::Mp4),
            "flv" => Ok(Container::Flv),
            "jpg" | "jpeg" => Ok(Container::Jpeg),
            "" => Err(format!(
                "'{location}' has no extension that tells the container: end it in .webm, .mkv or .mp4, or set `profile`."
            )),
            other => Err(format!(
                "'.{other}' is not a container that the recorder writes: use .webm, .mkv or .mp4, or set `profile`."
            )),
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Container::Webm => "WebM",
            Container::Mkv => "Matroska",
            Container::Mp4 => "MP4",
            Container::Flv => "FLV",
            Container::Jpeg => "JPEG",
        }
    }

    /// What HTTP calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Container::Webm => "video/webm",
            Container::Mkv => "video/x-matroska",
            Container::Mp4 => "video/mp4",
            Container::Flv => "video/x-flv",
            Container::Jpeg => "image/jpeg",
        }
    }

    /// GStreamer's muxer.
    pub fn muxer(self) -> &'static str {
        match self {
            Container::Webm => "webmmux",
            Container::Mkv => "matroskamux",
            Container::Mp4 => "mp4mux",
            Container::Flv => "flvmux",
            Container::Jpeg => "jpegenc",
        }
    }

    /// What it takes of a medium, most wanted first.
    pub fn formats(self, medium: Medium) -> &'static [Format] {
        use Format::{Aac, Av1, Flac, H264, H265, Mp3, Opus, Pcma, Pcmu, RawVideo, Vorbis, Vp8, Vp9};
        match (self, medium) {
            (Container::Webm, Medium::Video) => &[Vp8, Vp9, Av1],
            (Container::Webm, Medium::Audio) => &[Opus, Vorbis],
            (Container::Mkv, Medium::Video) => &[H264, Vp8, Vp9, H265, Av1],
            (Container::Mkv, Medium::Audio) => &[Opus, Aac, Vorbis, Mp3, Flac, Pcmu, Pcma],
            (Container::Mp4, Medium::Video) => &[H264, H265, Vp9, Av1],
            (Container::Mp4, Medium::Audio) => &[Aac, Opus, Mp3],
            (Container::Flv, Medium::Video) => &[H264],
            (Container::Flv, Medium::Audio) => &[Aac, Mp3],
            (Container::Jpeg, Medium::Video) => &[RawVideo],
            (Container::Jpeg, Medium::Audio) => &[],
            (_, Medium::Data) => &[],
        }
    }

    /// The same as GStreamer caps.
    pub fn caps(self, medium: Medium) -> gst::Caps {
        let mut caps = gst::Caps::new_empty();
        for format in self.formats(medium) {
            if let Ok(more) = format.caps().parse::<gst::Caps>() {
                caps.merge(more);
            }
        }
        caps
    }

    /// The parser between a format and the muxer: none where packets are already what the muxer wants.
    pub fn parser(self, format: &Format) -> Option<&'static str> {
        match format {
            Format::H264 => Some("h264parse"),
            Format::H265 => Some("h265parse"),
            Format::Av1 => Some("av1parse"),
            // MP4 wants the profile in the caps.
            Format::Vp9 if self == Container::Mp4 => Some("vp9parse"),
            Format::Aac => Some("aacparse"),
            Format::Mp3 => Some("mpegaudioparse"),
            Format::Opus => Some("opusparse"),
            Format::Flac => Some("flacparse"),
            Format::RawVideo => Some("videoconvert"),
            _ => None,
        }
    }

    /// Makes the muxer. `forward_only`: what it has written cannot be changed later.
    ///
    /// # Errors
    ///
    /// The muxer is not installed.
    pub fn make_muxer(self, name: &str, forward_only: bool) -> Result<gst::Element, gst::ErrorMessage> {
        let muxer = pads::make(self.muxer(), name)?;
        match self {
            Container::Webm | Container::Mkv => {
                muxer.set_property("writing-app", "Anabranch");
                muxer.set_property("streamable", forward_only);
                muxer.set_property("max-cluster-duration", CLUSTER.nseconds() as i64);
            }
            Container::Mp4 => {
                muxer.set_property("fragment-duration", MP4_FRAGMENT_MS);
                let mode = if forward_only { "dash-or-mss" } else { "first-moov-then-finalise" };
                muxer.set_property_from_str("fragment-mode", mode);
                muxer.set_property("streamable", forward_only);
                // Each input holds as much media instead of one packet. It delays nothing, and saves the muxer's thread
                // and its feeders from waking each other for every packet, which would cost several times as much as the muxing.
                muxer.set_property("latency", MP4_INPUT.nseconds());
            }
            Container::Flv => muxer.set_property("streamable", forward_only),
            Container::Jpeg => {}
        }
        Ok(muxer)
    }

    /// Whether the muxer has enough for now: what waits in front of it of a track and of the other. What waits should wait
    /// where it is counted. A track that the muxer waits for is never held back.
    pub fn has_enough(self, own: Waiting, other: Option<Waiting>) -> bool {
        match self {
            // Its inputs are full when so much waits in front of them. They are filled in bursts: filled packet by packet they
            // would wake three threads for each.
            Container::Mp4 => {
                let full = |waiting: Waiting| waiting.time > MP4_WAITING || waiting.bytes > MUXER_BYTES;
                full(own) && other.is_none_or(full)
            }
            _ => own.bytes > MUXER_BYTES && other.is_none_or(|other| other.bytes > 0),
        }
    }

    /// The muxer's pad for a medium.
    pub fn muxer_pad(self, muxer: &gst::Element, medium: &str) -> Option<gst::Pad> {
        match self {
            Container::Jpeg => muxer.static_pad("sink"),
            Container::Flv => muxer.request_pad_simple(medium),
            _ => muxer.request_pad_simple(&format!("{medium}_%u")),
        }
    }

    /// Whether a track can go on in the same file after its caps have changed from `old` to `new`.
    pub fn can_go_on(self, old: &gst::CapsRef, new: &gst::CapsRef) -> bool {
        if old == new || self == Container::Jpeg {
            return true;
        }
        let (Some(old), Some(new)) = (old.structure(0), new.structure(0)) else { return false };
        if old.name() != new.name() {
            return false;
        }
        // VP8 and VP9 say their size in each key frame, and Matroska leaves it to them.
        let free_size = !matches!(self, Container::Mp4 | Container::Flv)
            && matches!(old.name().as_str(), "video/x-vp8" | "video/x-vp9");
        let matters = |field: &str| match field {
            "width" | "height" => !free_size,
            "codec_data" | "stream-format" | "alignment" | "rate" | "channels" | "mpegversion" | "layer" => {
                true
            }
            _ => false,
        };
        let fields = old.fields().chain(new.fields()).filter(|f| matters(f.as_str()));
        fields.into_iter().all(|field| {
            let value = |s: &gst::StructureRef| s.value(field.as_str()).ok().map(|v| v.serialize().ok());
            value(old) == value(new)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_chooses_unless_the_wish_does() {
        let choose = |profile, location: &str| Container::choose(profile, location);
        assert_eq!(choose(Profile::Auto, "a.WebM"), Ok(Container::Webm));
        assert_eq!(choose(Profile::Auto, "/x.y/a.mkv"), Ok(Container::Mkv));
        assert_eq!(choose(Profile::Auto, "a.m4a"), Ok(Container::Mp4));
        assert_eq!(choose(Profile::Mkv, "a.mp4"), Ok(Container::Mkv));
        assert_eq!(choose(Profile::Auto, "https://h/a.mp4?x=b.c"), Ok(Container::Mp4));
        assert_eq!(choose(Profile::Auto, "s3://bucket/a.flv"), Ok(Container::Flv));
        assert!(choose(Profile::Auto, "/x.mkv/a").unwrap_err().contains("no extension"));
        assert!(choose(Profile::Auto, "a.avi").unwrap_err().contains("'.avi'"));
    }

    #[test]
    fn small_changes_of_caps_go_on_and_large_ones_do_not() {
        gst::init().unwrap();
        let caps = |text: &str| text.parse::<gst::Caps>().unwrap();
        let vp8 = |width: i32| caps(&format!("video/x-vp8,width={width},height=10"));
        let h264 = |width: i32, more: &str| {
            caps(&format!("video/x-h264,stream-format=avc,alignment=au,width={width},height=10{more}"))
        };
        assert!(Container::Webm.can_go_on(&vp8(10), &vp8(20)));
        assert!(!Container::Webm.can_go_on(&vp8(10), &caps("video/x-vp9,width=10,height=10")));
        assert!(!Container::Mkv.can_go_on(&h264(10, ""), &h264(20, "")));
        assert!(Container::Mkv.can_go_on(&h264(10, ",framerate=30/1"), &h264(10, ",framerate=25/1")));
        assert!(
            !Container::Mp4
                .can_go_on(&h264(10, ",codec_data=(buffer)01"), &h264(10, ",codec_data=(buffer)02"))
        );
    }

    #[test]
    fn every_format_has_caps_that_its_muxer_can_take() {
        gst::init().unwrap();
        for container in [Container::Webm, Container::Mkv, Container::Mp4, Container::Flv] {
            let muxer = container.make_muxer("mux", false).unwrap();
            for medium in [Medium::Video, Medium::Audio] {
                // Asked by name, webmmux gives the wrong one.
                let prefix = medium.name();
                let templates = muxer.pad_template_list();
                let templates = templates.iter().filter(|t| t.name_template().starts_with(prefix));
                let all = templates.fold(gst::Caps::new_empty(), |mut all, t| {
                    all.merge(t.caps().copy());
                    all
                });
                for format in container.formats(medium) {
                    let caps: gst::Caps = format.caps().parse().unwrap();
                    assert!(caps.can_intersect(&all), "{format} in {}: {all}", container.name());
                }
            }
        }
    }
}
