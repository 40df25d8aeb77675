//! When to take a picture.

use super::Params;

/// Tells frame by frame whether it is to be kept.
#[derive(Clone, Debug)]
pub struct Times {
    /// Times that are left, seconds, sorted; the next one last.
    at: Vec<f64>,
    /// Distance between two pictures, seconds; 0: none.
    every: f64,
    /// When the next of the regular ones is due.
    next: f64,
}

impl Times {
    /// The times that the properties stand for: `at`, `every`, or, without either, the first picture only.
    pub fn new(params: &Params) -> Self {
        let mut at: Vec<f64> = params.at.iter().copied().filter(|t| t.is_finite()).collect();
        if at.is_empty() && params.every <= 0.0 {
            at.push(0.0);
        }
        at.sort_by(|a, b| b.total_cmp(a));
        Times { at, every: params.every, next: 0.0 }
    }

    /// Whether a picture that is shown `time` seconds after the first one is to be kept. A time that falls between two
    /// pictures gets the later one; several times that fall on one picture get it once.
    pub fn due(&mut self, time: f64) -> bool {
        // Frame times are rounded to nanoseconds.
        let time = time + 1e-6;
        let mut due = false;
        while self.at.last().is_some_and(|next| *next <= time) {
            self.at.pop();
            due = true;
        }
        if self.every > 0.0 && self.next <= time {
            self.next = ((time / self.every).floor() + 1.0) * self.every;
            due = true;
        }
        due
    }

    /// Whether more pictures may be wanted.
    pub fn more(&self) -> bool {
        self.every > 0.0 || !self.at.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(params: Params, fps: f64, seconds: f64) -> Vec<usize> {
        let mut times = Times::new(&params);
        (0..(fps * seconds) as usize).filter(|frame| times.due(*frame as f64 / fps)).collect()
    }

    #[test]
    fn without_a_wish_it_is_the_first() {
        assert_eq!(taken(Params::default(), 30.0, 5.0), [0]);
    }

    #[test]
    fn regular_pictures_do_not_drift() {
        let every = |every| Params { every, ..Params::default() };
        assert_eq!(taken(every(1.0), 30.0, 4.0), [0, 30, 60, 90]);
        assert_eq!(taken(every(0.5), 3.0, 2.0), [0, 2, 3, 5]);
        assert_eq!(taken(every(0.01), 10.0, 0.5), [0, 1, 2, 3, 4], "no picture is taken twice");
    }

    #[test]
    fn given_times_come_in_any_order_and_once() {
        let at = |at: &[f64]| Params { at: at.to_vec(), ..Params::default() };
        assert_eq!(taken(at(&[2.0, 0.5, 0.51, 99.0]), 10.0, 4.0), [5, 6, 20]);
        assert_eq!(taken(at(&[0.0, 0.01, -1.0]), 10.0, 1.0), [0, 1]);
        let mut times = Times::new(&at(&[0.5]));
        assert!(times.more());
        assert!(times.due(0.6));
        assert!(!times.more());
    }
}
