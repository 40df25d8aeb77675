//! When to tell what is in the picture: at once when the number changes, and now and then in between.

use gst::ClockTime;

/// While things are there, their places are told this often.
const EVERY: ClockTime = ClockTime::from_mseconds(500);
/// A change of their number is told this often at most.
const CHANGE: ClockTime = ClockTime::from_mseconds(100);

/// When the last event was, and how many things it told of.
#[derive(Debug, Default)]
pub struct Told {
    last: Option<(usize, ClockTime)>,
}

impl Told {
    /// Whether it is time to tell of so many things. If so, it counts as told.
    pub fn is_due(&mut self, count: usize, time: ClockTime) -> bool {
        let due = match self.last {
            None => count > 0,
            Some((_, last)) if time < last => true,
            Some((told, last)) if told != count => time - last >= CHANGE,
            Some((_, last)) => count > 0 && time - last >= EVERY,
        };
        if due {
            self.last = Some((count, time));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_the_number_changes_and_then_twice_a_second() {
        let mut told = Told::default();
        let mut at = Vec::new();
        for n in 0..60u64 {
            let count = usize::from((10..40).contains(&n));
            if told.is_due(count, ClockTime::from_mseconds(33 * n)) {
                at.push((n, count));
            }
        }
        assert_eq!(at, [(10, 1), (26, 1), (40, 0)]);
        assert!(told.is_due(0, ClockTime::ZERO), "another round");
    }
}
