//! Hue, saturation and value, and what colours something has.

/// A pixel as hue (0 to 179, in steps of two degrees), saturation and value (0 to 255).
pub fn hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    let most = r.max(g).max(b);
    let range = most - r.min(g).min(b);
    if range == 0 {
        return [0, 0, most as u8];
    }
    let sixth = |difference: i32| (difference * 30 + range / 2).div_euclid(range);
    let hue = match most {
        _ if most == r => sixth(g - b),
        _ if most == g => 60 + sixth(b - r),
        _ => 120 + sixth(r - g),
    };
    [hue.rem_euclid(180) as u8, (255 * range / most) as u8, most as u8]
}

const HUES: usize = 30;
const SATURATIONS: usize = 16;
/// A colour that nothing is known of counts as this share of a bin.
const DOUBT: f32 = 0.002;

/// How often each hue and saturation is seen.
#[derive(Clone, Debug)]
struct Histogram {
    bins: Vec<f32>,
    total: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { bins: vec![0.0; HUES * SATURATIONS], total: 0.0 }
    }
}

fn bin([hue, saturation, _]: [u8; 3]) -> usize {
    usize::from(hue) * HUES / 180 * SATURATIONS + usize::from(saturation) / (256 / SATURATIONS)
}

impl Histogram {
    /// Counts a pixel (hue, saturation, value).
    fn add(&mut self, hsv: [u8; 3]) {
        self.bins[bin(hsv)] += 1.0;
        self.total += 1.0;
    }

    /// The shares of the bins, each blurred into its neighbours: a colour is never met exactly.
    fn shares(&self) -> Vec<f32> {
        let at = |hue: usize, saturation: usize| {
            self.bins[hue % HUES * SATURATIONS + saturation.min(SATURATIONS - 1)]
        };
        let mut shares = Vec::with_capacity(self.bins.len());
        for hue in 0..HUES {
            for saturation in 0..SATURATIONS {
                let row = |s: usize| at(hue + HUES - 1, s) + 2.0 * at(hue, s) + at(hue + 1, s);
                let sum = row(saturation.saturating_sub(1)) + 2.0 * row(saturation) + row(saturation + 1);
                shares.push(sum / 16.0 / self.total.max(1.0));
            }
        }
        shares
    }
}

/// The colours of one thing, as opposed to those of everything around it.
#[derive(Clone, Debug)]
pub struct Likeness {
    table: Vec<u8>,
    /// Darker and brighter pixels are something else.
    values: (u8, u8),
}

impl Likeness {
    /// From the pixels of the thing and those of the rest of the picture (both as hue, saturation, value). Colours that both
    /// have speak for neither.
    pub fn learn(thing: &[[u8; 3]], rest: &[[u8; 3]]) -> Self {
        let mut values: Vec<u8> = thing.iter().map(|pixel| pixel[2]).collect();
        values.sort_unstable();
        let at = |share: usize| values.get(values.len() * share / 100).copied().unwrap_or_default();
        // Light changes more than colour does.
        let values = (at(2).saturating_sub(60).max(30), at(98).saturating_add(60));
        let (mut own, mut others) = (Histogram::default(), Histogram::default());
        thing.iter().for_each(|pixel| own.add(*pixel));
        // What is too dark or too bright is told from the thing by that alone.
        let alike = rest.iter().filter(|pixel| (values.0..=values.1).contains(&pixel[2]));
        alike.for_each(|pixel| others.add(*pixel));
        // As many of the thing's kind in all the rest as it has pixels itself make it as likely as not.
        let scale = (others.total / own.total.max(1.0)).min(1.0);
        let pairs = own.shares().into_iter().zip(others.shares());
        let table = pairs.map(|(own, rest)| (255.0 * own / (own + scale * rest + DOUBT)) as u8).collect();
        Likeness { table, values }
    }

    /// How much a pixel (hue, saturation, value) is like the thing, 0 to 255.
    pub fn of(&self, hsv: [u8; 3]) -> u8 {
        if hsv[2] < self.values.0 || hsv[2] > self.values.1 { 0 } else { self.table[bin(hsv)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_have_their_hues() {
        for (rgb, expected) in [
            ([255, 0, 0], [0, 255, 255]),
            ([255, 255, 0], [30, 255, 255]),
            ([0, 255, 0], [60, 255, 255]),
            ([0, 255, 255], [90, 255, 255]),
            ([0, 0, 128], [120, 255, 128]),
            ([255, 0, 255], [150, 255, 255]),
            ([255, 0, 10], [179, 255, 255]),
            ([100, 100, 100], [0, 0, 100]),
            ([0, 0, 0], [0, 0, 0]),
        ] {
            assert_eq!(hsv(rgb), expected, "{rgb:?}");
        }
    }

    #[test]
    fn every_colour_has_a_bin() {
        for r in (0..=255u8).step_by(15) {
            for g in (0..=255u8).step_by(15) {
                for b in (0..=255u8).step_by(15) {
                    assert!(bin(hsv([r, g, b])) < HUES * SATURATIONS);
                }
            }
        }
    }

    #[test]
    fn a_thing_is_told_from_its_surroundings() {
        let red: Vec<[u8; 3]> =
            (0..400u16).map(|i| hsv([200 + (i % 30) as u8, 30, 25 + (i % 17) as u8])).collect();
        let rest: Vec<[u8; 3]> = (0..4000u16).map(|i| hsv([60, 90 + (i % 40) as u8, 140])).collect();
        let likeness = Likeness::learn(&red, &rest);
        assert!(likeness.of(hsv([210, 32, 30])) > 200);
        assert!(likeness.of(hsv([190, 40, 30])) > 100, "nearly the same");
        assert!(likeness.of(hsv([60, 110, 140])) < 10);
        assert!(likeness.of(hsv([30, 200, 30])) < 60);
        assert_eq!(likeness.of(hsv([12, 1, 1])), 0, "too dark");
        // White before black has no colour of its own, only light.
        let white = Likeness::learn(&[[0, 0, 250]; 50], &[[0, 0, 5]; 5000]);
        assert!(white.of([0, 0, 240]) > 200 && white.of([0, 0, 10]) == 0);
    }
}
