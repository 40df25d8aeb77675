//! Codes with known text, drawn as a camera may see them: turned, small, blurred, dim and noisy.

use zxingcpp::{create, write};

use super::CodeType;
use super::luma::Luma;

/// How a code is seen.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Pixels of the narrowest line or dot.
    pub module: f32,
    /// Degrees, clockwise.
    pub angle: f32,
    /// Standard deviation of the blur, in pixels.
    pub blur: f32,
    /// Standard deviation of the noise, in levels of 255.
    pub noise: f32,
    /// From dark to bright, in levels of 255.
    pub contrast: f32,
    /// What is added to a module's place per module across: 0 is seen from the front.
    pub slant: f32,
    /// White on black.
    pub inverted: bool,
}

impl Default for View {
    fn default() -> Self {
        View { module: 3.0, angle: 0.0, blur: 0.6, noise: 4.0, contrast: 160.0, slant: 0.0, inverted: false }
    }
}

/// A code's lines or dots: one pixel for each.
struct Modules {
    columns: usize,
    rows: usize,
    dark: Vec<bool>,
}

impl Modules {
    #[allow(clippy::unwrap_used)]
    fn new(code_type: CodeType, text: &str) -> Modules {
        let code = create(code_type.formats()[0]).from_str(text).unwrap();
        let image = code.to_image_with(&write().scale(1).add_hrt(false).add_quiet_zones(false)).unwrap();
        let (columns, rows) = (image.width() as usize, image.height() as usize);
        Modules { columns, rows, dark: image.data().iter().map(|v| *v < 128).collect() }
    }
}

/// Whether a picture has place for a code with its quiet zone.
#[cfg(test)]
pub fn fits(code_type: CodeType, text: &str, view: &View, width: usize, height: usize) -> bool {
    let modules = Modules::new(code_type, text);
    let linear = code_type.is_linear();
    let quiet = if linear { 20.0 } else { 8.0 };
    let columns = modules.columns as f32;
    let rows = if linear { 0.4 * columns } else { modules.rows as f32 };
    let (across, down) = (view.module * (columns + quiet), view.module * (rows + quiet));
    let (sin, cos) = view.angle.to_radians().sin_cos();
    let side = |a: f32, b: f32| a * cos.abs() + b * sin.abs();
    side(across, down) <= width as f32 && side(down, across) <= height as f32
}

/// The code in the middle of a grey picture. `seed` makes the noise. For tests: it panics if the code has no place for the text.
pub fn draw(code_type: CodeType, text: &str, view: &View, width: usize, height: usize, seed: u32) -> Luma {
    let modules = Modules::new(code_type, text);
    let linear = code_type.is_linear();
    let columns = modules.columns as f32;
    let rows = if linear { columns * 0.4 } else { modules.rows as f32 };
    // A quiet zone of 10 modules for lines, of 4 for areas.
    let quiet = if linear { 10.0 } else { 4.0 };
    let (sin, cos) = view.angle.to_radians().sin_cos();
    let dark = |x: f32, y: f32| {
        let (x, y) = ((x - width as f32 / 2.0) / view.module, (y - height as f32 / 2.0) / view.module);
        let (x, y) = (cos * x + sin * y, cos * y - sin * x);
        // Farther away on one side.
        let x = x * (1.0 + view.slant * x);
        let (x, y) = (x + columns / 2.0, y + rows / 2.0);
        if x < -quiet || y < -quiet || x > columns + quiet || y > rows + quiet {
            return 0.6;
        }
        let inside = x >= 0.0 && y >= 0.0 && x < columns && y < rows;
        let row = if linear { 0 } else { y as usize };
        let dark = inside && modules.dark[row * modules.columns + x as usize];
        f32::from(u8::from(dark != view.inverted))
    };
    let mut pixels = vec![0.6; width * height];
    // Beyond this nothing is but the background.
    let reach = view.module * (columns.hypot(rows) / 2.0 + 1.5 * quiet) * (1.0 + 0.5 * view.slant * columns);
    for (i, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((i % width) as f32, (i / width) as f32);
        if (x - width as f32 / 2.0).hypot(y - height as f32 / 2.0) > reach {
            continue;
        }
        let parts = (0..9).map(|n| dark(x + ((n % 3) as f32 + 0.5) / 3.0, y + ((n / 3) as f32 + 0.5) / 3.0));
        *pixel = parts.sum::<f32>() / 9.0;
    }
    blur(&mut pixels, width, height, view.blur);
    let mut noise = Noise(seed.wrapping_mul(2_654_435_761).wrapping_add(12345));
    let pixels = pixels.iter().enumerate().map(|(i, dark)| {
        // The light comes from the left.
        let light = 1.0 - 0.2 * (i % width) as f32 / width as f32;
        let level = light * (215.0 - view.contrast * dark) + view.noise * noise.next();
        level.round().clamp(0.0, 255.0) as u8
    });
    Luma { width, height, pixels: pixels.collect() }
}

/// A Gaussian blur.
fn blur(pixels: &mut [f32], width: usize, height: usize, sigma: f32) {
    if sigma <= 0.0 {
        return;
    }
    let radius = (3.0 * sigma).ceil() as i32;
    let weights: Vec<f32> =
        (-radius..=radius).map(|i| (-((i * i) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    for (step, size, lines, line) in [(1, width, height, width), (width, height, width, 1)] {
        for n in 0..lines {
            let start = n * line;
            let last = size as i32 - 1;
            let at = |i: i32| pixels[start + i.clamp(0, last) as usize * step];
            let before: Vec<f32> = (-radius..size as i32 + radius).map(at).collect();
            for (i, near) in before.windows(weights.len()).enumerate() {
                pixels[start + i * step] = near.iter().zip(&weights).map(|(v, w)| v * w).sum::<f32>() / sum;
            }
        }
    }
}

/// Noise that is the same in every run: about normal, standard deviation 1.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / (1 << 24) as f32
        };
        (0..4).map(|_| uniform()).sum::<f32>() * 1.732 - 3.464
    }
}
