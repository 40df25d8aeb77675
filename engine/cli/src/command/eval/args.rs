//! What the command line says.

use std::path::{Path, PathBuf};

use anabranch_eval::Options;
use anabranch_eval::metrics::reading::Rule;
use anabranch_eval::truth::{self, Format, Truth};
use anyhow::Result;

use crate::exit::bad_input;
use crate::input::Description;

/// What the first argument may be: more than a description.
const WHAT: &str = "A filter with its properties ('face-detector threshold=0.5'), several joined by '->', a description \
                    of a pipeline (its sources and sinks are replaced), a file (my_filter.py, model.onnx), or results \
                    (results.jsonl of --dump)";

/// Measures what a filter finds against what is there.
///
/// Every frame is analysed, one after the other, so that each run gives the same numbers; with --realtime frames come at
/// the pace of the clock and are lost if the filter is slow. The truth's formats are described in docs/eval.md.
#[derive(clap::Args)]
#[command(mut_arg("text", |argument| argument.help(WHAT)), after_help = "\
Examples:
  anabranch eval face-detector --data photos --truth coco:photos/annotations.json
  anabranch eval 'face-detector threshold=0.4 size=640' --data WIDER_val --truth wider:wider_face_val_bbx_gt.txt
  anabranch eval 'people-detector -> tracker' --data MOT17-09 --truth mot --html report.html
  anabranch eval my_filter.py --data film.mp4 --truth csv:film.csv --json now.json --compare before.json
  anabranch eval face-detector --data film.mp4 --dump results.jsonl

Exit codes: 0 done, 1 --compare found a figure that is worse, 2 bad input, 3 media failure.")]
pub struct Args {
    #[command(flatten)]
    pub description: Description,
    /// A folder with pictures, a picture, or a film.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// What is there: coco, wider, mot or csv, and the file; without a file it is looked for in the data's folder.
    #[arg(long, value_name = "FORMAT[:FILE]")]
    pub truth: Option<String>,
    /// Holds the scores against those of an earlier --json; exit code 1 if one is worse.
    #[arg(long, value_name = "FILE", requires = "truth")]
    pub compare: Option<PathBuf>,
    /// By how much a score may be worse than in --compare, in its own unit.
    #[arg(long, value_name = "NUMBER", default_value_t = 0.01)]
    pub tolerance: f64,
    /// By which part times may be worse than in --compare (0.5: half as much again); without it they are only shown.
    #[arg(long, value_name = "PART", requires = "compare")]
    pub time_tolerance: Option<f64>,
    /// Frames come at the pace of the clock, and are lost if the filter is slow.
    #[arg(long)]
    pub realtime: bool,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes the report as one HTML file, with plots and pictures of the worst cases.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Writes what was found in each frame, a line of JSON each.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// Only so many frames.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The pictures of the folder are a film with so many frames a second.
    #[arg(long, value_name = "NUMBER")]
    pub fps: Option<f64>,
    /// From this overlap on, boxes are the same, for identities and the report's pictures; AP has its own, see docs/eval.md.
    #[arg(long, value_name = "IOU", default_value_t = 0.5)]
    pub iou: f64,
    /// Borders between small, medium and large things: sides of squares, in pixels.
    #[arg(long, value_name = "A,B", value_delimiter = ',', num_args = 1, default_values_t = [32.0, 96.0])]
    pub sizes: Vec<f64>,
    /// The truth's name for a label of the results; may be given several times.
    #[arg(long = "label", value_name = "RESULT=TRUTH")]
    pub labels: Vec<String>,
    /// How far an event may be from when it must happen, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub event_tolerance: f64,
    /// Where counts come from: a number that the filter gives (people) or EVENT.FIELD; otherwise detections are counted.
    #[arg(long, value_name = "NAME")]
    pub count: Option<String>,
    /// When two texts are the same.
    #[arg(id = "text_rule", long = "text", value_name = "RULE", value_enum, default_value_t = TextRule::Exact)]
    pub text_rule: TextRule,
    /// How many of the worst cases the HTML report shows.
    #[arg(long, value_name = "NUMBER", default_value_t = 12)]
    pub cases: usize,
    /// Says nothing but the result.
    #[arg(long, short)]
    pub quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TextRule {
    /// Every character counts.
    Exact,
    /// Only letters and digits count, large or small.
    Letters,
}

impl Args {
    /// How to evaluate.
    pub fn options(&self) -> Result<Options> {
        let between = |name: &str, value: f64, least: f64, most: f64| {
            if (least..=most).contains(&value) {
                Ok(value)
            } else {
                Err(bad_input(format!("{name} must be between {least} and {most}, not {value}")))
            }
        };
        let [small, large] = self.sizes[..] else {
            return Err(bad_input("--sizes wants two numbers, such as 32,96"));
        };
        if !(small > 0.0 && large > small) {
            return Err(bad_input("--sizes wants two numbers of which the second is greater, such as 32,96"));
        }
        if let Some(fps) = self.fps {
            between("--fps", fps, 0.001, 1000.0)?;
        }
        between("--tolerance", self.tolerance, 0.0, f64::MAX)?;
        if let Some(part) = self.time_tolerance {
            between("--time-tolerance", part, 0.0, f64::MAX)?;
        }
        let labels = self.labels.iter().map(|text| {
            let pair = text.split_once('=').map(|(from, to)| (from.to_owned(), to.to_owned()));
            pair.ok_or_else(|| bad_input(format!("--label wants RESULT=TRUTH, not '{text}'")))
        });
        Ok(Options {
            overlap: between("--iou", self.iou, 0.01, 1.0)?,
            sizes: [small, large],
            tolerance: between("--event-tolerance", self.event_tolerance, 0.0, 86_400.0)?,
            labels: labels.collect::<Result<_>>()?,
            text: match self.text_rule {
                TextRule::Exact => Rule::Exact,
                TextRule::Letters => Rule::Letters,
            },
            count: self.count.clone(),
            film: self.fps.is_some(),
        })
    }

    /// The truth with its name, `FORMAT:FILE`.
    pub fn truth(&self, folder: Option<&Path>) -> Result<Option<(Truth, String)>> {
        let Some(text) = &self.truth else { return Ok(None) };
        let (format, file) = text.split_once(':').map_or((text.as_str(), None), |(f, file)| (f, Some(file)));
        let format = Format::by_name(format).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
            bad_input(format!(
                "--truth wants FORMAT:FILE, and FORMAT is one of {}, not '{format}'",
                names.join(", ")
            ))
        })?;
        let path = match (file, folder) {
            (Some(file), _) => PathBuf::from(file),
            (None, Some(folder)) => {
                let places = format.usual_places().iter().map(|name| folder.join(name));
                places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
                    bad_input(format!(
                        "there is no {} in {}; name the truth's file: --truth {}:FILE",
                        format.usual_places().join(" and no "),
                        folder.display(),
                        format.name()
                    ))
                })?
            }
            (None, None) => return Err(bad_input("--truth FORMAT:FILE needs a file here")),
        };
        let truth = truth::read(format, &path).map_err(|error| bad_input(error.to_string()))?;
        Ok(Some((truth, format!("{}:{}", format.name(), path.display()))))
    }
}
