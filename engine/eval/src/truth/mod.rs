//! What is there, from files that people or other programs made.

mod coco;
mod csv;
mod error;
mod mot;
mod wider;

use std::collections::BTreeMap;
use std::path::Path;

pub use error::TruthError;

use crate::case::Pixels;

/// A form of truth files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// COCO's JSON: `images`, `annotations`, `categories`.
    Coco,
    /// WIDER FACE's text: a file name, a number of faces, and so many lines of numbers.
    Wider,
    /// MOTChallenge's `gt.txt`: frame, id, left, top, width, height, and more.
    Mot,
    /// A table with a line of column names.
    Csv,
}

impl Format {
    /// All formats, by the names in `--truth`.
    pub const ALL: [(&'static str, Format); 4] =
        [("coco", Format::Coco), ("wider", Format::Wider), ("mot", Format::Mot), ("csv", Format::Csv)];

    /// The format of that name.
    pub fn by_name(name: &str) -> Option<Format> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, format)| *format)
    }

    /// Its name in `--truth`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, f)| *f == self).map_or("", |(name, _)| name)
    }

    /// Where truth of this format lies in a folder with data, most likely first.
    pub fn usual_places(self) -> &'static [&'static str] {
        match self {
            Format::Coco => &["annotations.json", "_annotations.coco.json", "instances.json", "coco.json"],
            Format::Wider => {
                &["wider.txt", "wider_face_val_bbx_gt.txt", "wider_face_train_bbx_gt.txt", "annotations.txt"]
            }
            Format::Mot => &["gt/gt.txt", "../gt/gt.txt", "gt.txt"],
            Format::Csv => &["truth.csv", "annotations.csv", "labels.csv"],
        }
    }
}

/// How truth names its frames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A picture's file, as it stands in the truth, with `/` between folders.
    File(String),
    /// A frame's number in a film; the first one is 0.
    Frame(u64),
}

/// One thing that is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thing {
    /// What it is; empty if the format has no labels.
    pub label: String,
    /// Where, in pixels (or relative to the picture, see [`Truth::relative`]).
    pub at: Pixels,
    /// Its size in square pixels, if it is not that of its box.
    pub area: Option<f64>,
    /// The number that it keeps from frame to frame.
    pub id: Option<u64>,
    /// What stands on it.
    pub text: Option<String>,
    /// Whether it counts neither when it is found nor when it is missed.
    pub ignore: bool,
    /// Whether the box holds many things, of which any number may be found.
    pub crowd: bool,
}

/// What is there in one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameTruth {
    /// The things that are there.
    pub things: Vec<Thing>,
    /// How many there are, if the truth says so without boxes.
    pub count: Option<f64>,
    /// What can be read, apart from the texts of things.
    pub texts: Vec<String>,
}

impl FrameTruth {
    /// How many things there are: what the truth says, or else the number of boxes.
    pub fn count(&self) -> f64 {
        self.count.unwrap_or_else(|| self.things.iter().filter(|t| !t.ignore && !t.crowd).count() as f64)
    }
}

/// When an event must happen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At this frame of the film.
    Frame(u64),
    /// At this time of the film, seconds.
    Time(f64),
}

/// An event that must happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The event's name.
    pub name: String,
    /// When; none: while the picture of [`Expected::file`] is shown.
    pub when: Option<When>,
    /// In which picture.
    pub file: Option<String>,
    /// What must stand in the event's data, such as a region's or a window's name.
    pub detail: Vec<String>,
}

/// What is there in pictures or a film.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Frames of which it says something.
    pub frames: BTreeMap<Key, FrameTruth>,
    /// Events that must happen.
    pub events: Vec<Expected>,
    /// Whether boxes are relative to the picture instead of in pixels.
    pub relative: bool,
    /// Frames per second, if it says so.
    pub rate: Option<f64>,
}

impl Truth {
    /// Whether it is about a film, frame by frame: a frame of which it says nothing is empty.
    pub fn is_film(&self) -> bool {
        let by_frame = self.frames.keys().any(|key| matches!(key, Key::Frame(_)));
        by_frame || (self.frames.is_empty() && self.events.iter().any(|e| e.when.is_some()))
    }

    /// The labels that occur, sorted.
    pub fn labels(&self) -> Vec<&str> {
        let things = self.frames.values().flat_map(|frame| &frame.things).filter(|t| !t.ignore);
        let mut labels: Vec<&str> = things.map(|t| t.label.as_str()).collect();
        labels.sort_unstable();
        labels.dedup();
        labels
    }

    /// What is there in a frame, in pixels of a picture of this size; none if the truth says nothing of it.
    pub fn of(&self, key: &Key, width: u32, height: u32) -> Option<FrameTruth> {
        let mut frame = match self.frames.get(key) {
            Some(frame) => frame.clone(),
            None if matches!(key, Key::Frame(_)) && self.is_film() => FrameTruth::default(),
            None => return None,
        };
        if self.relative {
            let (width, height) = (f64::from(width), f64::from(height));
            for thing in &mut frame.things {
                let at = &mut thing.at;
                *at = Pixels::new(at.x * width, at.y * height, at.width * width, at.height * height);
            }
        }
        Some(frame)
    }
}

/// Reads a truth file.
///
/// # Errors
///
/// [`TruthError`] with the file and the line of the first mistake.
pub fn read(format: Format, path: &Path) -> Result<Truth, TruthError> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| TruthError::unreadable(&name, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
        TruthError::new(&name, line, "this is not text: there are bytes that are not UTF-8")
    })?;
    let mut truth = parse(format, &name, &text)?;
    if format == Format::Mot {
        truth.rate = mot::rate_beside(path);
    }
    Ok(truth)
}

/// Reads truth from text; `name` is the file that errors name.
///
/// # Errors
///
/// As [`read`].
pub fn parse(format: Format, name: &str, text: &str) -> Result<Truth, TruthError> {
    // Editors on some systems begin a file with a mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let truth = match format {
        Format::Coco => coco::parse(name, text),
        Format::Wider => wider::parse(name, text),
        Format::Mot => mot::parse(name, text),
        Format::Csv => csv::parse(name, text),
    }?;
    if truth.frames.is_empty() && truth.events.is_empty() {
        return Err(TruthError::new(name, 1, "this file says nothing: it names no picture and no frame"));
    }
    Ok(truth)
}

/// A number of a truth file.
fn number(name: &str, line: usize, what: &str, text: &str) -> Result<f64, TruthError> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(|| {
        TruthError::new(name, line, format!("{what} must be a number, not '{}'", error::shorten(text)))
    })
}

/// A whole number of a truth file that is not negative; some programs write 3.0 for 3.
fn whole(name: &str, line: usize, what: &str, text: &str) -> Result<u64, TruthError> {
    let value = number(name, line, what, text)?;
    if value < 0.0 || value.fract() != 0.0 || value > 9e15 {
        let text = error::shorten(text);
        return Err(TruthError::new(
            name,
            line,
            format!("{what} must be a whole number from 0 on, not '{text}'"),
        ));
    }
    Ok(value as u64)
}

/// A box of a truth file.
fn pixels(name: &str, line: usize, x: f64, y: f64, width: f64, height: f64) -> Result<Pixels, TruthError> {
    if width < 0.0 || height < 0.0 {
        return Err(TruthError::new(name, line, format!("a box cannot be {width} x {height} large")));
    }
    Ok(Pixels::new(x, y, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_have_names() {
        for (name, format) in Format::ALL {
            assert_eq!(Format::by_name(name), Some(format));
            assert_eq!(format.name(), name);
            assert!(!format.usual_places().is_empty());
        }
        assert_eq!(Format::by_name("voc"), None);
    }

    #[test]
    fn relative_boxes_become_pixels_of_the_picture() {
        let text = "# coordinates: relative\nfile,label,x,y,width,height\na.jpg,face,0.5,0.25,0.1,0.5\n";
        let truth = parse(Format::Csv, "t.csv", text).unwrap();
        let frame = truth.of(&Key::File("a.jpg".into()), 640, 480).unwrap();
        assert_eq!(frame.things[0].at, Pixels::new(320.0, 120.0, 64.0, 240.0));
        assert_eq!(truth.of(&Key::File("b.jpg".into()), 640, 480), None);
    }

    #[test]
    fn a_file_that_is_missing_or_no_text_is_named() {
        let error = read(Format::Coco, Path::new("/nowhere/a.json")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/a.json: No such file"), "{error}");
    }

    #[test]
    fn an_empty_file_is_an_error_in_every_format() {
        for (name, format) in Format::ALL {
            let error = parse(format, "empty", "").unwrap_err();
            assert_eq!(error.file, "empty", "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_truth_or_an_error_with_a_line(text in "[0-9a-z,.#\n \"{}\\[\\]:-]{0,200}") {
            for (_, format) in Format::ALL {
                if let Err(error) = parse(format, "f", &text) {
                    let lines = text.split('\n').count();
                    proptest::prop_assert!(error.line.is_none_or(|line| (1..=lines + 1).contains(&line)), "{error}");
                }
            }
        }
    }
}
