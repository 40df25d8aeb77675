//! Which decoder and encoder serve a consumer, and with which settings. One table for the planner, which prints it,
//! and for the output hub, which obeys it.

use serde::Serialize;

use super::{Capabilities, Pace};
use crate::format::{Format, Medium};
use crate::link_options::PictureLimits;
use crate::spec::Transcoding;

/// What an output hub does for one consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Service {
    /// The format fits: packets move untouched.
    Pass,
    /// Decoded once for all who want raw media.
    Decode {
        /// The decoder's factory.
        decoder: String,
    },
    /// Decoded (unless already raw), and made smaller or slower, once for all who want raw pictures like that.
    Shrink {
        /// The decoder's factory; none if the source is raw.
        decoder: Option<String>,
    },
    /// Decoded (unless already raw) and encoded once for all who want this format, within the same limits.
    Encode {
        /// The decoder's factory; none if the source is raw.
        decoder: Option<String>,
        /// The format asked for.
        format: Format,
        /// The encoder's factory.
        encoder: String,
    },
}

/// Why a consumer cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoService {
    /// No decoder on this machine.
    #[error("no decoder for {0} is installed")]
    NoDecoder(Format),
    /// No encoder on this machine for any format that the consumer takes.
    #[error("no encoder for {} is installed", .0.iter().map(Format::name).collect::<Vec<_>>().join(" or "))]
    NoEncoder(Vec<Format>),
    /// A transcode is needed, but the link forbids it.
    #[error("{from} would have to be transcoded to {to}, but the link says `transcoding: forbid`")]
    Forbidden {
        /// What the source produces.
        from: Format,
        /// What the consumer would get.
        to: Format,
    },
}

/// What an encoder is to produce.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderTarget {
    /// Picture width, pixels; 0 for audio or if not known.
    pub width: u32,
    /// Picture height, pixels.
    pub height: u32,
    /// Frames per second; 0 if not known.
    pub fps: f64,
    /// Bit rate asked for, kbit/s; none: by the picture.
    pub bitrate: Option<u32>,
    /// The least and the most that it may be, kbit/s; the least gives way.
    pub limits: (Option<u32>, Option<u32>),
    /// Real time or as fast as possible.
    pub pace: Pace,
    /// Processors that may be used.
    pub cpus: usize,
}

impl Service {
    /// What the consumer gets when `source` is served like this.
    pub fn delivers(&self, source: &Format) -> Format {
        match self {
            Service::Pass => source.clone(),
            Service::Decode { .. } | Service::Shrink { .. } => {
                Format::raw(source.medium()).unwrap_or_else(|| source.clone())
            }
            Service::Encode { format, .. } => format.clone(),
        }
    }

    /// Whether this is a transcode: compressed media is decoded and compressed again.
    pub fn is_transcode(&self) -> bool {
        matches!(self, Service::Encode { decoder: Some(_), .. })
    }

    /// Why `source` is served like this, in words for a person.
    pub fn why(&self, source: &Format, demand: &Demand<'_>) -> String {
        let accepts = demand.accepts;
        let wanted = || match demand.limits.is_none() {
            true => accepts.iter().map(Format::name).collect::<Vec<_>>().join(" or "),
            false => format!("at most {}", demand.limits),
        };
        match self {
            Service::Pass if accepts.is_empty() => {
                format!("the consumer takes any format, so {source} passes untouched")
            }
            Service::Pass => format!("the consumer takes {source}: it passes untouched"),
            Service::Decode { decoder } => {
                format!("the consumer takes {}, so {source} is decoded by {decoder}", wanted())
            }
            Service::Shrink { decoder: None } => {
                format!("the consumer takes {}, so {source} is shrunk", wanted())
            }
            Service::Shrink { decoder: Some(decoder) } => {
                format!("the consumer takes {}, so {source} is decoded by {decoder} and shrunk", wanted())
            }
            Service::Encode { decoder: None, format, encoder } => {
                format!("the consumer takes {}, so {source} is encoded to {format} by {encoder}", wanted())
            }
            Service::Encode { decoder: Some(decoder), format, encoder } => format!(
                "the consumer takes {}, so {source} is transcoded to {format} ({decoder}, then {encoder})",
                wanted()
            ),
        }
    }
}

/// What a consumer asks of an output.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The formats that it takes, most wanted first; empty: any.
    pub accepts: &'a [Format],
    /// Whether media may be decoded and compressed again for it.
    pub transcoding: Transcoding,
    /// The pictures that it takes at most; none for other media.
    pub limits: PictureLimits,
}

impl<'a> Demand<'a> {
    /// Of these formats, with a transcode if need be.
    pub fn of(accepts: &'a [Format]) -> Self {
        Demand { accepts, transcoding: Transcoding::Allow, limits: PictureLimits::default() }
    }

    fn passes(&self, source: &Format) -> bool {
        self.limits_of(source).is_none() && (self.accepts.is_empty() || self.accepts.contains(source))
    }

    fn limits_of(&self, source: &Format) -> PictureLimits {
        if source.medium() == Medium::Video { self.limits } else { PictureLimits::default() }
    }
}

/// How a consumer is served from `source`.
///
/// A format that fits passes untouched, whatever its rank, unless there are limits for the picture: how large it is only
/// the media say, and they may change. Otherwise the most wanted format that this machine can make
/// is made: raw by a decoder, compressed by an encoder. `transcoding: forbid` refuses to decode and compress again;
/// decoding for a consumer of raw media and compressing raw media are no transcodes. An encoding that already runs for
/// somebody else within the same limits (`running`) is taken before a new one is started, even if the consumer would have
/// liked another format better.
///
/// # Errors
///
/// [`NoService`] if nothing that the consumer takes can be made.
pub fn serve(
    source: &Format,
    running: &[Format],
    demand: &Demand<'_>,
    caps: &dyn Capabilities,
) -> Result<Service, NoService> {
    if demand.passes(source) {
        return Ok(Service::Pass);
    }
    let medium = source.medium();
    // To a consumer of anything a smaller picture comes in the format in which the large one came.
    let same = [source.clone(), Format::RawVideo];
    let accepts = if demand.accepts.is_empty() { &same[..] } else { demand.accepts };
    let candidates = || accepts.iter().filter(|format| format.medium() == medium);
    let target = candidates()
        .find(|format| running.contains(format) && encoder(format, caps).is_some())
        .or_else(|| candidates().find(|format| format.is_raw() || encoder(format, caps).is_some()))
        .ok_or_else(|| NoService::NoEncoder(accepts.to_vec()))?;
    let decoder = if source.is_raw() {
        None
    } else {
        if !target.is_raw() && demand.transcoding == Transcoding::Forbid {
            return Err(NoService::Forbidden { from: source.clone(), to: target.clone() });
        }
        Some(caps.decoder(source).ok_or_else(|| NoService::NoDecoder(source.clone()))?)
    };
    match (encoder(target, caps), decoder) {
        (Some(encoder), decoder) => {
            Ok(Service::Encode { decoder, format: target.clone(), encoder: encoder.to_owned() })
        }
        (None, decoder) if !demand.limits_of(source).is_none() => Ok(Service::Shrink { decoder }),
        (None, Some(decoder)) => Ok(Service::Decode { decoder }),
        // Raw of the same medium was accepted above, and a target without encoder is raw.
        (None, None) => Ok(Service::Pass),
    }
}

/// Whether some machine could serve a consumer like this: what [`serve`] can answer at best.
pub fn reachable(source: &Format, demand: &Demand<'_>) -> bool {
    if demand.passes(source) {
        return true;
    }
    let decodable = source.is_raw() || !matches!(source, Format::Other(..));
    let mut same_medium = demand.accepts.iter().filter(|format| format.medium() == source.medium());
    decodable
        && (demand.accepts.is_empty() && (source.is_raw() || demand.transcoding == Transcoding::Allow)
            || same_medium.any(|format| {
                let transcodes = !source.is_raw() && !format.is_raw();
                (format.is_raw() || !encoders(format).is_empty())
                    && (!transcodes || demand.transcoding == Transcoding::Allow)
            }))
}

/// The encoders for a format, best first. Empty for raw media and for formats that are only decoded.
pub fn encoders(format: &Format) -> &'static [&'static str] {
    match format {
        Format::Vp8 => &["vp8enc"],
        Format::Vp9 => &["vp9enc"],
        Format::H264 => &["x264enc", "openh264enc"],
        Format::Av1 => &["svtav1enc", "av1enc"],
        Format::Opus => &["opusenc"],
        Format::Aac => &["fdkaacenc", "avenc_aac", "voaacenc"],
        Format::Pcmu => &["mulawenc"],
        Format::Pcma => &["alawenc"],
        _ => &[],
    }
}

/// The encoder that this machine uses for a format.
pub fn encoder(format: &Format, caps: &dyn Capabilities) -> Option<&'static str> {
    encoders(format).iter().copied().find(|factory| caps.has_element(factory))
}

/// The decoders for a format where the choice matters, best first; empty: whatever GStreamer ranks highest.
pub fn decoders(format: &Format) -> &'static [&'static str] {
    match format {
        Format::Vp8 => &["vp8dec"],
        Format::Vp9 => &["vp9dec"],
        Format::H264 => &["avdec_h264", "openh264dec"],
        Format::H265 => &["avdec_h265", "libde265dec"],
        Format::Av1 => &["dav1ddec", "av1dec"],
        Format::Opus => &["opusdec"],
        Format::Aac => &["avdec_aac", "fdkaacdec", "faad"],
        Format::Vorbis => &["vorbisdec"],
        Format::Mp3 => &["mpg123audiodec", "avdec_mp3"],
        Format::Flac => &["flacdec", "avdec_flac"],
        Format::Pcmu => &["mulawdec"],
        Format::Pcma => &["alawdec"],
        _ => &[],
    }
}

/// The parser that gives a format the framing that its decoder, muxer or payloader asks for; none: it needs none.
/// A consumer that muxes places it in front of its muxer, so that one encoder can feed consumers that want different
/// framings (`avc` in MP4, `byte-stream` in MPEG-TS).
pub fn parser(format: &Format) -> Option<&'static str> {
    match format {
        Format::H264 => Some("h264parse"),
        Format::H265 => Some("h265parse"),
        Format::Av1 => Some("av1parse"),
        Format::Vp9 => Some("vp9parse"),
        Format::Aac => Some("aacparse"),
        Format::Opus => Some("opusparse"),
        Format::Mp3 => Some("mpegaudioparse"),
        Format::Flac => Some("flacparse"),
        _ => None,
    }
}

/// The bit rate of an encoder that was not given one, kbit/s. For pictures it grows with the area to the power of 3/4
/// (1200 for 640x480, 2750 for 1280x720, 5050 for 1920x1080) and with the square root of the frame rate.
pub fn default_bitrate(format: &Format, width: u32, height: u32, fps: f64) -> u32 {
    match format {
        Format::Opus => 96,
        Format::Aac => 128,
        Format::Pcmu | Format::Pcma => 64,
        _ => {
            // A picture of unknown size is taken for 1280x720.
            let pixels =
                if width == 0 || height == 0 { 921_600.0 } else { f64::from(width) * f64::from(height) };
            let rate = if fps.is_finite() && fps > 0.0 { fps.clamp(1.0, 240.0) } else { 30.0 };
            let efficiency =
                if matches!(format, Format::Vp9 | Format::H265 | Format::Av1) { 0.7 } else { 1.0 };
            let kbit = 1200.0 * (pixels / 307_200.0).powf(0.75) * (rate / 30.0).sqrt() * efficiency;
            ((kbit / 50.0).round() as u32 * 50).clamp(100, 60_000)
        }
    }
}

/// The format that an encoder of the table makes.
fn encoded_by(factory: &str) -> Option<Format> {
    Format::KNOWN.iter().find(|format| encoders(format).contains(&factory)).cloned()
}

/// How libvpx keeps to a bit rate that a network sets: half a second may be ahead of it, and a key frame is at most as large
/// as four and a half frames. With its defaults, which are for files, it goes on for seconds as before when the rate falls,
/// and the key frame that the losses bring about is lost as well. The values are those of WebRTC's own encoder.
const SHORT_BUFFER: [(&str, &str); 4] = [
    ("buffer-size", "1000"),
    ("buffer-initial-size", "500"),
    ("buffer-optimal-size", "600"),
    ("max-intra-bitrate", "450"),
];

/// The properties (GStreamer names and values as text) that make an encoder of [`encoders`] cheap and, in real time,
/// free of delay. Properties are to be set in this order. Empty for a factory that is not in the table.
pub fn encoder_settings(factory: &str, target: &EncoderTarget) -> Vec<(&'static str, String)> {
    let Some(format) = encoded_by(factory) else { return Vec::new() };
    let kbit = target
        .bitrate
        .unwrap_or_else(|| default_bitrate(&format, target.width, target.height, target.fps))
        .max(target.limits.0.unwrap_or(1))
        .min(target.limits.1.unwrap_or(u32::MAX))
        .clamp(1, 2_000_000);
    let bits = (u64::from(kbit) * 1000).min(2_000_000_000);
    let live = target.pace == Pace::Realtime;
    let threads = threads(factory, target);
    // A key frame every two seconds: the price is small, and a seek or a late joiner never waits longer.
    let rate = if target.fps.is_finite() && target.fps > 0.0 { target.fps.min(240.0) } else { 30.0 };
    let distance = ((rate * 2.0).round() as u32).max(1).to_string();
    let set = |name: &'static str, value: &str| (name, value.to_owned());
    match factory {
        "vp8enc" => {
            let mut settings = vec![
                set("deadline", "1"),
                set("cpu-used", "8"),
                set("end-usage", "cbr"),
                set("lag-in-frames", "0"),
                set("target-bitrate", &bits.to_string()),
                set("keyframe-max-dist", &distance),
                set("threads", &threads.to_string()),
            ];
            if threads > 1 {
                // Threads without partitions to share have nothing to do.
                settings.push(set("token-partitions", if threads > 2 { "4" } else { "2" }));
            }
            if live {
                settings.push(set("error-resilient", "default"));
                settings.extend(SHORT_BUFFER.map(|(name, value)| set(name, value)));
            }
            settings
        }
        "vp9enc" => vec![
            set("deadline", "1"),
            set("cpu-used", "8"),
            set("end-usage", "cbr"),
            set("lag-in-frames", "0"),
            set("target-bitrate", &bits.to_string()),
            set("keyframe-max-dist", &distance),
            set("row-mt", if threads > 1 { "true" } else { "false" }),
            set("tile-columns", if threads > 2 { "2" } else { "1" }),
            set("threads", &threads.to_string()),
        ],
        "x264enc" => {
            let mut settings = vec![set("speed-preset", "superfast")];
            if live {
                settings.push(set("tune", "zerolatency"));
            } else {
                // B frames would reorder packets, which some muxers turn into an offset between sound and picture.
                settings.extend([set("bframes", "0"), set("rc-lookahead", "10")]);
            }
            settings.extend([
                set("bitrate", &kbit.to_string()),
                set("key-int-max", &distance),
                set("threads", &threads.to_string()),
            ]);
            settings
        }
        "openh264enc" => vec![
            set("complexity", "low"),
            set("usage-type", "camera"),
            set("rate-control", "bitrate"),
            set("enable-frame-skip", "false"),
            set("bitrate", &bits.to_string()),
            set("gop-size", &distance),
            set("multi-thread", &threads.to_string()),
        ],
        "av1enc" => vec![
            set("usage-profile", "realtime"),
            set("cpu-used", "10"),
            // GStreamer's own default of 0 for both makes libaom 3.6 abort the process at a constant bit rate.
            set("min-quantizer", "4"),
            set("max-quantizer", "56"),
            set("end-usage", "cbr"),
            set("lag-in-frames", "0"),
            set("target-bitrate", &kbit.to_string()),
            set("keyframe-max-dist", &distance),
            set("row-mt", "true"),
            set("tile-columns", if threads > 2 { "1" } else { "0" }),
            set("threads", &threads.to_string()),
        ],
        "svtav1enc" => vec![
            set("preset", "12"),
            set("target-bitrate", &kbit.to_string()),
            set("intra-period-length", &distance),
            set("logical-processors", &threads.to_string()),
        ],
        "opusenc" => {
            vec![set("bitrate", &bits.clamp(4_000, 510_000).to_string()), set("complexity", "5")]
        }
        "fdkaacenc" | "voaacenc" => vec![set("bitrate", &bits.clamp(8_000, 320_000).to_string())],
        "avenc_aac" => {
            vec![set("bitrate", &bits.clamp(8_000, 320_000).to_string()), set("aac-coder", "fast")]
        }
        _ => Vec::new(),
    }
}

/// How many threads an encoder is given. One is the cheapest per frame at any size, so a second one comes only where
/// one may not keep up with real time, or where the graph runs as fast as it can and the picture is large enough to
/// share.
fn threads(factory: &str, target: &EncoderTarget) -> usize {
    let pixels = u64::from(target.width) * u64::from(target.height);
    let live = target.pace == Pace::Realtime;
    let useful = match factory {
        // AV1 is heavy: all that its tiles and rows can keep busy.
        "av1enc" | "svtav1enc" => match pixels {
            0..=307_200 => 2,
            _ => 4,
        },
        "vp9enc" => match pixels {
            0..=307_200 => 1,
            307_201..=921_600 => 2,
            _ => 4,
        },
        _ => match pixels {
            0..=409_600 => 1,
            409_601..=921_600 => 1 + usize::from(!live),
            921_601..=2_100_000 => 2,
            _ => 4,
        },
    };
    useful.clamp(1, target.cpus.max(1))
}

/// The properties that make a decoder cheap at a picture size (0 if not known): names and values as text.
pub fn decoder_settings(
    factory: &str,
    width: u32,
    height: u32,
    pace: &Pace,
    cpus: usize,
) -> Vec<(&'static str, String)> {
    let pixels = u64::from(width) * u64::from(height);
    let threads = match pixels {
        0..=921_600 => 1,
        _ if *pace == Pace::Realtime => 2,
        _ => 4,
    }
    .clamp(1, cpus.max(1));
    match factory {
        // Its frame threads each add a frame of delay; at small sizes they only cost.
        "avdec_h264" | "avdec_h265" => vec![("max-threads", threads.to_string())],
        "vp8dec" | "vp9dec" => vec![("threads", threads.to_string())],
        "dav1ddec" => vec![("n-threads", threads.max(2).min(cpus.max(1)).to_string())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
