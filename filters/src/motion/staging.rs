//! Synthetic crowds with exact truth, for tests.

use super::grey::Grey;
use super::mask::Mask;

/// Somebody: a disc with a pattern on it that goes with it.
#[derive(Clone, Copy, Debug)]
pub struct Disc {
    pub x: f32,
    pub y: f32,
    pub radius: f32,
}

pub fn disc(x: f32, y: f32, radius: f32) -> Disc {
    Disc { x, y, radius }
}

/// A place with a pattern and noise.
pub struct Stage {
    pub width: usize,
    pub height: usize,
}

/// The same for the same numbers, and without any pattern.
fn noise(a: u32, b: u32, c: u32) -> i32 {
    let mut h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ c.wrapping_mul(0xc2b2_ae3d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    (h >> 20) as i32 & 0xff
}

impl Stage {
    pub fn new(width: usize, height: usize) -> Self {
        Stage { width, height }
    }

    /// Nobody is there. `n` is the picture's number; each has its own noise.
    pub fn empty(&self, n: u32) -> Grey {
        self.with(n, &[])
    }

    /// With these people.
    pub fn with(&self, n: u32, discs: &[Disc]) -> Grey {
        Grey::new(self.width, self.height, |x, y| {
            let (fx, fy) = (x as f32, y as f32);
            let ground = 110.0 + 25.0 * (fx * 0.21).sin() * (fy * 0.17).cos();
            let mut shade = ground;
            for (i, disc) in discs.iter().enumerate() {
                let (dx, dy) = (fx - disc.x, fy - disc.y);
                // The share of the pixel that it covers.
                let cover = (disc.radius - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
                let pattern = 25.0 * (dx * 0.8 + i as f32).sin() * (dy * 0.7).cos();
                let clothes = if i % 2 == 0 { 205.0 } else { 40.0 };
                shade += cover * (clothes + pattern - shade);
            }
            let grain = noise(n, x as u32, y as u32) - 128;
            (shade + grain as f32 / 40.0).clamp(0.0, 255.0) as u8
        })
    }

    /// The pixels that people cover.
    pub fn truth(&self, discs: &[Disc]) -> Mask {
        let mut mask = Mask::empty(self.width, self.height);
        for (at, bit) in mask.bits.iter_mut().enumerate() {
            let (x, y) = ((at % self.width) as f32, (at / self.width) as f32);
            *bit = u8::from(discs.iter().any(|d| (x - d.x).hypot(y - d.y) <= d.radius));
        }
        mask
    }
}
