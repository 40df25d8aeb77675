//! Networks that read a line of text: a character or the blank for each column (connectionist temporal classification,
//! Graves and others, 2006).

use anabranch_kit::inference::Tensor;
use anabranch_kit::regions::Region;

use super::super::{Outputs, Wish, boxes};

/// What the network can read, and what it may.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alphabet {
    /// The characters in the network's order, without the blank, which comes first.
    pub characters: Vec<String>,
    /// If not empty, no other characters are read.
    pub allowed: String,
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// How sure the network is of each of its characters.
    pub scores: Vec<f32>,
}

impl Line {
    /// How sure it is of all: the mean.
    pub fn score(&self) -> f32 {
        self.scores.iter().sum::<f32>() / self.scores.len().max(1) as f32
    }
}

impl Alphabet {
    /// The characters of the metadata key `character`, one a line, as PaddleOCR's models have them; a space comes last.
    pub fn of_metadata(lines: &str) -> Vec<String> {
        let mut characters: Vec<String> = lines.lines().map(str::to_owned).collect();
        characters.push(" ".into());
        characters
    }

    /// The classes that may be read: the blank and the allowed characters.
    pub fn classes(&self) -> Vec<(usize, &str)> {
        let allowed =
            |c: &&String| self.allowed.is_empty() || (!c.is_empty() && self.allowed.contains(c.as_str()));
        let characters = self.characters.iter().enumerate();
        let kept = characters.filter(|(_, c)| allowed(c)).map(|(at, c)| (at + 1, c.as_str()));
        std::iter::once((0, "")).chain(kept).collect()
    }

    /// Reads the most likely text.
    pub fn read(&self, output: &Tensor, classes: &[(usize, &str)]) -> Option<Line> {
        let [1, columns, width] = output.shape[..] else { return None };
        if width != self.characters.len() + 1 || columns * width != output.data.len() {
            return None;
        }
        let mut line = Line::default();
        let mut last = 0;
        for column in output.data.chunks_exact(width) {
            let (at, _) = boxes::greatest(classes.iter().map(|(class, _)| column[*class]))?;
            // Of what may be read the parts are 1 in all.
            let sum: f32 = classes.iter().map(|(class, _)| column[*class]).sum();
            let score = column[classes[at].0] / sum.max(f32::MIN_POSITIVE);
            if at != 0 && at != last {
                line.text.push_str(classes[at].1);
                line.scores.push(score);
            } else if at != 0
                && let Some(best) = line.scores.last_mut()
            {
                *best = best.max(score);
            }
            last = at;
        }
        Some(line)
    }

    /// The text as the attribute `text` of all of the picture.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, wish: &Wish) -> Option<Vec<Region>> {
        let line = self.read(outputs.tensors.first()?, &self.classes())?;
        if line.text.is_empty() || line.score() < wish.threshold {
            return Some(Vec::new());
        }
        let label = wish.labels.first().cloned().unwrap_or_else(|| "text".into());
        let mut region = Region { label, score: line.score(), ..super::everywhere() };
        region.attributes.insert("text".into(), line.text.into());
        Some(vec![region])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, tensor, wish};
    use super::*;

    #[test]
    fn repeats_are_one_character_unless_a_blank_parts_them() {
        let alphabet =
            Alphabet { characters: ["A", "B", "ö"].map(String::from).to_vec(), allowed: String::new() };
        let columns = [
            [0.0, 0.9, 0.1, 0.0],
            [0.0, 0.6, 0.4, 0.0],
            [0.9, 0.1, 0.0, 0.0],
            [0.1, 0.9, 0.0, 0.0],
            [0.0, 0.1, 0.2, 0.7],
        ];
        let tensors = [tensor(&[1, 5, 4], columns.concat())];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let found = alphabet.decode(&outputs, &wish(&[])).unwrap();
        assert_eq!((found[0].attributes["text"].as_str().unwrap(), found[0].label.as_str()), ("AAö", "text"));
        close(found[0].score, (0.9 + 0.9 + 0.7) / 3.0);
        let strict = Alphabet { allowed: "AB".into(), ..alphabet };
        let found = strict.decode(&outputs, &wish(&[])).unwrap();
        assert_eq!(found[0].attributes["text"], "AAB");
        let tensors = [tensor(&[1, 1, 3], vec![0.0; 3])];
        assert!(strict.decode(&Outputs { names: &[], tensors: &tensors }, &wish(&[])).is_none());
    }
}
