//! How well text is read.

use serde::{Deserialize, Serialize};

use super::assign::assign;
use super::part;

/// When two texts are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Every character counts.
    #[default]
    Exact,
    /// Only letters and digits count, and not whether letters are large or small.
    Letters,
}

impl Rule {
    fn apply(self, text: &str) -> Vec<char> {
        match self {
            Rule::Exact => text.trim().chars().collect(),
            Rule::Letters => {
                text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
            }
        }
    }
}

/// How well text is read, over all frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Texts that are there.
    pub truths: usize,
    /// Texts that were read.
    pub read: usize,
    /// Texts that were read without an error.
    pub exact: usize,
    /// The part of the texts that was read without an error.
    pub exact_rate: f64,
    /// The part of what was read that is right.
    pub precision: f64,
    /// Character errors (wrong, missing and superfluous ones) per character that is there. A text that was not read
    /// counts with all of its characters; what was read where nothing is does not count here.
    pub character_error_rate: f64,
}

/// What is there and what was read, in one frame.
pub type Texts<'a> = (Vec<&'a str>, Vec<&'a str>);

/// The least number of characters to change, to insert or to take away to make one text of the other.
pub fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Pairs the texts of a frame so that their errors are least: the text that was read, for each that is there. One that has
/// no character right is not taken for it.
fn pair(truths: &[Vec<char>], read: &[Vec<char>]) -> Vec<Option<usize>> {
    assign(truths.len(), read.len(), |t, r| {
        let longer = truths[t].len().max(read[r].len());
        // Exactly right ones are worth more than any sum of halves.
        match longer - distance(&truths[t], &read[r]) {
            same if same == longer => 1000.0 + same as f64,
            same => same as f64 / longer as f64,
        }
    })
}

/// Scores frames.
pub fn score(frames: &[Texts<'_>], rule: Rule) -> Reading {
    let mut reading = Reading::default();
    let (mut errors, mut characters) = (0, 0);
    for (truths, read) in frames {
        let truths: Vec<Vec<char>> = truths.iter().map(|text| rule.apply(text)).collect();
        let read: Vec<Vec<char>> = read.iter().map(|text| rule.apply(text)).collect();
        reading.truths += truths.len();
        reading.read += read.len();
        for (truth, read) in truths.iter().zip(pair(&truths, &read).into_iter().map(|n| n.map(|n| &read[n])))
        {
            let error = read.map_or(truth.len(), |read| distance(truth, read));
            reading.exact += usize::from(read.is_some() && error == 0);
            errors += error;
            characters += truth.len();
        }
    }
    reading.exact_rate = part(reading.exact as f64, reading.truths as f64);
    reading.precision = part(reading.exact as f64, reading.read as f64);
    reading.character_error_rate = part(errors as f64, characters as f64);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(a: &str, b: &str) -> usize {
        distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn distances_by_hand() {
        assert_eq!(apart("kitten", "sitting"), 3);
        assert_eq!((apart("", "abc"), apart("abc", ""), apart("abc", "abc")), (3, 3, 0));
        assert_eq!(apart("B0D", "BOD"), 1);
    }

    #[test]
    fn rates_by_hand() {
        let frames =
            [(vec!["AB123", "XY9"], vec!["XY9", "AB12B"]), (vec!["HELLO"], vec![]), (vec![], vec!["GHOST"])];
        let reading = score(&frames, Rule::Exact);
        assert_eq!((reading.truths, reading.read, reading.exact), (3, 3, 1));
        assert_eq!((reading.exact_rate, reading.precision), (1.0 / 3.0, 1.0 / 3.0));
        // One wrong character, and five that were not read, of 13.
        assert_eq!(reading.character_error_rate, 6.0 / 13.0);
    }

    #[test]
    fn blanks_and_case_may_be_left_out_of_account() {
        let frames = [(vec!["AB-123 c"], vec!["ab 123C"])];
        assert_eq!(score(&frames, Rule::Exact).exact, 0);
        assert_eq!(score(&frames, Rule::Letters).exact, 1);
    }

    proptest::proptest! {
        #[test]
        fn a_distance_is_a_metric(a in "[ab]{0,8}", b in "[ab]{0,8}", c in "[ab]{0,8}") {
            proptest::prop_assert_eq!(apart(&a, &b), apart(&b, &a));
            proptest::prop_assert_eq!(apart(&a, &b) == 0, a == b);
            proptest::prop_assert!(apart(&a, &c) <= apart(&a, &b) + apart(&b, &c));
        }
    }
}
