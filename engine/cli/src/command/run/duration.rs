//! Lengths of time on the command line.

use std::time::Duration;

/// `10`, `10s`, `1.5s`, `500ms`, `2m`, `1h`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("'{}' is no unit of time: ms, s, m or h", unit.trim())),
    };
    let number: f64 =
        number.parse().map_err(|_| "a number with a unit is wanted: 10s, 500ms, 2m, 1h".to_owned())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        for (text, ms) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "s", "-1s", "10 parsecs", "1e3", "1.2.3", "99999999999999999999999999h"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
