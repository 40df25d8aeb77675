//! From letters to pixels: the box, the outline, the letters.

use ab_glyph::Font;

use super::font::Fonts;
use super::layout::Layout;

/// How a text looks. Colours are red, green, blue and alpha.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Of the letters.
    pub color: [u8; 4],
    /// Of the line around the letters.
    pub outline: [u8; 4],
    /// Width of that line in pixels.
    pub outline_width: f32,
    /// Of the box behind the text.
    pub background: [u8; 4],
    /// From the letters to the box's edge, in pixels.
    pub padding: f32,
}

/// A painted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Painted {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Red, green, blue and alpha, not premultiplied, row by row.
    pub pixels: Vec<[u8; 4]>,
}

/// How much of each pixel is covered, 0 to 255.
struct Mask {
    width: usize,
    height: usize,
    cover: Vec<u8>,
}

/// A text is never larger than this many pixels on a side: a property that was set by mistake costs no memory.
const LARGEST: f32 = 8192.0;

/// Paints a text that is laid out.
pub fn paint(fonts: &Fonts, layout: &Layout, style: &Style) -> Painted {
    let line = if style.outline[3] > 0 { style.outline_width.clamp(0.0, 64.0) } else { 0.0 };
    let room = style.padding.max(0.0).max(line + 1.0).ceil();
    let side = |length: f32| (length + 2.0 * room).ceil().clamp(1.0, LARGEST) as usize;
    let (width, height) = (side(layout.width), side(layout.height));
    let mut letters = Mask { width, height, cover: vec![0; width * height] };
    for (letter, glyph) in &layout.letters {
        let (font, _) = fonts.glyph(*letter);
        let Some(outline) = font.outline_glyph(glyph.clone()) else { continue };
        let (left, top) = (outline.px_bounds().min.x + room, outline.px_bounds().min.y + room);
        outline.draw(|x, y, cover| letters.add(left as i64 + i64::from(x), top as i64 + i64::from(y), cover));
    }
    let around = (line > 0.0).then(|| letters.grown(line));
    let pixels = (0..width * height).map(|i| {
        let mut pixel = style.background.map(|c| f32::from(c) / 255.0);
        if let Some(around) = &around {
            pixel = over(style.outline, around.cover[i], pixel);
        }
        over(style.color, letters.cover[i], pixel).map(|c| (c * 255.0).round().clamp(0.0, 255.0) as u8)
    });
    Painted { width, height, pixels: pixels.collect() }
}

/// A colour that covers part of a pixel. Not premultiplied, as the pixel.
fn over(colour: [u8; 4], cover: u8, below: [f32; 4]) -> [f32; 4] {
    let alpha = f32::from(colour[3]) * f32::from(cover) / (255.0 * 255.0);
    let both = alpha + below[3] * (1.0 - alpha);
    if both <= 0.0 {
        return [0.0; 4];
    }
    let mix = |i: usize| (f32::from(colour[i]) / 255.0 * alpha + below[i] * below[3] * (1.0 - alpha)) / both;
    [mix(0), mix(1), mix(2), both]
}

impl Mask {
    fn add(&mut self, x: i64, y: i64, cover: f32) {
        let inside = |v: i64, size: usize| usize::try_from(v).ok().filter(|v| *v < size);
        if let (Some(x), Some(y)) = (inside(x, self.width), inside(y, self.height)) {
            let pixel = &mut self.cover[y * self.width + x];
            // Neighbours that overlap (kerning) do not make each other thinner.
            *pixel = pixel.saturating_add((cover * 255.0).round().clamp(0.0, 255.0) as u8);
        }
    }

    /// Everything within `radius` of what is covered.
    fn grown(&self, radius: f32) -> Mask {
        let mut grown = self.cover.clone();
        // Letters' lines are wider than half the radius: two rings leave no hole.
        for ring in [radius, radius / 2.0] {
            let steps = (ring * std::f32::consts::TAU).ceil().max(8.0) as usize;
            for step in 0..steps {
                let (sin, cos) = (step as f32 * std::f32::consts::TAU / steps as f32).sin_cos();
                self.stamp(&mut grown, (ring * cos).round() as isize, (ring * sin).round() as isize);
            }
        }
        Mask { cover: grown, ..*self }
    }

    /// Adds the mask, moved.
    fn stamp(&self, to: &mut [u8], dx: isize, dy: isize) {
        let across = dx.unsigned_abs().min(self.width);
        let (from_x, to_x) = if dx < 0 { (across, 0) } else { (0, across) };
        for y in 0..self.height {
            let Some(from_y) = y.checked_add_signed(-dy).filter(|y| *y < self.height) else { continue };
            let below = &mut to[y * self.width + to_x..][..self.width - across];
            let above = &self.cover[from_y * self.width + from_x..][..self.width - across];
            for (below, above) in below.iter_mut().zip(above) {
                *below = (*below).max(*above);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Side, lay};
    use super::*;

    const WHITE: [u8; 4] = [255; 4];
    const BLACK: [u8; 4] = [0, 0, 0, 255];

    fn painted(text: &str, style: Style) -> Painted {
        let fonts = Fonts::load(None).unwrap();
        paint(&fonts, &lay(&fonts, text, 40.0, Side::Left, None), &style)
    }

    fn count(picture: &Painted, is: impl Fn([u8; 4]) -> bool) -> usize {
        picture.pixels.iter().filter(|p| is(**p)).count()
    }

    #[test]
    fn letters_have_their_colour_an_outline_and_a_box() {
        let plain =
            Style { color: WHITE, outline: [0; 4], outline_width: 0.0, background: [0; 4], padding: 0.0 };
        let bare = painted("II", plain);
        let white = count(&bare, |p| p == WHITE);
        assert!(white > 60 && count(&bare, |p| p[3] == 0) > white, "{white}");
        assert_eq!(count(&bare, |p| p[3] > 0 && p[..3] != [255, 255, 255]), 0);
        let lined = painted("II", Style { outline: BLACK, outline_width: 3.0, ..plain });
        let black = count(&lined, |p| p == BLACK);
        assert_eq!(count(&lined, |p| p == WHITE), white, "the letters are as before");
        // Two strokes of 29 x 4 pixels, each with 3 pixels on all sides.
        assert!((2 * 100..2 * 300).contains(&black), "{black}");
        let boxed = painted("II", Style { background: [0, 0, 255, 128], padding: 10.0, ..plain });
        assert_eq!(boxed.pixels[0], [0, 0, 255, 128]);
        assert_eq!(count(&boxed, |p| p == WHITE), white);
        assert!(boxed.width >= bare.width + 18 && boxed.height >= bare.height + 18);
    }

    #[test]
    fn nothing_and_too_much_can_be_painted() {
        let style =
            Style { color: WHITE, outline: BLACK, outline_width: 900.0, background: [0; 4], padding: 1e9 };
        let huge = painted("x", style);
        assert_eq!((huge.width, huge.height), (8192, 8192));
        let empty = painted("", Style { padding: 0.0, outline_width: 2.0, ..style });
        assert_eq!(count(&empty, |p| p[3] > 0), 0);
    }
}
