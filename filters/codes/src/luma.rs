//! Grey pictures, and what is done to them before a code is looked for.

/// A grey picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Luma {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The pixels, row by row.
    pub pixels: Vec<u8>,
}

impl Luma {
    /// The brightness of red, green and blue (weights of BT.601), pixel by pixel without padding.
    pub fn of_rgb(width: usize, height: usize, rgb: &[u8]) -> Luma {
        let grey = |[r, g, b]: &[u8; 3]| {
            ((77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b) + 128) >> 8) as u8
        };
        let mut pixels: Vec<u8> = rgb.as_chunks::<3>().0.iter().map(grey).collect();
        pixels.resize(width * height, 0);
        Luma { width, height, pixels }
    }

    /// Half as wide and high: noise and blur are half as large, too.
    pub fn halved(&self) -> Luma {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let upper = &self.pixels[2 * y * self.width..][..2 * width];
            let lower = &self.pixels[(2 * y + 1) * self.width..][..2 * width];
            for (a, b) in upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0) {
                let sum: u32 = [a[0], a[1], b[0], b[1]].into_iter().map(u32::from).sum();
                pixels.push(((sum + 2) / 4) as u8);
            }
        }
        Luma { width, height, pixels }
    }

    /// Twice as wide and high, smoothly: for codes whose dots are as small as pixels.
    pub fn doubled(&self) -> Luma {
        let (width, height) = (2 * self.width, 2 * self.height);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let (near, far) = neighbours(y, self.height);
            let (near, far) = (&self.pixels[near * self.width..], &self.pixels[far * self.width..]);
            for x in 0..width {
                let (left, right) = neighbours(x, self.width);
                let mix = |row: &[u8]| 3 * u32::from(row[left]) + u32::from(row[right]);
                pixels.push(((3 * mix(near) + mix(far) + 8) / 16) as u8);
            }
        }
        Luma { width, height, pixels }
    }

    /// The brightness between pixels, if the point is in the picture.
    pub fn between(&self, x: f32, y: f32) -> Option<f32> {
        let inside = |v: f32, size: usize| v >= 0.0 && v <= size.saturating_sub(1) as f32;
        if !inside(x, self.width) || !inside(y, self.height) {
            return None;
        }
        let (left, top) = (x as usize, y as usize);
        let (right, below) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (part_x, part_y) = (x - left as f32, y - top as f32);
        let row = |y: usize| {
            let (a, b) = (self.pixels[y * self.width + left], self.pixels[y * self.width + right]);
            f32::from(a) + part_x * (f32::from(b) - f32::from(a))
        };
        let (upper, lower) = (row(top), row(below));
        Some(upper + part_y * (lower - upper))
    }

    /// Turned clockwise about its centre by so many degrees, on its mean grey; codes that are tilted the
    /// other way come to lie flat. White about it would mislead the decoder, which tells dark from bright by what is usual in a row.
    pub fn turned(&self, degrees: f32) -> Turned {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (width, height) = (self.width as f32, self.height as f32);
        let side = |a: f32, b: f32| (a * cos.abs() + b * sin.abs()).ceil() as usize;
        let (across, down) = (side(width, height), side(height, width));
        let sum: u64 = self.pixels.iter().map(|p| u64::from(*p)).sum();
        let mean = (sum / self.pixels.len().max(1) as u64) as u8;
        let mut turned = Turned {
            picture: Luma { width: across, height: down, pixels: Vec::with_capacity(across * down) },
            from: (width, height),
            turn: (sin, cos),
        };
        for y in 0..down {
            for x in 0..across {
                let (x, y) = turned.back(x as f32, y as f32);
                turned.picture.pixels.push(self.between(x, y).map_or(mean, |v| (v + 0.5) as u8));
            }
        }
        turned
    }

    /// The picture with dark and bright exchanged.
    pub fn inverted(&self) -> Luma {
        Luma { pixels: self.pixels.iter().map(|p| !p).collect(), ..*self }
    }
}

/// A picture that was turned, and the way back.
pub struct Turned {
    /// The picture.
    pub picture: Luma,
    from: (f32, f32),
    /// Sine and cosine of the angle.
    turn: (f32, f32),
}

impl Turned {
    /// Where a point of the turned picture is in the first one.
    pub fn back(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x + 0.5 - self.picture.width as f32 / 2.0, y + 0.5 - self.picture.height as f32 / 2.0);
        let (sin, cos) = self.turn;
        (cos * x + sin * y + self.from.0 / 2.0 - 0.5, cos * y - sin * x + self.from.1 / 2.0 - 0.5)
    }
}

/// The source pixels for a pixel of a doubled line: the one that it is in, and the next one on its side.
fn neighbours(at: usize, size: usize) -> (usize, usize) {
    let near = at / 2;
    let far = if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(size - 1) };
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Luma {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y));
        Luma { width, height, pixels: pixels.collect() }
    }

    #[test]
    fn sizes_change_and_brightness_does_not() {
        let grey = picture(7, 5, |_, _| 100);
        assert_eq!(grey.halved(), picture(3, 2, |_, _| 100));
        assert_eq!(grey.doubled(), picture(14, 10, |_, _| 100));
        let edge = picture(4, 1, |x, _| if x < 2 { 0 } else { 160 });
        assert_eq!(edge.doubled().pixels[..8], [0, 0, 0, 40, 120, 160, 160, 160]);
        assert!(picture(1, 1, |_, _| 9).halved().pixels.is_empty());
    }

    #[test]
    fn a_turned_point_goes_back_to_where_it_was() {
        let spot =
            picture(40, 30, |x, y| if (30..33).contains(&x) && (10..13).contains(&y) { 0 } else { 255 });
        for degrees in [45.0, 22.5, 67.5, 90.0, -30.0] {
            let turned = spot.turned(degrees);
            let dark: Vec<(f32, f32)> = (0..turned.picture.pixels.len())
                .filter(|i| turned.picture.pixels[*i] < 128)
                .map(|i| turned.back((i % turned.picture.width) as f32, (i / turned.picture.width) as f32))
                .collect();
            let count = dark.len() as f32;
            let centre = (
                dark.iter().map(|p| p.0).sum::<f32>() / count,
                dark.iter().map(|p| p.1).sum::<f32>() / count,
            );
            assert!((centre.0 - 31.0).abs() < 0.5 && (centre.1 - 11.0).abs() < 0.5, "{degrees}: {centre:?}");
        }
    }
}
