//! Runs anybody's ONNX model: a YAML file says what its input is and what its outputs mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anabranch_kit::analyzer::{Sampling, VideoAnalyzer};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::inference::Backend;
use anabranch_kit::models;
use anabranch_kit::register_analyzer;
use anabranch_kit::regions::Region;
use anabranch_kit::results::Detection;
use anabranch_kit::sample::Sample;
use anabranch_kit::track::TrackOptions;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nets::told::Told;
use crate::nets::{Net, Spec, net_error, spec_of};

/// The filter's properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The model: an ONNX file with one input of 32-bit numbers, or the name of a model of `anabranch models list`.
    #[schemars(extend("x-required" = true))]
    pub model: Option<String>,
    /// The YAML file that describes the model's input and outputs; without it a `.modelinfo` beside the model is read.
    pub spec: Option<String>,
    /// How sure the model must be, 0 to 1; 0: what the spec says.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Looks per second, at most; what was found is followed in between.
    #[schemars(range(min = 0.1, max = 60.0), extend("x-live" = true))]
    pub rate: f64,
    /// The longer side of the copy of the picture from which the model's input is made, in pixels.
    #[schemars(range(min = 16, max = 4096), extend("x-live" = true))]
    pub size: u32,
    /// How long a thing is kept that is not found any more, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub hold_ms: u32,
    /// The engine that runs the model.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            model: None,
            spec: None,
            threshold: 0.0,
            rate: 10.0,
            size: 640,
            hold_ms: 400,
            backend: Backend::Auto,
        }
    }
}

impl Params {
    fn read(&self) -> Result<(PathBuf, Spec), FilterError> {
        let model = self.model.as_deref().filter(|m| !m.is_empty());
        let model = model.ok_or_else(|| FilterError::fatal("set 'model' to an ONNX file"))?;
        let model = match models::list().iter().any(|m| m.name == model) {
            true => models::path(model).map_err(FilterError::fatal)?,
            false => PathBuf::from(model),
        };
        let spec = self.spec.as_deref().filter(|s| !s.is_empty()).map(Path::new);
        let spec = spec_of(&model, spec).map_err(FilterError::Fatal)?;
        Ok((model, spec))
    }
}

/// Things came or went, or it is time to say where they are.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Detections {
    /// How many there are.
    count: usize,
    /// What and where they are.
    detections: Vec<Detection>,
}

/// The analyser.
pub struct OnnxFilter {
    network: Net,
    /// The spec's own.
    threshold: f32,
}

impl VideoAnalyzer for OnnxFilter {
    type Params = Params;
    type Report = Told;
    const FORMATS: &'static [VideoFormat] = &[
        VideoFormat::I420,
        VideoFormat::Nv12,
        VideoFormat::Rgba,
        VideoFormat::Bgra,
        VideoFormat::Gray8,
    ];
    const LABEL: &'static str = "onnx";

    fn check(params: &Params) -> Result<(), FilterError> {
        params.read().map(|_| ())
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let (model, spec) = params.read()?;
        let threshold = spec.wish.threshold;
        let mut network = Net::new(&model, spec, params.backend);
        let size = params.size as usize;
        let (width, height) =
            anabranch_kit::sample::fit(info.width() as usize, info.height() as usize, size);
        network.prepare(width, height).map_err(FilterError::fatal)?;
        Ok(OnnxFilter { network, threshold })
    }

    fn sampling(params: &Params) -> Sampling {
        // What the model says counts: the tracker only follows.
        let tracking =
            TrackOptions { threshold: 0.0, hold: Duration::from_millis(params.hold_ms.into()) };
        Sampling { longest: params.size as usize, rate: params.rate, tracking }
    }

    fn analyze(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        let wanted = params.threshold as f32;
        self.network.wish().threshold = if wanted > 0.0 { wanted } else { self.threshold };
        self.network.look(sample).map_err(net_error)?.into_iter().for_each(|thing| ctx.add_region(thing));
        Ok(())
    }

    fn report(told: &mut Told, regions: &[Region], time: gst::ClockTime, ctx: &mut Context) {
        if told.is_due(regions.len(), time) {
            let detections = regions.iter().map(Detection::from).collect();
            ctx.emit(Detections { count: regions.len(), detections });
        }
    }
}

register_analyzer!(
    OnnxFilter,
    name: "onnx-filter",
    type_name: "AbOnnxFilter",
    summary: "Runs an ONNX model that a YAML file describes, without a line of code",
    author: "The Anabranch developers",
    doc: "Runs an ONNX model on the video and puts what it finds on the frames as metadata and into events. A YAML file \
          says how a picture becomes the model's input (size, colours, normalisation, layout, letterbox) and to which \
          family it belongs: retinaface, centerface, yunet, ssd-anchors, yolox, yolov8-like, nanodet, heatmap, classifier, \
          segmentation or ctc-ocr; further labels, thresholds and what counts as the same thing. Examples are in \
          `pipelines/specs`. If there is no YAML file, a `.modelinfo` beside the model is read, as by GStreamer's own \
          elements for inference.\n\n\
          A classifier's regions are all of the picture; a segmentation's regions are the boxes around its classes, with \
          their part of the picture as the attribute `share`; a reader's text is the attribute `text`.\n\n\
          `anabranch models check model.onnx --spec spec.yaml --image photo.jpg` says whether a model runs, what it finds \
          and how long it takes.",
    events: [Detections],
    example: "player uri=street.mp4 -> onnx-filter model=people.onnx spec=people.yaml -> null-sink",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use anabranch_kit::onnx::{Attribute, Builder};

    use super::*;

    anabranch_kit::filter_tests!(
        super::OnnxFilter,
        [requires: anabranch_kit::inference::backends().first().ok_or("there is no engine")],
        model = super::tests::colours().0,
        spec = super::tests::colours().1
    );

    /// A model that says whether a picture is red, green or blue: the mean of each colour. And its spec.
    pub(super) fn colours() -> (String, String) {
        static FILES: std::sync::OnceLock<(String, String)> = std::sync::OnceLock::new();
        FILES
            .get_or_init(|| {
                let folder = std::env::temp_dir().join(format!("anabranch-onnx-filter-{}", std::process::id()));
                std::fs::create_dir_all(&folder).unwrap();
                let mut model = Builder::new();
                model.input("picture", &[1, 3, 8, 8]);
                model.node("GlobalAveragePool", &["picture"], "means", &[]);
                model.node("Flatten", &["means"], "scores", &[Attribute::int("axis", 1)]);
                model.output("scores", &[1, 3]);
                let (onnx, yaml) = (folder.join("colours.onnx"), folder.join("colours.yaml"));
                std::fs::write(&onnx, model.finish()).unwrap();
                let spec = "type: classifier\ninput: {size: [8, 8], scale: 0.0392}\nlabels: [red, green, blue]\n";
                std::fs::write(&yaml, spec).unwrap();
                (onnx.to_str().unwrap().to_owned(), yaml.to_str().unwrap().to_owned())
            })
            .clone()
    }

    fn params() -> Params {
        let (model, spec) = colours();
        Params { model: Some(model), spec: Some(spec), ..Params::default() }
    }

    #[test]
    fn a_model_is_run_as_its_spec_says_on_every_engine() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Rgba, 64, 48).build().unwrap();
        for backend in anabranch_kit::inference::backends() {
            let params = Params { backend, ..params() };
            let mut filter = OnnxFilter::new(&params, &info).unwrap();
            let sample = Sample { width: 64, height: 48, rgb: [20, 200, 30].repeat(64 * 48) };
            let mut ctx = Context::default();
            filter.analyze(&params, &sample, &mut ctx).unwrap();
            let found = ctx.take_added();
            assert_eq!(found.len(), 1, "{backend:?}");
            assert_eq!((found[0].label.as_str(), found[0].width), ("green", 1.0));
            assert!(found[0].score > 0.95);
        }
    }

    #[test]
    fn what_is_wrong_is_said_before_anything_starts() {
        let check = |model: Option<String>, spec: Option<String>| {
            OnnxFilter::check(&Params { model, spec, ..Params::default() }).unwrap_err().to_string()
        };
        assert!(check(None, None).contains("'model'"));
        let (model, spec) = colours();
        assert!(check(Some("/none.onnx".into()), None).starts_with("/none.onnx: "));
        assert!(check(Some(spec.clone()), Some(spec.clone())).contains("is not an ONNX file"));
        let missing = check(Some(model.clone()), None);
        assert!(missing.contains("colours.modelinfo") && missing.contains("'spec'"), "{missing}");
        assert!(check(Some(model), Some("/none.yaml".into())).starts_with("/none.yaml: "));
    }
}
