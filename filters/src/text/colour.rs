//! Colours as people write them.

use anabranch_kit::filter::FilterError;

const NAMES: &[(&str, [u8; 4])] = &[
    ("", [0; 4]),
    ("none", [0; 4]),
    ("transparent", [0; 4]),
    ("black", [0, 0, 0, 255]),
    ("white", [255, 255, 255, 255]),
    ("grey", [128, 128, 128, 255]),
    ("gray", [128, 128, 128, 255]),
    ("red", [255, 0, 0, 255]),
    ("green", [0, 128, 0, 255]),
    ("blue", [0, 0, 255, 255]),
    ("yellow", [255, 255, 0, 255]),
    ("orange", [255, 165, 0, 255]),
];

/// Red, green, blue and alpha of a colour: `#f80`, `#ff8800`, `#ff880080` with transparency, or a name.
///
/// # Errors
///
/// A sentence that names the property.
pub fn parse(property: &str, text: &str) -> Result<[u8; 4], FilterError> {
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
    if let Some((_, colour)) = named {
        return Ok(*colour);
    }
    hexadecimal(text.trim()).ok_or_else(|| {
        FilterError::fatal(format!(
            "'{property}' is not a colour: {text:?}; write '#rrggbb', '#rrggbbaa' with transparency, or a name such as \
             'white'"
        ))
    })
}

fn hexadecimal(text: &str) -> Option<[u8; 4]> {
    let digits = text.strip_prefix('#')?;
    let digits = digits.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<u32>>>()?;
    let digits = digits.into_iter().map(|d| d as u8).collect::<Vec<u8>>();
    match digits.as_slice() {
        [r, g, b] => Some([17 * r, 17 * g, 17 * b, 255]),
        [r, s, g, h, b, c] => Some([16 * r + s, 16 * g + h, 16 * b + c, 255]),
        [r, s, g, h, b, c, a, d] => Some([16 * r + s, 16 * g + h, 16 * b + c, 16 * a + d]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_others_are_refused_by_name() {
        for (text, colour) in [
            ("#fff", [255, 255, 255, 255]),
            ("#0a1B2c", [10, 27, 44, 255]),
            ("#0a1b2c80", [10, 27, 44, 128]),
            ("White", [255; 4]),
            ("none", [0; 4]),
            ("", [0; 4]),
        ] {
            assert_eq!(parse("color", text), Ok(colour), "{text}");
        }
        for text in ["fff", "#ff", "#12345g", "#1234567", "mauve", "#äöü"] {
            let error = parse("outline_color", text).unwrap_err().to_string();
            assert!(error.contains("'outline_color'") && error.contains("#rrggbb"), "{error}");
        }
    }
}
