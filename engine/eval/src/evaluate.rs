//! From frames with results and truth to scores.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::metrics::detection::{Fate, LabelScores, Picture, Range, Wanted, fates};
use crate::metrics::events::{EventScores, Moment};
use crate::metrics::reading::{Reading, Rule};
use crate::metrics::tracking::Tracking;
use crate::metrics::{counting, counting::Counting, detection, events, reading, tracking};
use crate::result::FrameResults;
use crate::truth::{Thing, Truth, When};

/// How to evaluate.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// From this overlap (intersection over union) on, boxes are the same; for tracking and the pictures of a report.
    pub overlap: f64,
    /// Borders between small, medium and large things: sides of squares, in pixels.
    pub sizes: [f64; 2],
    /// How far an event may be from when it must happen, seconds.
    pub tolerance: f64,
    /// Labels of results, and the truth's labels for them.
    pub labels: Vec<(String, String)>,
    /// When two texts are the same.
    pub text: Rule,
    /// Where counts come from: the name of a number of the results, or `EVENT.FIELD`; none: the detections are counted.
    pub count: Option<String>,
    /// Whether pictures that the truth names by their files are a film: then things keep their identity in them.
    pub film: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            overlap: 0.5,
            sizes: [32.0, 96.0],
            tolerance: 0.5,
            labels: Vec::new(),
            text: Rule::Exact,
            count: None,
            film: false,
        }
    }
}

/// What a filter achieved. A part is missing where the truth says nothing of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Frames that were scored.
    pub frames: usize,
    /// Boxes, label by label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detection: Vec<LabelScores>,
    /// Counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counting: Option<Counting>,
    /// Identities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking: Option<Tracking>,
    /// Texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<Reading>,
    /// Events, name by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventScores>,
    /// What the reader of these numbers should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Gives the results' detections the truth's labels. Where both have one label only, these are taken for the same.
pub(crate) fn settle_labels(cases: &mut [Case], truth: &Truth, options: &Options, notes: &mut Vec<String>) {
    for detection in cases.iter_mut().flat_map(|case| &mut case.results.detections) {
        if let Some((_, to)) = options.labels.iter().find(|(from, _)| *from == detection.label) {
            detection.label.clone_from(to);
        }
    }
    let wanted = truth.labels();
    let detections = cases.iter().flat_map(|case| &case.results.detections);
    let found: BTreeSet<String> = detections.map(|d| d.label.clone()).collect();
    let unknown: Vec<&String> = found.iter().filter(|label| !wanted.contains(&label.as_str())).collect();
    if unknown.is_empty() || wanted.is_empty() {
        return;
    }
    if let ([only], 1) = (&wanted[..], found.len()) {
        if !only.is_empty() {
            notes
                .push(format!("results with the label '{}' are taken for '{only}' of the truth", unknown[0]));
        }
        let label = (*only).to_owned();
        for detection in cases.iter_mut().flat_map(|case| &mut case.results.detections) {
            detection.label.clone_from(&label);
        }
        return;
    }
    let unknown: Vec<String> = unknown.into_iter().map(|label| format!("'{label}'")).collect();
    notes.push(format!("the truth has no label {}: such results do not count", unknown.join(", ")));
}

/// The detections of one label in one frame, beside what is there.
pub(crate) fn picture(case: &Case, label: &str) -> (Picture, Vec<usize>) {
    let boxes = case.found();
    let detections = &case.results.detections;
    let which: Vec<usize> = (0..detections.len()).filter(|n| detections[*n].label == label).collect();
    let found = which.iter().map(|n| (boxes[*n], f64::from(detections[*n].score))).collect();
    // What does not count has no say by its label, unless it is a crowd of something.
    let belongs = |thing: &&Thing| thing.label == label || (thing.ignore && !thing.crowd);
    let wanted = case.truth.things.iter().filter(belongs).map(|thing| Wanted {
        at: thing.at,
        area: thing.area.unwrap_or_else(|| thing.at.area()),
        ignore: thing.ignore,
        crowd: thing.crowd,
    });
    (Picture { wanted: wanted.collect(), found }, which)
}

/// What became of each detection of a frame: right, wrong, or none if it does not count; and the things that were missed.
pub(crate) fn marks(case: &Case, labels: &[&str], overlap: f64) -> (Vec<Option<bool>>, Vec<Thing>) {
    let whole = Range { name: "all".into(), from: 0.0, to: f64::INFINITY };
    let mut marks = vec![None; case.results.detections.len()];
    let mut missed = Vec::new();
    for label in labels {
        let (picture, which) = picture(case, label);
        let fates = fates(&picture, overlap, &whole);
        for (n, fate) in which.iter().zip(&fates) {
            marks[*n] = match fate {
                Fate::Right(_) => Some(true),
                Fate::Wrong => Some(false),
                Fate::Ignored => None,
            };
        }
        for (n, wanted) in picture.wanted.iter().enumerate() {
            if !wanted.ignore && !wanted.crowd && !fates.contains(&Fate::Right(n)) {
                missed.push(Thing { label: (*label).to_owned(), at: wanted.at, ..Thing::default() });
            }
        }
    }
    (marks, missed)
}

/// Scores what was found. Labels of the cases' results are settled on the way (see [`Options::labels`]).
pub fn evaluate(cases: &mut [Case], truth: &Truth, options: &Options) -> Scores {
    let mut scores = Scores { frames: cases.len(), ..Scores::default() };
    settle_labels(cases, truth, options, &mut scores.notes);
    let cases = &*cases;
    let ranges = Range::all_with_borders(options.sizes);
    let labels = truth.labels();
    for label in &labels {
        let pictures: Vec<Picture> = cases.iter().map(|case| picture(case, label).0).collect();
        let mut of_label = detection::score(label, &pictures, &ranges);
        if label.is_empty() {
            "thing".clone_into(&mut of_label.label);
        }
        scores.detection.push(of_label);
    }
    let boxes = !labels.is_empty();
    if boxes || cases.iter().any(|case| case.truth.count.is_some()) || options.count.is_some() {
        scores.counting = Some(counting(cases, &labels, options));
    }
    scores.tracking = follow(cases, &labels, truth.is_film() || options.film, options, &mut scores.notes);
    scores.reading = read(cases, options);
    scores.events = happened(cases, truth, options);
    scores
}

fn counting(cases: &[Case], labels: &[&str], options: &Options) -> Counting {
    let mut held = 0.0;
    let mut pairs = Vec::new();
    for case in cases {
        let found = match &options.count {
            Some(name) => {
                held = named_count(&case.results, name).unwrap_or(held);
                held
            }
            None => {
                let detections = case.results.detections.iter();
                let counts = |label: &str| labels.is_empty() || labels.contains(&label);
                // What lies on something that does not count is not counted either.
                let marks = marks(case, labels, options.overlap).0;
                let ignored = |n: usize| !labels.is_empty() && marks[n].is_none();
                detections.enumerate().filter(|(n, d)| counts(&d.label) && !ignored(*n)).count() as f64
            }
        };
        pairs.push((found, case.truth.count()));
    }
    counting::score(&pairs)
}

/// A number of a frame by the name that [`Options::count`] has for it.
fn named_count(results: &FrameResults, name: &str) -> Option<f64> {
    results.scalars.get(name).copied().or_else(|| {
        let (event, field) = name.split_once('.')?;
        let last = results.events.iter().rev().find(|e| e.name == event)?;
        last.data.get(field)?.as_f64()
    })
}

fn follow(
    cases: &[Case],
    labels: &[&str],
    film: bool,
    options: &Options,
    notes: &mut Vec<String>,
) -> Option<Tracking> {
    let things = || cases.iter().flat_map(|case| &case.truth.things);
    if !things().any(|thing| thing.id.is_some() && !thing.ignore) {
        return None;
    }
    if !film {
        notes.push("the truth has identities; they are scored if the pictures are a film (--fps)".to_owned());
        return None;
    }
    let detections = || cases.iter().flat_map(|case| &case.results.detections);
    if detections().next().is_some() && !detections().any(|d| d.track.is_some()) {
        notes.push(
            "the truth has identities, but the results have no `track`: put `tracker` behind the detector"
                .to_owned(),
        );
        return None;
    }
    let frames: Vec<tracking::Frame> = cases
        .iter()
        .map(|case| tracking::Frame {
            wanted: case.truth.things.iter().filter_map(|t| Some((t.id?, t.at, t.ignore))).collect(),
            found: case
                .found()
                .into_iter()
                .zip(&case.results.detections)
                .filter(|(_, d)| labels.contains(&d.label.as_str()))
                .filter_map(|(at, d)| Some((d.track?, at)))
                .collect(),
        })
        .collect();
    Some(tracking::score(&frames, options.overlap))
}

fn read(cases: &[Case], options: &Options) -> Option<Reading> {
    let texts = |case: &'_ Case| -> Vec<String> {
        let of_things = case.truth.things.iter().filter(|t| !t.ignore).filter_map(|t| t.text.clone());
        of_things.chain(case.truth.texts.iter().cloned()).collect()
    };
    let truths: Vec<Vec<String>> = cases.iter().map(texts).collect();
    if truths.iter().all(Vec::is_empty) {
        return None;
    }
    let frames: Vec<reading::Texts<'_>> = cases
        .iter()
        .zip(&truths)
        .map(|(case, truths)| (truths.iter().map(String::as_str).collect(), case.results.texts()))
        .collect();
    Some(reading::score(&frames, options.text))
}

fn happened(cases: &[Case], truth: &Truth, options: &Options) -> Vec<EventScores> {
    let names: BTreeSet<&str> = truth.events.iter().map(|e| e.name.as_str()).collect();
    let film = truth.is_film();
    let mut all = Vec::new();
    for name in names {
        let wanted: Vec<Moment> = truth
            .events
            .iter()
            .filter(|e| e.name == name)
            .filter_map(|event| {
                let time = match event.when {
                    Some(When::Time(time)) => time,
                    // A frame beyond those that were looked at says nothing.
                    Some(When::Frame(frame)) => cases.iter().find(|c| c.results.frame == frame)?.time,
                    None => 0.0,
                };
                let group = event.file.clone().unwrap_or_default();
                let looked_at = film || cases.iter().any(|case| case.name == group);
                looked_at.then(|| Moment { time, group, words: event.detail.clone() })
            })
            .collect();
        let found: Vec<Moment> = cases
            .iter()
            .flat_map(|case| case.results.events.iter().map(move |event| (case, event)))
            .filter(|(_, event)| event.name == name)
            .map(|(case, event)| Moment {
                time: if film { case.time } else { 0.0 },
                group: if film { String::new() } else { case.name.clone() },
                words: words(&event.data),
            })
            .collect();
        all.push(events::score(name, &wanted, &found, options.tolerance));
    }
    all
}

/// The texts of an event's data.
fn words(data: &serde_json::Value) -> Vec<String> {
    let fields = data.as_object().into_iter().flat_map(|map| map.values());
    fields.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::truth::{Format, Key, parse};
    use crate::{Detection, Happened};

    fn found(label: &str, x: f32, track: Option<u64>) -> Detection {
        Detection {
            label: label.into(),
            score: 0.9,
            x,
            y: 0.0,
            width: 0.1,
            height: 0.1,
            track,
            ..Detection::default()
        }
    }

    /// A film of 100x100 pixels, ten frames a second.
    fn film(truth: &Truth, frames: Vec<FrameResults>) -> Vec<Case> {
        let with_numbers = frames.into_iter().enumerate();
        with_numbers
            .map(|(n, results)| Case {
                name: n.to_string(),
                time: n as f64 / 10.0,
                width: 100,
                height: 100,
                results: FrameResults { frame: n as u64, ..results },
                truth: truth.of(&Key::Frame(n as u64), 100, 100).unwrap(),
            })
            .collect()
    }

    #[test]
    fn a_film_is_scored_in_every_respect() {
        let text = "frame,label,x,y,width,height,id,text,event\n0,person,0,0,10,10,1,,\n1,person,10,0,10,10,1,,\n\
                    1,,,,,,,AB1,\n2,door,,,,,,,window-in\n";
        let truth = parse(Format::Csv, "t", text).unwrap();
        let mut cases = film(
            &truth,
            vec![
                FrameResults { detections: vec![found("human", 0.0, Some(4))], ..FrameResults::default() },
                FrameResults {
                    detections: vec![found("human", 0.1, Some(4))],
                    events: vec![Happened { name: "code-found".into(), data: json!({"value": "AB1"}) }],
                    ..FrameResults::default()
                },
                FrameResults {
                    detections: vec![found("human", 0.5, Some(4))],
                    events: vec![Happened { name: "window-in".into(), data: json!({"window": "door"}) }],
                    ..FrameResults::default()
                },
            ],
        );
        let scores = evaluate(&mut cases, &truth, &Options::default());
        assert_eq!(scores.frames, 3);
        assert_eq!(scores.detection[0].label, "person");
        assert_eq!((scores.detection[0].recall, scores.detection[0].precision), (1.0, 2.0 / 3.0));
        assert_eq!(scores.counting.as_ref().unwrap().mae, 1.0 / 3.0);
        assert_eq!(scores.tracking.as_ref().unwrap().mota, 0.5);
        assert_eq!(scores.reading.as_ref().unwrap().exact_rate, 1.0);
        assert_eq!((scores.events[0].name.as_str(), scores.events[0].f1), ("window-in", 1.0));
        assert!(scores.notes[0].contains("'human' are taken for 'person'"), "{:?}", scores.notes);
    }

    #[test]
    fn labels_are_mapped_and_others_do_not_count() {
        let text = "frame,label,x,y,width,height\n0,car,0,0,10,10\n0,dog,50,0,10,10\n";
        let truth = parse(Format::Csv, "t", text).unwrap();
        let results = FrameResults {
            detections: vec![found("auto", 0.0, None), found("dog", 0.5, None), found("ufo", 0.8, None)],
            ..FrameResults::default()
        };
        let mut cases = film(&truth, vec![results]);
        let options = Options { labels: vec![("auto".into(), "car".into())], ..Options::default() };
        let scores = evaluate(&mut cases, &truth, &options);
        assert!(scores.detection.iter().all(|label| label.precision == 1.0 && label.recall == 1.0));
        assert_eq!(scores.counting.unwrap().mae, 0.0);
        assert_eq!(scores.notes, ["the truth has no label 'ufo': such results do not count"]);
    }

    #[test]
    fn counts_may_come_from_events_and_are_held() {
        let truth = parse(Format::Csv, "t", "frame,count\n0,2\n1,2\n2,3\n").unwrap();
        let told = |n: u32| FrameResults {
            events: vec![Happened { name: "crowd".into(), data: json!({"people": n}) }],
            ..FrameResults::default()
        };
        let mut cases = film(&truth, vec![told(2), FrameResults::default(), told(5)]);
        let options = Options { count: Some("crowd.people".into()), ..Options::default() };
        let counting = evaluate(&mut cases, &truth, &options).counting.unwrap();
        assert_eq!((counting.mae, counting.exact), (2.0 / 3.0, 2.0 / 3.0));
    }

    #[test]
    fn identities_without_tracks_are_told() {
        let truth = parse(Format::Mot, "gt.txt", "1,1,0,0,10,10\n").unwrap();
        let results =
            FrameResults { detections: vec![found("person", 0.0, None)], ..FrameResults::default() };
        let mut cases = film(&truth, vec![results]);
        let scores = evaluate(&mut cases, &truth, &Options::default());
        assert_eq!(scores.tracking, None);
        assert!(scores.notes.iter().any(|note| note.contains("`tracker`")), "{:?}", scores.notes);
    }

    #[test]
    fn pictures_have_identities_if_they_are_a_film() {
        let text = "file,label,x,y,width,height,id\na.jpg,car,0,0,10,10,7\nb.jpg,car,10,0,10,10,7\n";
        let truth = parse(Format::Csv, "t", text).unwrap();
        let case = |name: &str, x: f32| Case {
            name: name.into(),
            width: 100,
            height: 100,
            results: FrameResults { detections: vec![found("car", x, Some(1))], ..FrameResults::default() },
            truth: truth.of(&Key::File(name.into()), 100, 100).unwrap(),
            ..Case::default()
        };
        let mut cases = [case("a.jpg", 0.0), case("b.jpg", 0.1)];
        let film = Options { film: true, ..Options::default() };
        assert_eq!(evaluate(&mut cases, &truth, &film).tracking.unwrap().mota, 1.0);
        let apart = evaluate(&mut cases, &truth, &Options::default());
        assert_eq!(apart.tracking, None);
        assert!(apart.notes[0].contains("--fps"), "{:?}", apart.notes);
    }

    #[test]
    fn pictures_have_their_own_events() {
        let truth = parse(Format::Csv, "t", "file,event\na.jpg,code-found\nb.jpg,code-found\n").unwrap();
        let case = |name: &str, events: Vec<Happened>| Case {
            name: name.into(),
            results: FrameResults { events, ..FrameResults::default() },
            ..Case::default()
        };
        let event = || Happened { name: "code-found".into(), data: json!({}) };
        let mut cases = [case("a.jpg", vec![event(), event()]), case("b.jpg", vec![])];
        let scores = &evaluate(&mut cases, &truth, &Options::default()).events[0];
        assert_eq!((scores.truths, scores.found, scores.right), (2, 2, 1));
    }
}
