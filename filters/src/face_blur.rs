//! Makes faces unrecognisable.

use anabranch_kit::analyzer::VideoAnalyzer;
use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::inference::Backend;
use anabranch_kit::register_filter;
use anabranch_kit::regions::Region;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::face_detector::{self, FaceDetector, Faces};
use crate::faces::finder::Finder;
use crate::mosaic::{self, Area, Style};

/// How faces are hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Large blocks.
    #[default]
    Pixelate,
    /// The same blocks blended into each other; as little is left of the face.
    Blur,
}

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How faces are hidden: pixelate or blur.
    #[schemars(extend("x-live" = true))]
    pub effect: Effect,
    /// Blocks across a face; fewer hide more.
    #[schemars(range(min = 1, max = 16), extend("x-live" = true))]
    pub blocks: u32,
    /// How much larger than the face the hidden part is, on each side, relative to the face: hair, ears and chin too.
    #[schemars(range(min = 0.0, max = 2.0), extend("x-live" = true))]
    pub margin: f64,
    /// How sure the detector must be of a new face, 0 to 1; a low value hides rather too much than too little.
    #[schemars(range(min = 0.3, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Looks for faces per second, at most; faces are followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// The longer side of the picture in which faces are looked for, in pixels; more finds smaller faces and costs more.
    #[schemars(range(min = 64, max = 1920), extend("x-live" = true))]
    pub size: u32,
    /// How long a face stays hidden that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// The engine that runs the neural network.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            effect: Effect::Pixelate,
            blocks: 5,
            margin: 0.3,
            threshold: 0.45,
            rate: 15.0,
            size: 480,
            hold_ms: 1000,
            backend: Backend::Auto,
        }
    }
}

impl Params {
    fn detector(&self) -> face_detector::Params {
        face_detector::Params {
            threshold: self.threshold,
            rate: self.rate,
            size: self.size,
            hold_ms: self.hold_ms,
            backend: self.backend,
        }
    }
}

/// The filter.
pub struct FaceBlur {
    finder: Finder,
}

impl VideoFilter for FaceBlur {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];

    fn check(params: &Params) -> Result<(), FilterError> {
        FaceDetector::check(&params.detector())
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        Ok(FaceBlur { finder: Finder::new(params.detector(), info)? })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        let style = match params.effect {
            Effect::Pixelate => Style::Blocks,
            Effect::Blur => Style::Blended,
        };
        for face in self.finder.find(params.detector(), frame, ctx)? {
            let area = area(&face, params.margin as f32, frame.width(), frame.height());
            mosaic::cover(frame, area, params.blocks as usize, style);
        }
        Ok(())
    }
}

/// The face with a margin, in whole pixels, even where chroma has half the resolution.
fn area(face: &Region, margin: f32, width: usize, height: usize) -> Area {
    // The face's box is upright; a head that leans reaches over its narrower sides.
    let reach = margin * face.width.max(face.height * height as f32 / width.max(1) as f32);
    let across = reach.max(margin * face.width);
    let down = (margin * face.height).max(reach * width as f32 / height.max(1) as f32);
    let low = |v: f32, size: usize| ((v * size as f32).floor().max(0.0) as usize).min(size) & !1;
    let high = |v: f32, size: usize| ((v * size as f32).ceil().max(0.0) as usize).next_multiple_of(2).min(size);
    Area {
        left: low(face.x - across, width),
        top: low(face.y - down, height),
        right: high(face.x + face.width + across, width),
        bottom: high(face.y + face.height + down, height),
    }
}

register_filter!(
    FaceBlur,
    name: "face-blur",
    type_name: "AbFaceBlur",
    summary: "Makes every face unrecognisable: large blocks or a strong blur",
    author: "The Anabranch developers",
    doc: "Hides every face of the video under a few large blocks or under a blur that is made of them, with a margin for \
          hair, ears and chin. Nothing but the blocks' mean colours is left of what they hide.\n\n\
          If there is a `face-detector` upstream its faces are used, otherwise the filter looks for them itself, on a \
          thread of its own. A face is hidden from the moment at which it is found, some hundredths of a second after it \
          appears; where nothing at all may be seen, delay the video or use `margin` and `hold-ms`. It prefers hiding \
          too much: `threshold` is lower and `hold-ms` longer than the detector's own. But frames pass as they are while \
          the filter is in trouble (`filter-trouble`).\n\n\
          It needs a model: `anabranch models install retinaface-mnet025`.",
    events: [Faces],
    example: "player uri=people.mp4 -> face-blur effect=pixelate -> recorder location=private.webm",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use anabranch_kit::sample::Sample;

    use super::*;
    use crate::faces::MODEL;
    use crate::nets::{Net, read_picture};

    anabranch_kit::filter_tests!(
        super::FaceBlur,
        [requires: anabranch_kit::inference::check(crate::faces::MODEL, anabranch_kit::inference::Backend::Auto)]
    );

    #[test]
    fn the_hidden_part_is_larger_than_the_face_and_even() {
        let face = Region { x: 0.4, y: 0.4, width: 0.1, height: 0.2, ..Region::default() };
        let area = area(&face, 0.5, 101, 101);
        assert_eq!((area.left % 2, area.top % 2), (0, 0));
        assert!(area.left <= 31 && area.right >= 60 && area.top <= 31 && area.bottom >= 70, "{area:?}");
        let corner = Region { x: 0.95, y: -0.2, width: 0.3, height: 0.3, ..Region::default() };
        let clipped = super::area(&corner, 0.3, 64, 48);
        assert!(clipped.right == 64 && clipped.top == 0 && !clipped.is_empty());
        let outside = Region { x: 2.0, y: 2.0, width: 0.1, height: 0.1, ..Region::default() };
        assert!(super::area(&outside, 0.3, 64, 48).is_empty());
    }

    /// The RGBA frame of a picture.
    fn frame_of(picture: &Sample) -> gst_video::VideoFrame<gst_video::video_frame::Writable> {
        let (width, height) = (picture.width as u32, picture.height as u32);
        let info = VideoInfo::builder(VideoFormat::Rgba, width, height).build().unwrap();
        let rgba: Vec<u8> = picture.rgb.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
        gst_video::VideoFrame::from_buffer_writable(gst::Buffer::from_mut_slice(rgba), &info).unwrap()
    }

    #[test]
    fn hidden_faces_are_not_found_again_and_the_rest_stays() {
        gst::init().unwrap();
        let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/samples/sample3.jpg");
        let (Ok(photo), Ok(path)) = (read_picture(photo.as_ref()), anabranch_kit::models::path(MODEL)) else {
            eprintln!("skipped: the samples or the model are not there; run: make samples models");
            return;
        };
        let mut net = Net::new(&path, crate::faces::spec(640, 0.5), Backend::Auto);
        let faces = net.look(&photo).unwrap();
        assert_eq!(faces.len(), 3, "the people in the photo");
        let params = Params::default();
        for style in [Style::Blocks, Style::Blended] {
            let mut mapped = frame_of(&photo);
            let mut frame = Frame::new(&mut mapped, None, 0);
            let areas: Vec<Area> =
                faces.iter().map(|f| area(f, params.margin as f32, photo.width, photo.height)).collect();
            areas.iter().for_each(|a| mosaic::cover(&mut frame, *a, params.blocks as usize, style));
            let hidden = Sample::take(&frame.picture(), photo.width.max(photo.height));
            let again = net.look(&hidden).unwrap();
            assert!(again.is_empty(), "{style:?}: {again:?}");
            for (at, (before, after)) in photo.rgb.chunks(3).zip(hidden.rgb.chunks(3)).enumerate() {
                let (x, y) = (at % photo.width, at / photo.width);
                let inside = areas.iter().any(|a| (a.left..a.right).contains(&x) && (a.top..a.bottom).contains(&y));
                assert!(inside || before == after, "{x} {y}");
            }
        }
    }

    #[test]
    fn nothing_but_means_is_left() {
        gst::init().unwrap();
        let rgb = (0..64 * 64).flat_map(|n: usize| [(n * 37 % 256) as u8; 3]).collect();
        let mut mapped = frame_of(&Sample { width: 64, height: 64, rgb });
        let mut frame = Frame::new(&mut mapped, None, 0);
        mosaic::cover(&mut frame, Area { left: 8, top: 8, right: 48, bottom: 40 }, 4, Style::Blocks);
        let picture = Sample::take(&frame.picture(), 64);
        let inside = (8..40).flat_map(|y| (8..48).map(move |x| 3 * (64 * y + x)));
        let colours: std::collections::BTreeSet<u8> = inside.map(|at| picture.rgb[at]).collect();
        assert!(colours.len() <= 5 * 4, "{} different values in 5 x 4 blocks", colours.len());
    }
}
