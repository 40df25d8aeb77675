//! Pictures of the worst cases.

use std::fmt::Write;

use base64::Engine as _;

use super::escape;
use crate::case::Case;
use crate::evaluate::{Options, marks};
use crate::metrics::reading::Rule;
use crate::truth::Truth;

/// A picture with boxes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shot {
    /// The picture's file or the frame's number.
    pub name: String,
    /// What is wrong.
    pub caption: String,
    /// Width that the boxes refer to, pixels.
    pub width: u32,
    /// Height that the boxes refer to, pixels.
    pub height: u32,
    /// The picture, JPEG, of any size.
    pub jpeg: Vec<u8>,
    /// Left, top, width and height; `right`, `wrong`, `missed` or `ignored`; and what to call it.
    pub boxes: Vec<([f64; 4], &'static str, String)>,
}

/// A frame with errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// Which of the cases.
    pub case: usize,
    /// How bad it is: things missed and boxes that are wrong.
    pub errors: f64,
    /// What is wrong, in words.
    pub caption: String,
}

/// The frames with the most errors, worst first, those without errors left out. Of a film, frames within a second of a
/// worse one are left out: they look alike.
pub fn worst(cases: &[Case], truth: &Truth, options: &Options, most: usize) -> Vec<Worst> {
    let labels = truth.labels();
    let mut all: Vec<Worst> =
        cases.iter().enumerate().filter_map(|(n, case)| judge(n, case, &labels, options)).collect();
    all.sort_by(|a, b| b.errors.total_cmp(&a.errors).then(a.case.cmp(&b.case)));
    let mut kept: Vec<Worst> = Vec::new();
    for candidate in all {
        let time = |worst: &Worst| cases[worst.case].time;
        let near = |other: &Worst| truth.is_film() && (time(other) - time(&candidate)).abs() < 1.0;
        if kept.len() < most && !kept.iter().any(near) {
            kept.push(candidate);
        }
    }
    kept
}

fn judge(n: usize, case: &Case, labels: &[&str], options: &Options) -> Option<Worst> {
    let (marks, missed) = marks(case, labels, options.overlap);
    let wrong = marks.iter().filter(|mark| **mark == Some(false)).count();
    let counted = marks.iter().flatten().count();
    let mut words = Vec::new();
    let mut errors = missed.len() as f64;
    // A wrong box that is sure of itself is worse than one that doubts.
    for (mark, detection) in marks.iter().zip(&case.results.detections) {
        errors += if *mark == Some(false) { f64::from(detection.score).clamp(0.1, 1.0) } else { 0.0 };
    }
    if !labels.is_empty() && missed.len() + wrong > 0 {
        let there = case.truth.things.iter().filter(|t| !t.ignore).count();
        words.push(format!("{there} there, {counted} found, {} missed, {wrong} wrong", missed.len()));
    }
    let texts = case.truth.things.iter().filter(|t| !t.ignore).filter_map(|t| t.text.as_deref());
    let texts: Vec<&str> = texts.chain(case.truth.texts.iter().map(String::as_str)).collect();
    if !texts.is_empty() {
        let read = case.results.texts();
        let score = crate::metrics::reading::score(&[(texts.clone(), read.clone())], options.text);
        if score.exact < score.truths {
            errors += (score.truths - score.exact) as f64;
            let said =
                if read.is_empty() { "nothing".to_owned() } else { format!("'{}'", read.join("', '")) };
            words.push(format!("there is '{}', and {said} was read", texts.join("', '")));
        }
    }
    if labels.is_empty() && options.text == Rule::Exact && case.truth.count.is_some() {
        let found = case.results.detections.len() as f64;
        let off = (found - case.truth.count()).abs();
        if off >= 1.0 && options.count.is_none() {
            errors += off;
            words.push(format!("{} there, {found} found", case.truth.count()));
        }
    }
    (errors > 0.0).then(|| Worst { case: n, errors, caption: words.join("; ") })
}

/// The picture of a case with its boxes; `jpeg` is the picture itself, of any size.
pub fn shot(case: &Case, worst: &Worst, truth: &Truth, options: &Options, jpeg: Vec<u8>) -> Shot {
    let labels = truth.labels();
    let (marks, missed) = marks(case, &labels, options.overlap);
    let mut boxes: Vec<([f64; 4], &'static str, String)> = Vec::new();
    for thing in case.truth.things.iter().filter(|t| t.ignore) {
        boxes.push(([thing.at.x, thing.at.y, thing.at.width, thing.at.height], "ignored", String::new()));
    }
    for thing in &missed {
        boxes.push((
            [thing.at.x, thing.at.y, thing.at.width, thing.at.height],
            "missed",
            thing.label.clone(),
        ));
    }
    for ((at, detection), mark) in case.found().into_iter().zip(&case.results.detections).zip(&marks) {
        let class = match mark {
            Some(true) => "right",
            Some(false) => "wrong",
            None => "ignored",
        };
        let name = format!("{} {:.2}", detection.label, detection.score);
        boxes.push(([at.x, at.y, at.width, at.height], class, name.trim_start().to_owned()));
    }
    Shot {
        name: case.name.clone(),
        caption: worst.caption.clone(),
        width: case.width,
        height: case.height,
        jpeg,
        boxes,
    }
}

impl Shot {
    pub(super) fn write(&self, out: &mut String) {
        let data = base64::engine::general_purpose::STANDARD.encode(&self.jpeg);
        let name = escape(&self.name);
        let _ = write!(
            out,
            "<figure><div class=\"shot\"><img alt=\"{name}\" src=\"data:image/jpeg;base64,{data}\">\
             <svg viewBox=\"0 0 {} {}\">",
            self.width, self.height
        );
        for ([x, y, width, height], class, title) in &self.boxes {
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
                 <title>{}</title></rect>",
                escape(title)
            );
        }
        let _ = writeln!(
            out,
            "</svg></div><figcaption><code>{name}</code>: {}</figcaption></figure>",
            escape(&self.caption)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::{Format, Key, parse};
    use crate::{Detection, FrameResults};

    fn case(truth: &Truth, name: &str, boxes: &[(f32, f32)]) -> Case {
        let detection = |(x, score): &(f32, f32)| Detection {
            label: "face".into(),
            score: *score,
            x: *x,
            width: 0.1,
            height: 0.1,
            ..Detection::default()
        };
        Case {
            name: name.into(),
            width: 100,
            height: 100,
            results: FrameResults {
                detections: boxes.iter().map(detection).collect(),
                ..FrameResults::default()
            },
            truth: truth.of(&Key::File(name.into()), 100, 100).unwrap(),
            ..Case::default()
        }
    }

    #[test]
    fn the_worst_come_first_and_the_faultless_not_at_all() {
        let text = "file,label,x,y,width,height\na,face,0,0,10,10\na,face,50,0,10,10\nb,face,0,0,10,10\nc,face,0,0,10,10\n";
        let truth = parse(Format::Csv, "t", text).unwrap();
        let cases = [
            case(&truth, "a", &[]),
            case(&truth, "b", &[(0.0, 0.9)]),
            case(&truth, "c", &[(0.0, 0.9), (0.5, 0.4)]),
        ];
        let options = Options::default();
        let worst = worst(&cases, &truth, &options, 9);
        assert_eq!(worst.iter().map(|w| w.case).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(worst[0].caption, "2 there, 0 found, 2 missed, 0 wrong");
        let shot = shot(&cases[2], &worst[1], &truth, &options, Vec::new());
        let classes: Vec<&str> = shot.boxes.iter().map(|(_, class, _)| *class).collect();
        assert_eq!(classes, ["right", "wrong"]);
        assert_eq!(shot.boxes[1].0[0], 50.0);
    }

    #[test]
    fn what_was_not_read_is_told() {
        let truth = parse(Format::Csv, "t", "file,text\na,AB1\n").unwrap();
        let cases = [case(&truth, "a", &[])];
        let worst = worst(&cases, &truth, &Options::default(), 9);
        assert_eq!(worst[0].caption, "there is 'AB1', and nothing was read");
    }
}
