//! Where a crowd goes.

/// Directions this close are the same, in degrees.
const SAME: f64 = 22.5;
/// The memory of motion fades with this time constant, in seconds.
const MEMORY: f64 = 0.6;
/// Fewer places than this make no crowd.
const LEAST_PLACES: usize = 2;
/// If less of the motion than this goes one way, there is no direction.
const LEAST_AGREEMENT: f64 = 0.35;

/// The direction of a region's crowd over time.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    /// The sum of speeds, fading, and of their lengths.
    sum: [f64; 2],
    length: f64,
    candidate: Option<f64>,
    held: u32,
    idle: u32,
    told: Option<f64>,
    /// Where it goes now, in degrees clockwise from up.
    pub angle: Option<f64>,
}

/// When a direction is told and forgotten, in looks.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A direction must last longer.
    pub event: u32,
    /// After so many without a direction it is forgotten.
    pub reset: u32,
}

/// Degrees clockwise from up, of a vector in a picture.
fn degrees([x, y]: [f64; 2]) -> f64 {
    x.atan2(-y).to_degrees().rem_euclid(360.0)
}

/// How far apart two directions are, 0 to 180.
pub fn apart(a: f64, b: f64) -> f64 {
    let difference = (a - b).rem_euclid(360.0);
    difference.min(360.0 - difference)
}

impl Heading {
    /// Takes the speeds of one look, `seconds` after the last one. Returns the angle and the share of the motion that goes that
    /// way, when it is to be told.
    pub fn update(&mut self, speeds: &[[f32; 2]], seconds: f64, patience: Patience) -> Option<(f64, f64)> {
        let fade = (-seconds.max(0.0) / MEMORY).exp();
        self.sum = self.sum.map(|s| s * fade);
        self.length *= fade;
        let mut lengths: Vec<f64> = speeds.iter().map(|s| f64::from(s[0].hypot(s[1]))).collect();
        lengths.sort_by(f64::total_cmp);
        // Who runs, or a place that was mistaken for another one, counts as three at most.
        let most = 3.0 * lengths.get(lengths.len() / 2).copied().unwrap_or_default();
        for speed in speeds {
            let speed = speed.map(f64::from);
            let length = speed[0].hypot(speed[1]).max(1e-9);
            let scale = (most / length).min(1.0);
            self.sum = [self.sum[0] + scale * speed[0], self.sum[1] + scale * speed[1]];
            self.length += scale * length;
        }
        let agreement = self.sum[0].hypot(self.sum[1]) / self.length.max(1e-9);
        if speeds.len() < LEAST_PLACES || agreement < LEAST_AGREEMENT {
            self.idle = self.idle.saturating_add(1);
            if self.idle >= patience.reset {
                *self = Heading { idle: self.idle, ..Heading::default() };
            }
            return None;
        }
        self.idle = 0;
        let angle = degrees(self.sum);
        self.angle = Some(angle);
        match self.candidate {
            Some(candidate) if apart(angle, candidate) <= SAME => self.held = self.held.saturating_add(1),
            _ => (self.candidate, self.held) = (Some(angle), 1),
        }
        let new = self.told.is_none_or(|told| apart(angle, told) > SAME);
        if self.held <= patience.event || !new {
            return None;
        }
        self.told = Some(angle);
        Some((angle, agreement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { event: 3, reset: 3 };

    #[test]
    fn north_is_up_and_it_goes_clockwise() {
        for (vector, angle) in
            [([0.0, -1.0], 0.0), ([1.0, 0.0], 90.0), ([0.0, 1.0], 180.0), ([-1.0, 0.0], 270.0)]
        {
            assert_eq!(degrees(vector), angle);
        }
        assert_eq!((apart(350.0, 10.0), apart(10.0, 350.0), apart(0.0, 180.0)), (20.0, 20.0, 180.0));
    }

    #[test]
    fn a_direction_is_told_once_and_again_after_a_turn() {
        let mut heading = Heading::default();
        let mut told = Vec::new();
        for look in 0..40 {
            let speed = if look < 20 { [5.0, 0.0] } else { [0.0, 5.0] };
            if let Some((angle, share)) = heading.update(&[speed; 5], 0.1, PATIENCE) {
                told.push((look, angle.round(), share > 0.5));
            }
        }
        assert_eq!(told[0], (3, 90.0, true));
        assert!(told.len() >= 2 && told.len() <= 4, "{told:?}");
        assert!(apart(told.last().unwrap().1, 180.0) < 25.0, "{told:?}");
    }

    #[test]
    fn a_pause_lets_it_be_told_again() {
        let mut heading = Heading::default();
        let mut told = 0;
        for look in 0..30 {
            let speeds = vec![[0.0, -4.0]; if (10..15).contains(&look) { 0 } else { 4 }];
            told += usize::from(heading.update(&speeds, 0.1, PATIENCE).is_some());
        }
        assert_eq!(told, 2);
    }

    #[test]
    fn a_mill_has_no_direction_and_one_mistake_turns_nothing() {
        let mut heading = Heading::default();
        let mill = [[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0], [0.0, -5.0]];
        assert!((0..20).all(|_| heading.update(&mill, 0.1, PATIENCE).is_none()));
        let mut heading = Heading::default();
        let odd = [[5.0, 0.0], [5.0, 0.0], [5.0, 0.0], [5.0, 0.0], [5.0, 0.0], [0.0, 400.0]];
        let told = (0..6).find_map(|_| heading.update(&odd, 0.1, PATIENCE)).unwrap();
        assert!(apart(told.0, 90.0) < 35.0, "{told:?}");
    }
}
