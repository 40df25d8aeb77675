//! Networks that say what all of the picture shows.

use anabranch_kit::regions::Region;

use super::super::{Outputs, Wish, boxes};

/// What the scores are.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Whether they are still to be made parts of 1.
    pub softmax: bool,
}

impl Default for Scores {
    fn default() -> Self {
        Scores { softmax: true }
    }
}

impl Scores {
    /// The output: one score for each class. The classes above the threshold, each for all of the picture.
    pub(super) fn decode(&self, outputs: &Outputs<'_>, wish: &Wish) -> Option<Vec<Region>> {
        let output = outputs.tensors.first().filter(|t| !t.data.is_empty())?;
        if !wish.labels.is_empty() && wish.labels.len() != output.data.len() {
            return None;
        }
        let scores = if self.softmax { boxes::softmax(&output.data) } else { output.data.clone() };
        let classes = scores.into_iter().enumerate().filter(|(_, score)| *score >= wish.threshold);
        let mut found: Vec<Region> = classes
            .map(|(class, score)| Region { label: wish.label(class), score, ..super::everywhere() })
            .collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(wish.most);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{close, tensor, wish};
    use super::*;

    #[test]
    fn the_best_class_is_said() {
        let tensors = [tensor(&[1, 3], vec![0.0, 2.0, 0.0])];
        let outputs = Outputs { names: &[], tensors: &tensors };
        let found = Scores::default().decode(&outputs, &wish(&["day", "night", "dusk"])).unwrap();
        assert_eq!((found.len(), found[0].label.as_str(), found[0].width), (1, "night", 1.0));
        close(found[0].score, 0.786_986);
        assert!(Scores::default().decode(&outputs, &wish(&["day", "night"])).is_none(), "another network");
    }
}
