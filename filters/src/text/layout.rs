//! Where each letter of a text goes.

use ab_glyph::{Font, Glyph, PxScale, ScaleFont, point};

use super::font::Fonts;

/// From one line to the next, relative to a line's height.
const LEADING: f32 = 1.1;

/// The side on which lines begin or end together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Lines begin together.
    Left,
    /// Lines have one middle.
    Middle,
    /// Lines end together.
    Right,
}

/// Letters at their places; the first line's upper left corner is 0, 0.
pub struct Layout {
    /// The letters, with the number of their line.
    pub letters: Vec<(char, Glyph)>,
    /// In pixels.
    pub width: f32,
    /// In pixels.
    pub height: f32,
}

struct Line {
    letters: Vec<(char, Glyph)>,
    width: f32,
}

/// Lays a text out in lines of `size` pixels height, which are broken at spaces where they would be wider than `widest`.
pub fn lay(fonts: &Fonts, text: &str, size: f32, side: Side, widest: Option<f32>) -> Layout {
    let scale = PxScale::from(size.max(1.0));
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        match widest {
            None => lines.push(line(fonts, paragraph, scale)),
            Some(widest) => lines.extend(broken(fonts, paragraph, scale, widest)),
        }
    }
    let step = size * LEADING;
    let width = lines.iter().map(|l| l.width).fold(0.0, f32::max);
    let height = if lines.is_empty() { 0.0 } else { size + step * (lines.len() - 1) as f32 };
    let ascent = fonts.first().as_scaled(scale).ascent();
    let mut letters = Vec::new();
    for (n, line) in lines.into_iter().enumerate() {
        let free = width - line.width;
        let left = match side {
            Side::Left => 0.0,
            Side::Middle => free / 2.0,
            Side::Right => free,
        };
        for (letter, mut glyph) in line.letters {
            glyph.position = point(glyph.position.x + left, n as f32 * step + ascent);
            letters.push((letter, glyph));
        }
    }
    Layout { letters, width, height }
}

/// One line; its glyphs' places are from 0 on.
fn line(fonts: &Fonts, text: &str, scale: PxScale) -> Line {
    let mut line = Line { letters: Vec::new(), width: 0.0 };
    let mut before: Option<(*const (), ab_glyph::GlyphId)> = None;
    for letter in text.chars().filter(|c| !c.is_control() || *c == '\t') {
        let letter = if letter == '\t' { ' ' } else { letter };
        let (font, id) = fonts.glyph(letter);
        let scaled = font.as_scaled(scale);
        let which = std::ptr::from_ref(font).cast::<()>();
        // Letters of different fonts do not know each other.
        if let Some((_, last)) = before.filter(|(font, _)| *font == which) {
            line.width += scaled.kern(last, id);
        }
        line.letters.push((letter, id.with_scale_and_position(scale, point(line.width, 0.0))));
        line.width += scaled.h_advance(id);
        before = Some((which, id));
    }
    line
}

/// The lines of a paragraph that is too wide for one. A word that is too wide for a line has a line of its own.
fn broken(fonts: &Fonts, paragraph: &str, scale: PxScale, widest: f32) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in paragraph.split(' ') {
        let longer = if current.is_empty() { word.to_owned() } else { format!("{current} {word}") };
        if current.is_empty() || line(fonts, &longer, scale).width <= widest {
            current = longer;
        } else {
            lines.push(line(fonts, &current, scale));
            word.clone_into(&mut current);
        }
    }
    lines.push(line(fonts, &current, scale));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(text: &str, side: Side, widest: Option<f32>) -> Layout {
        lay(&Fonts::load(None).unwrap(), text, 20.0, side, widest)
    }

    #[test]
    fn lines_stand_below_each_other_and_keep_to_their_side() {
        let one = laid("wide line", Side::Left, None);
        let two = laid("wide line\ni", Side::Right, None);
        assert_eq!(two.width, one.width);
        assert_eq!((one.height, two.height), (20.0, 42.0));
        let last = &two.letters[two.letters.len() - 1].1;
        assert!(last.position.x > two.width * 0.9 && last.position.y > 22.0, "{last:?}");
        let middle = laid("wide line\ni", Side::Middle, None);
        let last = &middle.letters[middle.letters.len() - 1].1;
        assert!((last.position.x - middle.width / 2.0).abs() < 5.0);
    }

    #[test]
    fn long_lines_are_broken_at_spaces() {
        let whole = laid("one two three four", Side::Left, None);
        let broken = laid("one two three four", Side::Left, Some(whole.width * 0.6));
        assert!(broken.width <= whole.width * 0.6);
        assert_eq!(broken.height, 42.0);
        let word = laid("incomprehensibilities", Side::Left, Some(10.0));
        assert_eq!(word.height, 20.0, "a word is not broken");
        assert_eq!(laid("", Side::Left, Some(10.0)).letters.len(), 0);
        assert_eq!(laid("a\n\nb", Side::Left, None).height, 64.0, "an empty line is a line");
    }
}
