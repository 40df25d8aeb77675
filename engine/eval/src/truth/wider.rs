//! WIDER FACE's text files, `wider_face_val_bbx_gt.txt`: the name of a picture, the number of its faces, then a line of ten
//! numbers for each: left, top, width, height, blur, expression, illumination, invalid, occlusion, pose. Other sets in
//! this form leave out what follows the box. A picture without faces has 0 and one line of zeros.

use super::{FrameTruth, Key, Thing, Truth, TruthError, error::shorten as shorten_line, pixels, whole};

/// Where the flag `invalid` stands: such a face counts neither way.
const INVALID: usize = 7;

pub(super) fn parse(name: &str, text: &str) -> Result<Truth, TruthError> {
    let mut truth = Truth::default();
    let mut lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim())).peekable();
    while let Some((at, picture)) = lines.next() {
        if picture.is_empty() {
            continue;
        }
        let Some((line, count)) = lines.next() else {
            let message =
                format!("after the picture '{}' comes the number of its faces", shorten_line(picture));
            return Err(TruthError::new(name, at, message));
        };
        let what = format!("after the picture '{}' the number of its faces", shorten_line(picture));
        let count = whole(name, line, &what, count)?;
        let mut frame = FrameTruth::default();
        for n in 1..=count {
            let Some((line, numbers)) = lines.next() else {
                let message = format!(
                    "'{}' has {count} faces, but the file ends after {} of them",
                    shorten_line(picture),
                    n - 1
                );
                return Err(TruthError::new(name, line, message));
            };
            frame.things.push(face(name, line, numbers)?);
        }
        // The line of zeros of a picture without faces.
        if count == 0 {
            lines.next_if(|(_, line)| is_numbers(line));
        }
        if truth.frames.insert(Key::File(picture.replace('\\', "/")), frame).is_some() {
            let message = format!("the picture '{}' stands here twice", shorten_line(picture));
            return Err(TruthError::new(name, at, message));
        }
    }
    Ok(truth)
}

fn is_numbers(line: &str) -> bool {
    line.contains(' ') && line.split_whitespace().all(|word| word.parse::<f64>().is_ok())
}

fn face(name: &str, line: usize, text: &str) -> Result<Thing, TruthError> {
    let mut numbers = Vec::new();
    for word in text.split_whitespace() {
        numbers.push(super::number(name, line, "a face", word)?);
    }
    let [x, y, width, height, ..] = numbers[..] else {
        let message = format!(
            "a face has at least four numbers (left, top, width, height), not '{}'",
            shorten_line(text)
        );
        return Err(TruthError::new(name, line, message));
    };
    let at = pixels(name, line, x, y, width, height)?;
    // The set itself has a few faces without an extent.
    let ignore = numbers.get(INVALID).is_some_and(|flag| *flag != 0.0) || at.area() == 0.0;
    Ok(Thing { label: "face".into(), at, ignore, ..Thing::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Pixels;

    const TEXT: &str = "0--Parade/a.jpg\n2\n10 20 30 40 0 0 0 0 0 0 \n1 2 3 4 0 0 0 1 0 0\n0--Parade/b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \nc.jpg\n1\n5 6 7 8\n";

    #[test]
    fn faces_are_read_and_invalid_ones_do_not_count() {
        let truth = parse("w.txt", TEXT).unwrap();
        assert_eq!(truth.frames.len(), 3);
        let a = &truth.frames[&Key::File("0--Parade/a.jpg".into())];
        assert_eq!(a.things[0].at, Pixels::new(10.0, 20.0, 30.0, 40.0));
        assert_eq!((a.things.len(), a.things[1].ignore, a.count()), (2, true, 1.0));
        assert_eq!(truth.frames[&Key::File("0--Parade/b.jpg".into())].things, []);
        assert_eq!(truth.frames[&Key::File("c.jpg".into())].things.len(), 1);
        assert!(!truth.is_film());
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line, words) in [
            ("a.jpg\nten\n", 2, "number of its faces"),
            ("a.jpg\n2\n1 2 3 4\n", 2, "ends after 1"),
            ("a.jpg\n1\n1 2 3\n", 3, "at least four numbers"),
            ("a.jpg\n1\n1 2 x 4\n", 3, "must be a number, not 'x'"),
            ("a.jpg\n1\n1 2 -3 4\n", 3, "-3 x 4"),
            ("a.jpg\n0\na.jpg\n0\n", 3, "twice"),
            ("a.jpg\n", 1, "comes the number"),
        ] {
            let error = parse("w.txt", text).unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
