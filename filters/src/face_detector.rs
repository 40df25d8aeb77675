//! Finds faces and puts them on the frames, for filters downstream and as events.

use anabranch_kit::analyzer::{Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::inference::{self, Backend};
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::faces::{LABEL, MODEL};
use crate::nets::told::Told;
use crate::nets::{Net, net_error};

/// What a face must have to be told to the tracker; it decides by `threshold` which ones are new faces.
const LEAST_SCORE: f32 = 0.3;

/// The detector's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How sure the detector must be of a new face, 0 to 1.
    #[schemars(range(min = 0.3, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Looks per second, at most; faces are followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// The longer side of the picture that is looked at, in pixels; more finds smaller faces and costs more.
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
        Params { threshold: 0.6, rate: 10.0, size: 320, hold_ms: 400, backend: Backend::Auto }
    }
}

/// Faces came or went, or it is time to say where they are.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Faces {
    /// How many faces there are.
    count: usize,
    /// The faces.
    faces: Vec<Face>,
}

/// One face. Coordinates are relative to the picture.
#[derive(Debug, Serialize, JsonSchema)]
struct Face {
    /// The number that follows this face from picture to picture.
    id: u64,
    /// Left edge.
    x: f32,
    /// Top edge.
    y: f32,
    /// Width.
    width: f32,
    /// Height.
    height: f32,
    /// How sure the detector is.
    score: f32,
}

/// The analyser.
pub struct FaceDetector {
    network: Net,
    backend: Backend,
    size: u32,
}

impl FaceDetector {
    fn network(params: &Params) -> Result<Net, FilterError> {
        let spec = crate::faces::spec(params.size as usize, LEAST_SCORE);
        Net::installed(MODEL, spec, params.backend).map_err(FilterError::fatal)
    }
}

impl VideoAnalyzer for FaceDetector {
    type Params = Params;
    type Report = Told;
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = LABEL;

    fn check(params: &Params) -> Result<(), FilterError> {
        inference::check(MODEL, params.backend).map_err(FilterError::fatal)
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let mut network = Self::network(params)?;
        // Loaded now, so that the first picture does not wait for it.
        network.prepare(info.width() as usize, info.height() as usize).map_err(FilterError::fatal)?;
        Ok(FaceDetector { network, backend: params.backend, size: params.size })
    }

    fn sampling(params: &Params) -> Sampling {
        Sampling {
            longest: params.size as usize,
            rate: params.rate,
            tracking: TrackOptions {
                threshold: params.threshold as f32,
                hold: Duration::from_millis(params.hold_ms.into()),
            },
        }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        if (self.size, self.backend) != (params.size, params.backend) {
            self.network = Self::network(params)?;
            (self.size, self.backend) = (params.size, params.backend);
        }
        self.network.look(sample).map_err(net_error)?.into_iter().for_each(|face| ctx.add_region(face));
        Ok(())
    }

    fn report(told: &mut Told, regions: &[Region], time: gst::ClockTime, ctx: &mut Context) {
        if !told.is_due(regions.len(), time) {
            return;
        }
        let faces = regions.iter().map(|r| Face {
            id: r.track.unwrap_or_default(),
            x: r.x,
            y: r.y,
            width: r.width,
            height: r.height,
            score: r.score,
        });
        ctx.emit(Faces { count: regions.len(), faces: faces.collect() });
    }
}

register_analyzer!(
    FaceDetector,
    name: "face-detector",
    type_name: "AbFaceDetector",
    summary: "Finds faces and follows them; never delays the video",
    author: "The Anabranch developers",
    doc: "Finds faces with the neural network RetinaFace-MobileNet0.25 and puts them on the frames as metadata: \
          box, score, a number that follows each face, and five landmarks (eyes, nose, corners of the mouth).\n\n\
          It looks at a small copy of some pictures, on a thread of its own; between looks faces are followed, so \
          that what is drawn on them moves smoothly. Video never waits for it.\n\n\
          It needs a model: `anabranch models install retinaface-mnet025`. With `anabranch models install \
          onnxruntime` it runs three times as fast.",
    events: [Faces],
    example: "player uri=people.mp4 -> face-detector -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    anabranch_kit::filter_tests!(
        super::FaceDetector,
        [requires: anabranch_kit::inference::check(crate::faces::MODEL, anabranch_kit::inference::Backend::Auto)]
    );
}
