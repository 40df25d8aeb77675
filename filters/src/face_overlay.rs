//! Puts a picture on every face: the magic mirror.

use std::collections::HashMap;

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
use crate::sprite::{self, Painter, Placement, Sprite};

/// The properties. The defaults put a hat on a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The picture: a PNG file with transparency, or JPEG.
    #[schemars(extend("x-required" = true))]
    pub image: Option<String>,
    /// Left edge of the picture relative to the face: 0 is the face's left edge, 1 is its right edge.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub offset_x: f64,
    /// Upper edge of the picture relative to the face: 0 is the face's upper edge, 1 is its lower edge.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub offset_y: f64,
    /// Width of the picture relative to the face's.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub width: f64,
    /// Height of the picture relative to the face's; 0 keeps the picture's shape.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub height: f64,
    /// Whether the picture tilts with the head.
    #[schemars(extend("x-live" = true))]
    pub tilt: bool,
    /// 0 is invisible, 1 is as in the file.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub opacity: f64,
    /// How sure the detector must be of a new face, 0 to 1.
    #[schemars(range(min = 0.3, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Looks for faces per second, at most; faces are followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// The longer side of the picture in which faces are looked for, in pixels; more finds smaller faces and costs more.
    #[schemars(range(min = 64, max = 1920), extend("x-live" = true))]
    pub size: u32,
    /// How long a face is kept that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// The engine that runs the neural network.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        let detector = face_detector::Params::default();
        Params {
            image: None,
            offset_x: -0.45,
            offset_y: -1.0,
            width: 1.9,
            height: 1.1,
            tilt: true,
            opacity: 1.0,
            threshold: detector.threshold,
            rate: detector.rate,
            size: detector.size,
            hold_ms: detector.hold_ms,
            backend: detector.backend,
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
pub struct FaceOverlay {
    sprite: Sprite,
    finder: Finder,
    /// One painter per face, so that a face that rests costs no new layout.
    painters: HashMap<u64, Painter>,
}

impl VideoFilter for FaceOverlay {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];

    fn check(params: &Params) -> Result<(), FilterError> {
        sprite::check(params.image.as_deref())?;
        FaceDetector::check(&params.detector())
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        Ok(FaceOverlay {
            sprite: Sprite::load(params.image.as_deref(), info)?,
            finder: Finder::new(params.detector(), info)?,
            painters: HashMap::new(),
        })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        let mut faces = self.finder.find(params.detector(), frame, ctx)?;
        let (width, height) = (frame.width() as f64, frame.height() as f64);
        // Small (far) faces first, so that near ones are drawn over them.
        faces.sort_by(|a, b| a.height.total_cmp(&b.height));
        self.painters.retain(|id, _| faces.iter().any(|f| f.track == Some(*id)));
        for face in &faces {
            let place = place(params, face, self.sprite.aspect(), width, height);
            let painter = self.painters.entry(face.track.unwrap_or_default()).or_default();
            painter.draw(&self.sprite, &place, frame);
        }
        Ok(())
    }
}

/// Where the picture goes on a face.
fn place(params: &Params, face: &Region, aspect: f64, frame_width: f64, frame_height: f64) -> Placement {
    let (face_width, face_height) = (f64::from(face.width) * frame_width, f64::from(face.height) * frame_height);
    let (x, y) = face.centre();
    let (x, y) = (f64::from(x) * frame_width, f64::from(y) * frame_height);
    let width = params.width * face_width;
    let height = if params.height > 0.0 { params.height * face_height } else { width / aspect };
    // From the face's centre to the picture's, upright.
    let right = (params.offset_x - 0.5) * face_width + width / 2.0;
    let down = (params.offset_y - 0.5) * face_height + height / 2.0;
    let angle = if params.tilt { tilt(face, face_width, frame_width, frame_height) } else { 0.0 };
    let (sin, cos) = angle.sin_cos();
    Placement {
        x: x + right * cos - down * sin,
        y: y + right * sin + down * cos,
        width,
        height,
        angle,
        opacity: params.opacity,
    }
}

/// The angle of the line through the eyes, clockwise, in radians.
fn tilt(face: &Region, face_width: f64, frame_width: f64, frame_height: f64) -> f64 {
    let [left, right, ..] = face.keypoints.as_slice() else { return 0.0 };
    let across = f64::from(right[0] - left[0]) * frame_width;
    let down = f64::from(right[1] - left[1]) * frame_height;
    // In profile the eyes are close together and say little.
    let apart = across.hypot(down) / face_width.max(1.0);
    down.atan2(across) * (apart / 0.25).clamp(0.0, 1.0)
}

register_filter!(
    FaceOverlay,
    name: "face-overlay",
    type_name: "AbFaceOverlay",
    summary: "Puts a picture on every face: hats, glasses, masks",
    author: "The Anabranch developers",
    doc: "Puts a PNG file with transparency on every face of the video. Place and size are relative to the face's box, \
          as in Kurento's FaceOverlayFilter; the picture tilts with the head.\n\n\
          If there is a `face-detector` upstream its faces are used, otherwise the filter looks for them itself, on a \
          thread of its own: the video never waits for the detector.\n\n\
          It needs a model: `anabranch models install retinaface-mnet025`.",
    events: [Faces],
    example: "player uri=people.mp4 -> face-overlay image=hat.png -> recorder location=hats.webm",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::LABEL;

    anabranch_kit::filter_tests!(
        super::FaceOverlay,
        [requires: anabranch_kit::inference::check(crate::faces::MODEL, anabranch_kit::inference::Backend::Auto)],
        image = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png")
    );

    fn face() -> Region {
        Region {
            label: LABEL.into(),
            x: 0.4,
            y: 0.4,
            width: 0.2,
            height: 0.2,
            keypoints: vec![[0.45, 0.45], [0.55, 0.45], [0.5, 0.5], [0.46, 0.55], [0.54, 0.55]],
            ..Region::default()
        }
    }

    #[test]
    fn the_picture_sits_relative_to_the_face() {
        let params =
            Params { offset_x: -0.35, offset_y: -1.2, width: 1.6, height: 1.6, ..Params::default() };
        let placed = place(&params, &face(), 1.0, 100.0, 100.0);
        assert!((placed.x - (40.0 - 7.0 + 16.0)).abs() < 1e-4, "{placed:?}");
        assert!((placed.y - (40.0 - 24.0 + 16.0)).abs() < 1e-4);
        assert!((placed.width - 32.0).abs() < 1e-4 && placed.angle == 0.0);
        let kept = place(&Params { height: 0.0, ..params }, &face(), 2.0, 100.0, 100.0);
        assert!((kept.height - 16.0).abs() < 1e-4);
    }

    #[test]
    fn it_tilts_with_the_eyes_about_the_faces_centre() {
        // A head that leans to the right of the picture by 90 degrees: the top of the head is on the right.
        let mut leaning = face();
        leaning.keypoints[0] = [0.55, 0.45];
        leaning.keypoints[1] = [0.55, 0.55];
        let params = Params::default();
        let upright = place(&params, &face(), 1.0, 100.0, 100.0);
        let placed = place(&params, &leaning, 1.0, 100.0, 100.0);
        assert!((placed.angle - std::f64::consts::FRAC_PI_2).abs() < 1e-6);
        assert!((placed.x - 50.0 - (50.0 - upright.y)).abs() < 1e-4, "{placed:?} {upright:?}");
        assert!((placed.y - upright.x).abs() < 1e-4);
        let fixed = place(&Params { tilt: false, ..params }, &leaning, 1.0, 100.0, 100.0);
        assert_eq!(fixed, upright);
    }

    #[test]
    fn a_face_without_landmarks_is_upright() {
        let plain = Region { keypoints: Vec::new(), ..face() };
        assert_eq!(place(&Params::default(), &plain, 1.0, 640.0, 480.0).angle, 0.0);
    }
}
