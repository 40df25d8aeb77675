//! Reading number plates: PP-OCR's networks that find and read text (PaddleOCR, version 4), and what makes text a plate.

mod crop;
mod patterns;
#[cfg(test)]
mod rates;
mod votes;

use std::path::Path;

use anabranch_kit::inference::{Backend, InferenceError};
use anabranch_kit::models;
use anabranch_kit::onnx::Summary;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;

use crate::nets::family::Family;
use crate::nets::family::ctc_ocr::{Alphabet, Line};
use crate::nets::family::heatmap::Reading;
use crate::nets::input::{Colour, Fit, Input, Size};
use crate::nets::{Net, NetError, Spec, Wish};

pub use patterns::Patterns;
pub use votes::Votes;

/// The network that finds text.
pub const FINDER: &str = "ppocr-v4-det";
/// The network that reads it.
pub const READER: &str = "ppocr-v4-rec";

/// The label of regions that are plates.
pub const LABEL: &str = "plate";

/// What plates are written with.
const CHARACTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// No more lines of text are read in one look.
const MOST: usize = 6;
/// The height of a line as the reader wants it.
const LINE: usize = 48;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The plate's width as a part of the picture's, roughly; 0: any.
    pub width: f32,
    /// The least mean score of the characters.
    pub score: f32,
}

/// A plate in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Plate {
    /// Where it is; its key points are the corners.
    pub region: Region,
    /// What it says.
    pub text: String,
    /// How sure the reader is.
    pub score: f32,
    /// Whose it is, if a pattern says so.
    pub country: Option<String>,
}

/// The two networks.
pub struct Reader {
    finder: Net,
    reader: Net,
    alphabet: Alphabet,
}

impl Reader {
    /// Loads both networks, the finder for pictures with this longer side.
    ///
    /// # Errors
    ///
    /// One of them is missing or does not run.
    pub fn new(longest: usize, backend: Backend) -> Result<Self, ReaderError> {
        let finder = Spec {
            input: Input {
                size: Size::Fitted { longest, multiple: 32 },
                fit: Fit::Corner,
                colour: Colour::Bgr,
                // The means and deviations of ImageNet, in this order of colours.
                mean: [0.406 * 255.0, 0.456 * 255.0, 0.485 * 255.0],
                scale: [1.0 / (0.225 * 255.0), 1.0 / (0.224 * 255.0), 1.0 / (0.229 * 255.0)],
                ..Input::plain(1, 1)
            },
            family: Family::Heatmap(Reading::Areas { grow: 1.6, mean: 0.5, least: 4 }),
            wish: Wish { threshold: 0.3, overlap: 0.5, most: 50, labels: vec![LABEL.into()] },
        };
        let path = models::path(READER).map_err(InferenceError::from)?;
        let summary = Summary::of_file(Path::new(&path)).map_err(ReaderError::Characters)?;
        let lines = summary.metadata.get("character");
        let lines = lines
            .ok_or_else(|| ReaderError::Characters(format!("the model {READER} names no characters")))?;
        let alphabet = Alphabet { characters: Alphabet::of_metadata(lines), allowed: CHARACTERS.into() };
        let reader = Spec {
            input: Input {
                size: Size::Line { height: LINE, least: 160, most: 640 },
                fit: Fit::Corner,
                colour: Colour::Bgr,
                mean: [127.5; 3],
                scale: [1.0 / 127.5; 3],
                ..Input::plain(1, 1)
            },
            family: Family::CtcOcr(alphabet.clone()),
            wish: Wish { threshold: 0.0, overlap: 1.0, most: 1, labels: Vec::new() },
        };
        Ok(Reader {
            finder: Net::installed(FINDER, finder, backend)?,
            reader: Net::installed(READER, reader, backend)?,
            alphabet,
        })
    }

    /// Loads what pictures of a size need.
    ///
    /// # Errors
    ///
    /// A network does not run.
    pub fn prepare(&mut self, width: usize, height: usize) -> Result<(), InferenceError> {
        self.finder.prepare(width, height)?;
        self.reader.prepare(LINE * 4, LINE)
    }

    /// The plates in a picture, widest first.
    ///
    /// # Errors
    ///
    /// A network does not run.
    pub fn look(
        &mut self,
        sample: &Sample,
        search: Search,
        patterns: &Patterns,
    ) -> Result<Vec<Plate>, NetError> {
        let shape = sample.width as f32 / sample.height.max(1) as f32;
        let mut places: Vec<Region> = self.finder.look(sample)?;
        places.retain(|place| is_plate_shaped(place, shape, search.width));
        places.sort_by(|a, b| b.width.total_cmp(&a.width));
        places.truncate(MOST);
        let mut plates = Vec::new();
        for region in places {
            let Some(line) = crop::level(sample, &region.keypoints, LINE) else { continue };
            let read = self.read(&line)?;
            let (text, score) = (read.text.as_str(), read.score());
            if score < search.score {
                continue;
            }
            if let Some((text, country)) = patterns.plate(text) {
                plates.push(Plate { region, text, score, country });
            }
        }
        Ok(plates)
    }

    fn read(&mut self, line: &Sample) -> Result<Line, NetError> {
        let (_, outputs, _) = self.reader.run(line)?;
        let read = outputs.first().and_then(|output| self.alphabet.read(output, &self.alphabet.classes()));
        read.ok_or_else(|| NetError::Outputs {
            model: READER.into(),
            reason: "it has another output than one score for each character and column".into(),
        })
    }
}

/// Why plates cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// A model is missing or does not run.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The reader's characters are not known.
    #[error("{0}")]
    Characters(String),
}

/// Plates are wider than high, and as wide as somebody said.
fn is_plate_shaped(place: &Region, shape: f32, width: f32) -> bool {
    let [a, b, c, _] = place.keypoints[..] else { return false };
    let side = |p: [f32; 2], q: [f32; 2]| ((q[0] - p[0]) * shape).hypot(q[1] - p[1]);
    let (long, short) = (side(a, b), side(b, c));
    let tilt = place.attributes.get("tilt").and_then(serde_json::Value::as_f64).unwrap_or_default();
    let fits = width <= 0.0 || (width / 2.5..=width * 2.5).contains(&place.width);
    (1.7..12.0).contains(&(long / short.max(1e-6))) && tilt.abs() < 50.0 && fits
}
