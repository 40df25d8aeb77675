//! Fonts: the one that is asked for, and DejaVu Sans, which is in the program, for letters that it lacks.

use ab_glyph::{Font, FontArc, FontVec, GlyphId};
use anabranch_kit::filter::FilterError;

/// The fonts of a text, most wanted first.
pub struct Fonts(Vec<FontArc>);

impl Fonts {
    /// Reads a TrueType or OpenType file; without one there is DejaVu Sans.
    ///
    /// # Errors
    ///
    /// A sentence that names the file.
    pub fn load(file: Option<&str>) -> Result<Fonts, FilterError> {
        let mut fonts = Vec::new();
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            let path = file.strip_prefix("file://").unwrap_or(file);
            let bytes = std::fs::read(path)
                .map_err(|e| FilterError::fatal(format!("cannot read the font {path}: {e}")))?;
            let font = FontVec::try_from_vec(bytes).map_err(|_| {
                FilterError::fatal(format!(
                    "cannot read the font {path}: it is neither TrueType nor OpenType"
                ))
            })?;
            fonts.push(FontArc::new(font));
        }
        let own = FontArc::try_from_slice(dejavu::sans::regular());
        fonts.push(own.map_err(|_| FilterError::fatal("the font in the program is broken"))?);
        Ok(Fonts(fonts))
    }

    /// The font and the glyph of a letter. What no font has is the first font's sign for that.
    pub fn glyph(&self, letter: char) -> (&FontArc, GlyphId) {
        let has = self.0.iter().map(|font| (font, font.glyph_id(letter))).find(|(_, id)| id.0 != 0);
        has.unwrap_or_else(|| (self.first(), GlyphId(0)))
    }

    /// The font that is asked for: it says how high lines are.
    pub fn first(&self) -> &FontArc {
        &self.0[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_many_scripts_are_there() {
        let fonts = Fonts::load(None).unwrap();
        for letter in "Aß€Щλ→✓½ą".chars() {
            assert_ne!(fonts.glyph(letter).1, GlyphId(0), "{letter}");
        }
        assert_eq!(fonts.glyph('\u{e123}').1, GlyphId(0));
    }

    #[test]
    fn a_file_that_is_no_font_is_named() {
        let error = |file: &str| Fonts::load(Some(file)).err().unwrap().to_string();
        assert!(error("/nowhere/a.ttf").contains("/nowhere/a.ttf"));
        assert!(
            error(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
                .contains("neither TrueType nor OpenType")
        );
    }
}
