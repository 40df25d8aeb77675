//! Replaces a backdrop of one colour by a picture.

use std::path::Path;

use anabranch_kit::command::{CommandError, CommandErrorKind, CommandResult};
use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keying::{Backdrop, Key, Keyer, Learning, Loader, Look, learn};
use crate::motion::polygon::Rectangle;
use crate::sprite;

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Where only the backdrop is to be seen while its colour is learnt, in pixels; without it, the upper corners of the
    /// picture.
    #[schemars(extend("x-live" = true))]
    pub calibration: Option<Rectangle>,
    /// From how many pictures the colour is learnt.
    #[schemars(range(min = 1, max = 10000), extend("x-live" = true))]
    pub calibration_frames: u32,
    /// The picture that is shown instead, a PNG or JPEG file; without it, black.
    #[schemars(extend("x-live" = true))]
    pub background: Option<String>,
    /// More takes more for backdrop; 0.5 is as it was learnt.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub tolerance: f64,
    /// How soft the edge between backdrop and foreground is.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub softness: f64,
    /// How much of the backdrop's light is taken out of the foreground.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub spill: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            calibration: None,
            calibration_frames: 60,
            background: None,
            tolerance: 0.5,
            softness: 0.5,
            spill: 1.0,
        }
    }
}

/// The colour of the backdrop has been learnt.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChromaCalibrated {
    /// From how many pictures.
    frames: u32,
}

/// The filter.
pub struct Chroma {
    info: VideoInfo,
    learning: Learning,
    learnt: u32,
    key: Option<Key>,
    keyer: Keyer,
    backdrop: Backdrop,
    loader: Loader,
    /// The picture that is shown or being loaded, as the property or a command named it.
    background: Option<String>,
    /// The property's last value: a command's picture stays until the property changes.
    property: Option<String>,
    calibration: Option<Rectangle>,
}

impl Chroma {
    fn calibrate(&mut self) {
        (self.learning, self.learnt) = (Learning::default(), 0);
    }

    fn show(&mut self, background: Option<String>) -> Result<(), FilterError> {
        self.background = background.filter(|path| !path.is_empty());
        match &self.background {
            Some(path) => self.loader.start(Path::new(path), &self.info),
            None => {
                self.loader.cancel();
                self.backdrop = Backdrop::black(&self.info);
                Ok(())
            }
        }
    }

    /// Learns from a picture while that is due.
    fn learn(&mut self, params: &Params, frame: &Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        if self.learnt >= params.calibration_frames {
            return Ok(());
        }
        let (width, height) = (frame.width(), frame.height());
        let rectangles = match params.calibration {
            Some(r) => {
                let [x, y, w, h] = [r.x, r.y, r.width, r.height].map(|v| v as usize);
                vec![[x.min(width), y.min(height), (x + w).min(width), (y + h).min(height)]]
            }
            None => {
                let (w, h) = ((width / 12).max(1), (height / 12).max(1));
                vec![[0, 0, w, h], [width - w, 0, width, h]]
            }
        };
        rectangles.into_iter().for_each(|rectangle| learn(&mut self.learning, frame, rectangle));
        self.learnt += 1;
        let key = self.learning.key();
        // Early on every picture may change the key; later it would only cost time.
        if self.learnt.is_power_of_two() || self.learnt == params.calibration_frames {
            self.key = key;
        }
        if self.learnt < params.calibration_frames {
            return Ok(());
        }
        if key.is_none() {
            return Err(FilterError::failed(
                "the calibration region has no colour that could be a backdrop; set 'calibration' to a part of the \
                 picture where only the backdrop is to be seen, and give the command 'calibrate'",
            ));
        }
        ctx.emit(ChromaCalibrated { frames: self.learnt });
        Ok(())
    }
}

impl VideoFilter for Chroma {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];
    const COMMANDS: &'static [&'static str] = &["calibrate", "set-background", "unset-background"];

    fn check(params: &Params) -> Result<(), FilterError> {
        match params.background.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => sprite::check(Some(path)),
            None => Ok(()),
        }
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let background = params.background.clone().filter(|path| !path.is_empty());
        let backdrop = match &background {
            Some(path) => Backdrop::load(path, info)?,
            None => Backdrop::black(info),
        };
        Ok(Chroma {
            info: info.clone(),
            learning: Learning::default(),
            learnt: 0,
            key: None,
            keyer: Keyer::default(),
            backdrop,
            loader: Loader::default(),
            background,
            property: params.background.clone(),
            calibration: params.calibration,
        })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        if self.property != params.background {
            self.property.clone_from(&params.background);
            self.show(params.background.clone())?;
        }
        if self.calibration != params.calibration {
            self.calibration = params.calibration;
            self.calibrate();
        }
        // A picture that cannot be read leaves the old one, and the video, as they are.
        let trouble = match self.loader.take() {
            Some(Ok(backdrop)) => {
                self.backdrop = backdrop;
                None
            }
            Some(Err(error)) => Some(FilterError::failed(error)),
            None => None,
        };
        let learnt = self.learn(params, frame, ctx);
        let Some(key) = &self.key else { return trouble.map_or(learnt, Err) };
        let look = Look { tolerance: params.tolerance, softness: params.softness, spill: params.spill };
        self.keyer.replace(frame, key, &look, &self.backdrop);
        trouble.map_or(learnt, Err)
    }

    fn command(&mut self, name: &str, arguments: &Value, _: &mut Context) -> CommandResult {
        let failed = |e: FilterError| CommandError::new(CommandErrorKind::Failed, "background", e.to_string());
        match name {
            "calibrate" => self.calibrate(),
            "unset-background" => self.show(None).map_err(failed)?,
            "set-background" => {
                let path = arguments.get("image").and_then(Value::as_str).ok_or_else(|| {
                    let text = "set-background wants an image: {\"image\": \"beach.jpg\"}";
                    CommandError::new(CommandErrorKind::InvalidInput, "no-image", text)
                })?;
                sprite::check(Some(path)).map_err(failed)?;
                self.show(Some(path.to_owned())).map_err(failed)?;
            }
            _ => return Err(CommandError::unknown(name)),
        }
        Ok(json!({}))
    }

    fn take_over(&mut self, old: Self) {
        (self.key, self.learning, self.learnt) = (old.key, old.learning, old.learnt);
        // If it has changed meanwhile, the colour is learnt anew.
        self.calibration = old.calibration;
        if old.background != self.background && old.property == self.property {
            // What a command has set, in the new size. What cannot be read any more is black.
            let _ = self.show(old.background);
        }
    }
}

register_filter!(
    Chroma,
    name: "chroma",
    type_name: "AbChroma",
    summary: "Replaces a backdrop of one colour (a green screen) by a picture or by black",
    author: "The Anabranch developers",
    doc: "Learns the colour of the backdrop from the region `calibration` over the first `calibration_frames` pictures, and \
          from then on shows the picture `background` where it is, or black. Somebody who covers less than half of the \
          region while it learns does no harm.\n\n\
          Each pixel has as much of the backdrop in it as its colour lies in the direction of the backdrop's in the chroma \
          plane, less what it lies beside it. So shadows on the cloth are backdrop, edges and hair are mixed (`softness`), \
          and the light that the backdrop throws on people is taken out of their colours (`spill`).\n\n\
          Commands: `calibrate` learns anew, `set-background` {image} and `unset-background` change the picture; the \
          property `background` does that as well. A new picture is loaded beside the video, which does not wait for it.",
    events: [ChromaCalibrated],
    example: "test-source -> chroma background=beach.jpg -> null-sink",
);

#[cfg(test)]
#[path = "keying/truth.rs"]
mod truth;
