//! MOTChallenge's `gt.txt`: a line for each box with frame (from 1 on), id, left, top, width, height, a flag (0: does not
//! count), and in the sets of 2016 and later the class and how much of it is visible.

use std::path::Path;

use super::{Key, Thing, Truth, TruthError, number, pixels, whole};

/// The classes of the sets of 2016 and later, from 1 on.
const CLASSES: [&str; 13] = [
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
    "crowd",
];

pub(super) fn parse(name: &str, text: &str) -> Result<Truth, TruthError> {
    let mut truth = Truth::default();
    for (line, row) in text.lines().enumerate().map(|(n, row)| (n + 1, row.trim())) {
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let cells: Vec<&str> = row.split(',').map(str::trim).collect();
        let [frame, id, x, y, width, height, rest @ ..] = &cells[..] else {
            let message = format!(
                "a line is frame,id,left,top,width,height,flag,..., at least six numbers, and this one has {}",
                cells.len()
            );
            return Err(TruthError::new(name, line, message));
        };
        let frame = whole(name, line, "the frame", frame)?;
        let Some(frame) = frame.checked_sub(1) else {
            return Err(TruthError::new(name, line, "frames count from 1 on, not from 0"));
        };
        let id = number(name, line, "the id", id)?;
        let [x, y, width, height] = [("left", x), ("top", y), ("width", width), ("height", height)]
            .map(|(what, text)| number(name, line, what, text));
        let at = pixels(name, line, x?, y?, width?, height?)?;
        let flag = rest.first().map_or(Ok(1.0), |flag| number(name, line, "the flag", flag))?;
        // Ten columns are the set of 2015, which has world coordinates in place of a class.
        let label = match rest.get(1).filter(|_| rest.len() < 4) {
            None => CLASSES[0],
            Some(class) => {
                let class = whole(name, line, "the class", class)?;
                let known = usize::try_from(class).ok().and_then(|class| class.checked_sub(1));
                known.and_then(|class| CLASSES.get(class)).copied().ok_or_else(|| {
                    TruthError::new(name, line, format!("there is no class {class}; they are 1 to 13"))
                })?
            }
        };
        truth.frames.entry(Key::Frame(frame)).or_default().things.push(Thing {
            label: label.to_owned(),
            at,
            id: (id >= 0.0).then_some(id as u64),
            ignore: flag == 0.0,
            ..Thing::default()
        });
    }
    Ok(truth)
}

/// Frames per second, from the `seqinfo.ini` of the sequence.
pub(super) fn rate_beside(path: &Path) -> Option<f64> {
    let folders = path.ancestors().skip(1).take(2);
    let text = folders.map(|f| f.join("seqinfo.ini")).find_map(|file| std::fs::read_to_string(file).ok())?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("frameRate=")?.trim().parse().ok())?;
    (value > 0.0 && f64::is_finite(value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Pixels;

    #[test]
    fn boxes_have_ids_and_frames_count_from_nought() {
        let truth =
            parse("gt.txt", "1,3,10,20,30,40,1,1,0.9\n1,4,1,2,3,4,0,7,1\n\n3,3,11,20,30,40,1,3,1\n").unwrap();
        let first = &truth.frames[&Key::Frame(0)];
        assert_eq!(first.things[0].at, Pixels::new(10.0, 20.0, 30.0, 40.0));
        assert_eq!((first.things[0].id, first.things[0].label.as_str()), (Some(3), "pedestrian"));
        assert!(first.things[1].ignore && first.things[1].label == "static person");
        assert_eq!(truth.frames[&Key::Frame(2)].things[0].label, "car");
        assert!(truth.is_film());
        assert_eq!(
            truth.of(&Key::Frame(1), 1, 1),
            Some(super::super::FrameTruth::default()),
            "nobody is there"
        );
    }

    #[test]
    fn the_set_of_2015_has_no_classes() {
        let truth = parse("gt.txt", "1,1,10,20,30,40,1,-11.0,-2.5,0\n").unwrap();
        assert_eq!(truth.frames[&Key::Frame(0)].things[0].label, "pedestrian");
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line, words) in [
            ("1,1,1,1,1\n", 1, "at least six"),
            ("1,1,1,1,1,1\n0,1,1,1,1,1\n", 2, "from 1 on"),
            ("\n1.5,1,1,1,1,1\n", 2, "whole number"),
            ("1,1,1,1,1,-1\n", 1, "1 x -1"),
            ("1,1,1,1,1,1,1,44,1\n", 1, "no class 44"),
            ("1,a,1,1,1,1\n", 1, "the id must be a number"),
        ] {
            let error = parse("gt.txt", text).unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
