//! What a text says at a moment.

use std::fmt::Write;
use std::time::Duration;

use anabranch_kit::filter::FilterError;

/// What the fields of a text stand for.
pub struct Moment {
    /// The clock's time, written out.
    pub clock: String,
    /// The picture's time in the film.
    pub time: Duration,
    /// How many pictures there were before.
    pub frame: u64,
}

/// The text with its fields filled in: `{clock}`, `{time}`, `{frame}`. Other braces are as they are.
pub fn expand(text: &str, moment: &Moment) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        match &rest[..end] {
            "{clock}" => out.push_str(&moment.clock),
            "{time}" => {
                let seconds = moment.time.as_secs();
                let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                // Writing to a string cannot fail.
                let _ = write!(out, "{h}:{m:02}:{s:02}.{:03}", moment.time.subsec_millis());
            }
            "{frame}" => {
                let _ = write!(out, "{}", moment.frame);
            }
            _ => {
                out.push('{');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[end..];
    }
    out + rest
}

/// Whether a format of the clock can be written.
///
/// # Errors
///
/// A sentence with the format.
pub fn check_clock(format: &str) -> Result<(), FilterError> {
    let now = glib::DateTime::now_utc().map_err(FilterError::fatal)?;
    // GLib passes over a `%` at the end.
    let cut_off = format.len() - format.trim_end_matches('%').len();
    if cut_off.is_multiple_of(2) && now.format(format).is_ok() {
        return Ok(());
    }
    Err(FilterError::fatal(format!(
        "'clock' is not a format for times: {format:?}; write for example '%Y-%m-%d %H:%M:%S'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in_and_the_rest_stays() {
        let moment = Moment { clock: "12:00".into(), time: Duration::from_millis(3_723_045), frame: 7 };
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{clock} – {time} #{frame}", "12:00 – 1:02:03.045 #7"),
            ("{other} {clock", "{other} {clock"),
            ("{{clock}}", "{12:00}"),
            ("ä{", "ä{"),
        ] {
            assert_eq!(expand(text, &moment), expected);
        }
    }

    #[test]
    fn a_wrong_clock_is_refused() {
        assert!(check_clock("%H:%M:%S").is_ok());
        assert!(check_clock("100 %%").is_ok());
        assert!(check_clock("%").is_err());
        assert!(check_clock("%Q").is_err());
    }
}
