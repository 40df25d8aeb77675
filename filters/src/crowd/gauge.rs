//! A percentage and its level.

/// A percentage over time, and the level from 0 to 3 that it has settled on.
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    /// The last percentage.
    pub percentage: f64,
    /// The level.
    pub level: u8,
    candidate: u8,
    held: u32,
    /// How much the percentage varies: running means of itself and of its square.
    mean: f64,
    square: f64,
    looks: u32,
}

impl Gauge {
    /// Takes the percentage of one look. Whether the level is another one now: a new level must last for `looks` looks, and
    /// goes down only when the percentage is `hysteresis` points below the border.
    pub fn update(&mut self, percentage: f64, borders: [f64; 3], looks: u32, hysteresis: f64) -> bool {
        self.percentage = percentage;
        self.looks = self.looks.saturating_add(1);
        let share = (1.0 / f64::from(self.looks)).max(0.1);
        self.mean += share * (percentage - self.mean);
        self.square += share * (percentage * percentage - self.square);
        let above = |slack: f64| borders.iter().filter(|border| percentage > **border - slack).count() as u8;
        let (up, down) = (above(0.0), above(hysteresis));
        let now = if up > self.level { up } else { self.level.min(down) };
        if now == self.candidate {
            self.held = self.held.saturating_add(1);
        } else {
            (self.candidate, self.held) = (now, 1);
        }
        let changed = now != self.level && self.held >= looks;
        if changed {
            self.level = now;
        }
        changed
    }

    /// How sure the level is, 0 to 1: how far the percentage is from the level's borders, compared with how much it varies.
    pub fn confidence(&self, borders: [f64; 3]) -> f64 {
        let level = usize::from(self.level);
        let below = (level > 0).then(|| self.percentage - borders[level - 1]);
        let above = borders.get(level).map(|border| border - self.percentage);
        let distance = below.into_iter().chain(above).fold(f64::INFINITY, f64::min).max(0.0);
        let deviation = (self.square - self.mean * self.mean).max(0.0).sqrt();
        if distance.is_infinite() { 1.0 } else { distance / (distance + deviation + 0.5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BORDERS: [f64; 3] = [10.0, 35.0, 65.0];

    #[test]
    fn a_level_must_last() {
        let mut gauge = Gauge::default();
        let mut changes = Vec::new();
        let series = [20.0, 20.0, 5.0, 20.0, 20.0, 20.0, 70.0, 70.0, 70.0, 70.0, 0.0, 0.0, 0.0];
        for (look, percentage) in series.into_iter().enumerate() {
            if gauge.update(percentage, BORDERS, 3, 0.0) {
                changes.push((look, gauge.level));
            }
        }
        assert_eq!(changes, [(5, 1), (8, 3), (12, 0)]);
    }

    #[test]
    fn around_a_border_nothing_flickers() {
        let count = |hysteresis: f64| {
            let mut gauge = Gauge::default();
            (0..100)
                .filter(|n| gauge.update(if n % 10 < 5 { 9.0 } else { 11.0 }, BORDERS, 2, hysteresis))
                .count()
        };
        assert_eq!(count(2.0), 1);
        assert!(count(0.0) > 10);
    }

    #[test]
    fn a_border_itself_is_not_above() {
        let mut gauge = Gauge::default();
        assert!(!gauge.update(10.0, BORDERS, 1, 0.0));
        assert!(gauge.update(10.1, BORDERS, 1, 0.0));
    }

    #[test]
    fn far_from_borders_it_is_sure() {
        let confidence = |values: [f64; 2]| {
            let mut gauge = Gauge::default();
            for n in 0..40 {
                gauge.update(values[n % 2], BORDERS, 1, 2.0);
            }
            gauge.confidence(BORDERS)
        };
        let (calm, wild, close) =
            (confidence([22.0, 22.0]), confidence([14.0, 30.0]), confidence([10.4, 10.4]));
        assert!(calm > 0.9 && wild < calm && close < 0.5, "{calm} {wild} {close}");
    }
}
