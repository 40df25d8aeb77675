//! The colour of the backdrop, and what it means for every other colour.
//!
//! A colour is a point of the chroma plane (Cb, Cr). The backdrop's colour is a direction in it; a pixel has as much of the
//! backdrop in it as it lies in that direction, less what it lies beside it: hair before a green cloth is greenish, a yellow
//! shirt is not. What of the backdrop is in a pixel is taken out of its colour (spill).

/// How many bins one axis of the chroma plane has while the colour is learnt.
const BINS: usize = 64;
/// A colour this close to grey is none, in steps of Cb and Cr.
const GREY: f32 = 14.0;
/// How much a pixel beside the backdrop's direction loses: as much as it would within this half angle, its tangent.
const SPREAD: f32 = 1.2;

/// The colours of the calibration region, as they are counted.
#[derive(Clone, Debug)]
pub struct Learning {
    bins: Vec<u32>,
    sums: Vec<[u32; 2]>,
    total: u32,
}

impl Default for Learning {
    fn default() -> Self {
        Learning { bins: vec![0; BINS * BINS], sums: vec![[0; 2]; BINS * BINS], total: 0 }
    }
}

fn bin(u: u8, v: u8) -> usize {
    usize::from(u) * BINS / 256 * BINS + usize::from(v) * BINS / 256
}

impl Learning {
    /// Counts a pixel.
    pub fn add(&mut self, u: u8, v: u8) {
        let bin = bin(u, v);
        self.bins[bin] = self.bins[bin].saturating_add(1);
        let sum = &mut self.sums[bin];
        *sum = [sum[0].saturating_add(u.into()), sum[1].saturating_add(v.into())];
        self.total = self.total.saturating_add(1);
    }

    /// The key: the mean of the colours around the most frequent one, so that somebody in front of the backdrop does not
    /// matter. `None` if nothing was counted, or if that colour is a grey one.
    pub fn key(&self) -> Option<Key> {
        let around = |at: usize| -> Vec<usize> {
            let (column, row) = ((at % BINS) as i64, (at / BINS) as i64);
            let offsets = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (column + dx, row + dy)));
            let inside =
                offsets.filter(|(x, y)| (0..BINS as i64).contains(x) && (0..BINS as i64).contains(y));
            inside.map(|(x, y)| (y * BINS as i64 + x) as usize).collect()
        };
        let weight = |at: usize| around(at).iter().map(|i| u64::from(self.bins[*i])).sum::<u64>();
        let best = (0..self.bins.len()).filter(|at| self.bins[*at] > 0).max_by_key(|at| weight(*at))?;
        let near = around(best);
        let count = near.iter().map(|i| f64::from(self.bins[*i])).sum::<f64>();
        let mean =
            [0, 1].map(|axis| near.iter().map(|i| f64::from(self.sums[*i][axis])).sum::<f64>() / count);
        let [u, v] = mean.map(|m| m as f32 - 128.0);
        let strength = u.hypot(v);
        if strength < GREY {
            return None;
        }
        let direction = [u / strength, v / strength];
        let key = Key { direction, strength, solid: 1.0 };
        // What is surely backdrop: all but a few of the pixels of the region that are anything like it.
        let mut amounts: Vec<(f32, u32)> = (0..self.bins.len())
            .filter(|at| self.bins[*at] > 0)
            .map(|at| {
                let n = self.bins[at] as f32;
                let [u, v] = self.sums[at].map(|sum| sum as f32 / n - 128.0);
                (key.amount(u, v), self.bins[at])
            })
            .filter(|(amount, _)| *amount > 0.5)
            .collect();
        amounts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let few = amounts.iter().map(|(_, n)| u64::from(*n)).sum::<u64>() / 50;
        let mut seen = 0;
        let least = amounts.iter().find(|(_, n)| {
            seen += u64::from(*n);
            seen > few
        });
        // Bins are means: their pixels lie two steps to either side.
        let solid = least.map_or(1.0, |(amount, _)| *amount) - 3.0 / strength;
        Some(Key { solid: solid.clamp(0.5, 0.95), ..key })
    }
}

/// The colour of the backdrop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Its direction in the chroma plane.
    direction: [f32; 2],
    /// Its distance from grey.
    strength: f32,
    /// What has so much of it is backdrop, 0 to 1.
    solid: f32,
}

/// How the key is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// More takes more for backdrop, 0 to 1; 0.5 is as calibrated.
    pub tolerance: f64,
    /// How wide the way from backdrop to foreground is, 0 to 1.
    pub softness: f64,
    /// How much of the backdrop's colour is taken out of the foreground, 0 to 1.
    pub spill: f64,
}

impl Key {
    /// How much of the backdrop is in a colour (as distances from grey): 0 none, 1 all.
    fn amount(&self, u: f32, v: f32) -> f32 {
        let along = u * self.direction[0] + v * self.direction[1];
        let beside = (u * self.direction[1] - v * self.direction[0]).abs();
        ((along - beside / SPREAD) / self.strength).max(0.0)
    }

    /// What it means for every colour: opacity, and the colour without the backdrop's light (Cb, Cr), by Cb * 256 + Cr.
    pub fn table(&self, look: &Look) -> Vec<[u8; 3]> {
        let solid = (self.solid + 0.5 - look.tolerance as f32).clamp(0.08, 1.5);
        let clear = solid * (1.0 - 0.15 - 0.75 * look.softness as f32);
        let mut table = Vec::with_capacity(256 * 256);
        for u in 0..=255u8 {
            for v in 0..=255u8 {
                let (du, dv) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
                let amount = self.amount(du, dv);
                let opacity = ((solid - amount) / (solid - clear)).clamp(0.0, 1.0);
                let out = amount * self.strength * look.spill as f32;
                let clean = [du - out * self.direction[0], dv - out * self.direction[1]];
                let [cu, cv] = clean.map(|c| (c + 128.0).round().clamp(0.0, 255.0) as u8);
                table.push([(opacity * 255.0).round() as u8, cu, cv]);
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { tolerance: 0.5, softness: 0.3, spill: 1.0 };

    fn green() -> Key {
        let mut learning = Learning::default();
        // A green cloth with noise, and a person's arm over a third of it.
        (0..3000u32).for_each(|i| learning.add(60 + (i * 7 % 9) as u8, 50 + (i * 5 % 7) as u8));
        (0..1000u32).for_each(|i| learning.add(110 + (i % 5) as u8, 150 + (i % 11) as u8));
        learning.key().unwrap()
    }

    fn of(table: &[[u8; 3]], u: u8, v: u8) -> [u8; 3] {
        table[usize::from(u) * 256 + usize::from(v)]
    }

    #[test]
    fn the_cloth_goes_and_people_stay() {
        let key = green();
        let angle = key.direction[1].atan2(key.direction[0]).to_degrees();
        assert!((angle + 131.0).abs() < 3.0, "{angle}");
        let table = key.table(&LOOK);
        assert!((60..69).all(|u| (50..57).all(|v| of(&table, u, v)[0] == 0)), "all of the cloth");
        for (u, v) in [(128, 128), (112, 155), (90, 240), (240, 110), (16, 146)] {
            assert_eq!(of(&table, u, v)[0], 255, "{u} {v}");
        }
        let half = of(&table, 84, 76);
        assert!((20..235).contains(&half[0]), "in between: {half:?}");
    }

    #[test]
    fn spill_is_taken_out_and_other_colours_are_kept() {
        let table = green().table(&LOOK);
        let [_, u, v] = of(&table, 100, 96);
        assert!(u.abs_diff(128) < 6 && v.abs_diff(128) < 6, "{u} {v}");
        assert_eq!(of(&table, 90, 200)[1..], [90, 200]);
        let kept = green().table(&Look { spill: 0.0, ..LOOK });
        assert_eq!(of(&kept, 100, 96)[1..], [100, 96]);
    }

    #[test]
    fn more_tolerance_takes_more() {
        let opacity = |tolerance: f64| of(&green().table(&Look { tolerance, ..LOOK }), 82, 75)[0];
        let [less, same, more] = [0.35, 0.5, 0.65].map(opacity);
        assert!(less > same && same > more, "{less} {same} {more}");
    }

    #[test]
    fn grey_is_no_key() {
        assert_eq!(Learning::default().key(), None);
        let mut learning = Learning::default();
        (0..100).for_each(|i| learning.add(126 + (i % 4) as u8, 129));
        assert_eq!(learning.key(), None);
    }
}
