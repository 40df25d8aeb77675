//! Reads bar codes and says what they say.

use std::collections::HashMap;
use std::time::Duration;

use anabranch_codes::{Code, CodeType, Luma, Reader};
use anabranch_kit::analyzer::{Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The types of code that are read; all if the list is empty. Fewer types cost less.
    pub formats: Vec<CodeType>,
    /// Looks per second, at most; codes are followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// Whether it looks at every picture until it has found a code; then, and while codes are in view, at `rate`.
    #[schemars(extend("x-live" = true))]
    pub eager: bool,
    /// The longer side of the picture that is looked at, in pixels; more reads smaller codes and costs more. The lines of
    /// a code should be 2 pixels wide.
    #[schemars(range(min = 64, max = 7680), extend("x-live" = true))]
    pub size: u32,
    /// Whether a picture in which nothing is found is looked at in all ways at once (larger or smaller, turned, inverted),
    /// which takes several times as long; otherwise in one more way each time.
    pub thorough: bool,
    /// Codes in one picture, at most.
    #[schemars(range(min = 1, max = 64))]
    pub max_codes: u32,
    /// A code that stays in view is told again after this many milliseconds.
    #[schemars(range(min = 0, max = 3_600_000), extend("x-live" = true))]
    pub repeat_ms: u32,
    /// How long a code's place is kept that is not read any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            formats: Vec::new(),
            rate: 8.0,
            eager: false,
            size: 1280,
            thorough: false,
            max_codes: 8,
            repeat_ms: 1000,
            hold_ms: 400,
        }
    }
}

/// A code was read: for the first time, again after `repeat_ms`, or with another text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CodeFound {
    /// Its type, such as `qr` or `ean-13`.
    code_type: CodeType,
    /// Its text.
    value: String,
    /// Where it is.
    region: Place,
}

/// A place in the picture, relative to the picture.
#[derive(Debug, Serialize, JsonSchema)]
struct Place {
    /// Left edge.
    x: f32,
    /// Top edge.
    y: f32,
    /// Width.
    width: f32,
    /// Height.
    height: f32,
}

/// The analyser.
pub struct BarcodeDetector {
    reader: Reader,
    told: Told,
    /// When a code was read last.
    read: Option<gst::ClockTime>,
}

/// When each code was told last.
#[derive(Default)]
struct Told(HashMap<(CodeType, String), gst::ClockTime>);

impl Told {
    /// Whether it is time to tell of a code that was read at that time.
    fn is_due(&mut self, code: &Code, time: gst::ClockTime, repeat: gst::ClockTime) -> bool {
        // After a jump back in the film nothing has been told.
        self.0.retain(|_, last| *last <= time && time - *last < repeat);
        let key = (code.code_type, code.value.clone());
        let due = !self.0.contains_key(&key);
        if due {
            self.0.insert(key, time);
        }
        due
    }
}

/// The label of the regions.
const LABEL: &str = "code";

impl VideoAnalyzer for BarcodeDetector {
    type Params = Params;
    type Report = ();
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Gray8,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
    ];
    const LABEL: &'static str = LABEL;

    fn new(params: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        let reader = Reader::new(&params.formats, params.thorough, params.max_codes as usize);
        Ok(BarcodeDetector { reader, told: Told::default(), read: None })
    }

    fn sampling(params: &Params) -> Sampling {
        Sampling {
            longest: params.size as usize,
            rate: if params.eager { f64::INFINITY } else { params.rate },
            tracking: TrackOptions {
                threshold: 0.5,
                // A code that is not looked for cannot be lost.
                hold: Duration::from_millis(params.hold_ms.into()) + Duration::from_secs_f64(1.0 / params.rate),
            },
        }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let time = ctx.pts().unwrap_or_default();
        if params.eager && self.read.is_some_and(|read| read <= time && time < read + pause(params)) {
            return Err(FilterError::SkipFrame);
        }
        let picture = Luma::of_rgb(sample.width, sample.height, &sample.rgb);
        let codes = self.reader.read(&picture);
        if !codes.is_empty() {
            self.read = Some(time);
        }
        let repeat = gst::ClockTime::from_mseconds(params.repeat_ms.into());
        for code in codes {
            let region = region(&code, sample.width as f32, sample.height as f32);
            if self.told.is_due(&code, time, repeat) {
                let Region { x, y, width, height, .. } = region;
                let place = Place { x, y, width, height };
                ctx.emit(CodeFound { code_type: code.code_type, value: code.value, region: place });
            }
            ctx.add_region(region);
        }
        Ok(())
    }

    fn take_over(&mut self, old: Self) {
        self.told = old.told;
    }
}

/// From one look to the next.
fn pause(params: &Params) -> gst::ClockTime {
    // A hair early is in time: frame times are rounded.
    gst::ClockTime::from_seconds_f64((1.0 / params.rate.max(0.1) - 0.002).max(0.0))
}

/// A code's box and corners, relative to the picture.
fn region(code: &Code, width: f32, height: f32) -> Region {
    let corners = code.corners.map(|[x, y]| [(x + 0.5) / width, (y + 0.5) / height]);
    let side = |axis: usize, best: fn(f32, f32) -> f32, start: f32| {
        corners.iter().map(|p| p[axis]).fold(start, best).clamp(0.0, 1.0)
    };
    let (left, top) = (side(0, f32::min, 1.0), side(1, f32::min, 1.0));
    let (right, bottom) = (side(0, f32::max, 0.0), side(1, f32::max, 0.0));
    let attributes = [("code_type", code.code_type.name()), ("value", code.value.as_str())];
    Region {
        label: LABEL.into(),
        x: left,
        y: top,
        width: right - left,
        height: bottom - top,
        score: 1.0,
        keypoints: corners.to_vec(),
        attributes: attributes.map(|(name, text)| (name.to_owned(), text.into())).into_iter().collect(),
        ..Region::default()
    }
}

register_analyzer!(
    BarcodeDetector,
    name: "barcode-detector",
    type_name: "AbBarcodeDetector",
    summary: "Reads bar codes: QR and other areas of dots, EAN and other lines; never delays the video",
    author: "The Anabranch developers",
    doc: "Reads QR codes, Micro QR and rMQR, Data Matrix, Aztec, PDF417, EAN-13 and -8, UPC-A and -E, Code 128, 39 and \
          93, Interleaved 2 of 5, Codabar and GS1 DataBar (Expanded and Limited too), several at once and at any angle, \
          and says what they say by the event `code-found`: once, and again each `repeat_ms` while the code stays in \
          view.\n\n\
          It looks at some pictures on a thread of its own; between looks codes are followed. A picture in which \
          nothing is found is looked at in another way each time: twice as large (tiny codes, noise; pictures of up to \
          640x480) or half as large, turned in steps of 15 degrees (lines and PDF417 at a slant), and inverted (lines \
          that are white on black).\n\n\
          Each code is a region on the frames: its four corners, and the attributes `code_type` and `value`.",
    events: [CodeFound],
    example: "player uri=codes.mp4 -> barcode-detector formats=qr -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_codes::{View, draw};

    anabranch_kit::filter_tests!(super::BarcodeDetector);

    /// What it says when it looks at a picture each 40 ms.
    fn events(params: &Params, pictures: &[&Luma]) -> Vec<(usize, String)> {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Gray8, 320, 240).build().unwrap();
        let mut detector = BarcodeDetector::new(params, &info).unwrap();
        let mut said = Vec::new();
        for (n, picture) in pictures.iter().enumerate() {
            let rgb = picture.pixels.iter().flat_map(|p| [*p; 3]).collect();
            let sample = Sample { width: picture.width, height: picture.height, rgb };
            let mut ctx = Context::at(gst::ClockTime::from_mseconds(40 * n as u64), n as u64, Vec::new());
            match detector.analyze(params, &sample, &mut ctx) {
                Ok(()) | Err(FilterError::SkipFrame) => {}
                Err(error) => panic!("{error}"),
            }
            let events = ctx.take_events().into_iter();
            said.extend(events.map(|(name, data)| {
                assert_eq!((name.as_str(), &data["code_type"]), ("code-found", &"qr".into()));
                (n, data["value"].as_str().unwrap().to_owned())
            }));
        }
        said
    }

    fn qr(text: &str) -> Luma {
        draw(CodeType::Qr, text, &View::default(), 160, 120, 1)
    }

    #[test]
    fn a_code_is_told_at_once_and_again_after_a_while() {
        let (a, b) = (qr("a"), qr("b"));
        let params = Params { formats: vec![CodeType::Qr], repeat_ms: 200, ..Params::default() };
        let shown = [&a, &a, &a, &b, &b, &a, &a, &a];
        let said = events(&params, &shown);
        let expected = [(0, "a"), (3, "b"), (5, "a")].map(|(n, text)| (n, text.to_owned()));
        assert_eq!(said, expected);
    }

    #[test]
    fn an_eager_one_looks_at_everything_until_there_is_a_code() {
        let (empty, a, b) = (draw(CodeType::Qr, "x", &View { contrast: 0.0, ..View::default() }, 160, 120, 1), qr("a"), qr("b"));
        let params =
            Params { formats: vec![CodeType::Qr], eager: true, rate: 10.0, repeat_ms: 0, ..Params::default() };
        // Found in the second picture; then it looks after 120, 240, ... ms.
        let said = events(&params, &[&empty, &a, &b, &b, &a, &b, &b, &a]);
        let expected = [(1, "a"), (4, "a"), (7, "a")].map(|(n, text)| (n, text.to_owned()));
        assert_eq!(said, expected);
        assert_eq!(BarcodeDetector::sampling(&params).rate, f64::INFINITY);
    }

    #[test]
    fn regions_tell_where_and_what() {
        let code = Code {
            code_type: CodeType::Ean8,
            value: "96385074".into(),
            corners: [[9.5, 19.5], [49.5, 19.5], [49.5, 39.5], [9.5, 39.5]],
        };
        let region = region(&code, 100.0, 50.0);
        assert_eq!((region.x, region.y, region.width, region.height), (0.1, 0.4, 0.4, 0.4));
        assert_eq!(region.keypoints.len(), 4);
        assert_eq!(region.attributes["code_type"], "ean-8");
        assert_eq!(region.attributes["value"], "96385074");
    }
}
