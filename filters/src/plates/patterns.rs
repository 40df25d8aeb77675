//! What makes text a plate: length, letters and digits, and the patterns of countries.

use regex::Regex;
use serde::Deserialize;

/// Without a pattern a plate has so many characters.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=9;
/// Characters that are taken for each other.
const ALIKE: [&str; 7] = ["0ODQ", "1IL", "2Z", "5S", "6G", "8B", "4A"];
/// No more ways of reading a text are tried.
const MOST: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    country: String,
    pattern: String,
}

/// The patterns that count.
#[derive(Debug)]
pub struct Patterns {
    /// Country and pattern; a plate must fit one if `strict`.
    all: Vec<(Option<String>, Regex)>,
    strict: bool,
}

impl Patterns {
    /// The pattern of a property, the countries of a property, or all countries. With either a plate must fit.
    ///
    /// # Errors
    ///
    /// A sentence: the pattern is no regular expression, or the country is not known.
    pub fn new(pattern: &str, countries: &[String]) -> Result<Self, String> {
        if !pattern.is_empty() {
            return Ok(Patterns { all: vec![(None, compile(pattern)?)], strict: true });
        }
        let table: Vec<Entry> = serde_saphyr::from_str(include_str!("countries.yaml"))
            .map_err(|e| format!("the table of countries: {e}"))?;
        if let Some(unknown) = countries.iter().find(|c| table.iter().all(|e| e.country != **c)) {
            let known: Vec<&str> = table.iter().map(|e| e.country.as_str()).collect();
            return Err(format!("there is no pattern for '{unknown}'; there are {}", known.join(", ")));
        }
        let wanted = table.into_iter().filter(|e| countries.is_empty() || countries.contains(&e.country));
        let all =
            wanted.map(|e| Ok((Some(e.country), compile(&e.pattern)?))).collect::<Result<_, String>>()?;
        Ok(Patterns { all, strict: !countries.is_empty() })
    }

    /// What a text says as a plate, and whose it is. Characters that are easily taken for each other are tried both ways
    /// where a plate must fit a pattern.
    pub fn plate(&self, text: &str) -> Option<(String, Option<String>)> {
        let text: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let fits = |text: &str| self.all.iter().find(|(_, p)| p.is_match(text));
        if let Some((country, _)) = fits(&text) {
            return Some((text, country.clone()));
        }
        if self.strict {
            let mut ways = ways(&text).into_iter();
            return ways.find_map(|way| fits(&way).map(|(country, _)| (way.clone(), country.clone())));
        }
        // Words are text as well; plates have digits.
        let digits = text.chars().filter(char::is_ascii_digit).count();
        (LENGTHS.contains(&text.len()) && digits > 0 && digits < text.len().max(6)).then_some((text, None))
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("'{pattern}' is not a regular expression: {e}"))
}

/// Other ways of reading a text, those with the fewest changes first.
fn ways(text: &str) -> Vec<String> {
    let mut all: Vec<(usize, String)> = vec![(0, String::new())];
    for character in text.chars() {
        let group = ALIKE.iter().find(|group| group.contains(character));
        let mut next = Vec::new();
        for (changes, start) in &all {
            next.push((*changes, format!("{start}{character}")));
            for other in group.map_or("", |g| *g).chars().filter(|c| *c != character) {
                next.push((changes + 1, format!("{start}{other}")));
            }
        }
        next.sort_by_key(|(changes, _)| *changes);
        next.truncate(MOST);
        all = next;
    }
    all.into_iter().skip(1).map(|(_, way)| way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plate(patterns: &Patterns, text: &str) -> Option<(String, String)> {
        patterns.plate(text).map(|(text, country)| (text, country.unwrap_or_default()))
    }

    fn pair(text: &str, country: &str) -> Option<(String, String)> {
        Some((text.into(), country.into()))
    }

    #[test]
    fn countries_are_told_by_their_patterns() {
        let all = Patterns::new("", &[]).unwrap();
        assert_eq!(plate(&all, "1234 BCD"), pair("1234BCD", "ES"));
        assert_eq!(plate(&all, "AB-123-CD"), pair("AB123CD", "FR"));
        assert_eq!(plate(&all, "BD51SMR"), pair("BD51SMR", "GB"));
        assert_eq!(plate(&all, "MXY1234"), pair("MXY1234", "DE"));
        assert_eq!(plate(&all, "12345A"), pair("12345A", ""), "some other country's");
        for no in ["STOP", "A1", "", "TOOLONGFORAPLATE1", "123456"] {
            assert_eq!(plate(&all, no), None, "{no}");
        }
    }

    #[test]
    fn a_pattern_corrects_what_is_easily_mistaken() {
        let spain = Patterns::new("", &["ES".into()]).unwrap();
        assert_eq!(plate(&spain, "I234BCU"), None, "no U, and nothing like it");
        assert_eq!(plate(&spain, "I2S4BCD"), pair("1254BCD", "ES"));
        assert_eq!(plate(&spain, "AB123CD"), None);
        let own = Patterns::new("^X[0-9]{3}$", &[]).unwrap();
        assert_eq!(plate(&own, "XO12"), pair("X012", ""));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(Patterns::new("([", &[]).unwrap_err().contains("regular expression"));
        assert!(Patterns::new("", &["XX".into()]).unwrap_err().contains("ES, FR"));
    }
}
