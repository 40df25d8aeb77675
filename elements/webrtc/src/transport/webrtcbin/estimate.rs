//! How much may be sent, from transport-wide feedback: a small relative of Google congestion control. webrtcbin 1.22
//! counts the feedback and leaves it to its users what to make of it.

/// Where it begins, bits per second.
const START: f64 = 1_000_000.0;

/// It never goes below, bits per second.
const LEAST: f64 = 100_000.0;

/// It never goes above, bits per second.
const MOST: f64 = 20_000_000.0;

/// How much faster each packet came than the one before, or slower, that counts as a queue that fills, nanoseconds.
const FILLING: f64 = 3_000_000.0;

/// What the feedback of some packets says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Feedback {
    /// What was sent, bits per second.
    pub sent: u64,
    /// What arrived, bits per second.
    pub received: u64,
    /// The share that was lost, 0 to 1.
    pub loss: f64,
    /// By how much the packets' delay grows from one to the next, on average, nanoseconds.
    pub gradient: i64,
}

/// The estimate.
#[derive(Debug)]
pub(super) struct Estimator {
    rate: f64,
    gradient: f64,
    filling: u32,
}

impl Default for Estimator {
    fn default() -> Self {
        Estimator { rate: START, gradient: 0.0, filling: 0 }
    }
}

impl Estimator {
    /// Takes feedback in, about five times a second, and returns the estimate in bits per second.
    pub fn came(&mut self, feedback: &Feedback) -> u64 {
        self.gradient = 0.7 * self.gradient + 0.3 * feedback.gradient as f64;
        self.filling = if self.gradient > FILLING { self.filling + 1 } else { 0 };
        let received = feedback.received as f64;
        if feedback.loss > 0.1 {
            self.rate *= 1.0 - 0.5 * feedback.loss.min(1.0);
        } else if self.filling >= 3 {
            self.rate = self.rate.min(received.max(LEAST) * 0.85);
            self.filling = 0;
        } else if feedback.loss < 0.02 {
            // Only what was tried is known to pass: the estimate stays in sight of what is sent.
            let reach = (feedback.sent as f64 * 1.5 + 200_000.0).max(START);
            if self.rate < reach {
                self.rate = (self.rate * 1.016 + 1000.0).min(reach);
            }
        }
        self.rate = self.rate.clamp(LEAST, MOST);
        self.rate as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(estimator: &mut Estimator, feedback: Feedback, times: usize) -> u64 {
        (0..times).map(|_| estimator.came(&feedback)).last().unwrap()
    }

    #[test]
    fn a_free_network_lets_it_grow_in_sight_of_what_is_sent() {
        let mut estimator = Estimator::default();
        let free = Feedback { sent: 1_000_000, received: 1_000_000, ..Feedback::default() };
        assert_eq!(run(&mut estimator, free, 200), 1_700_000);
    }

    #[test]
    fn loss_brings_it_down_and_a_little_loss_does_not() {
        let mut estimator = Estimator::default();
        let little = Feedback { sent: 900_000, received: 855_000, loss: 0.05, ..Feedback::default() };
        assert_eq!(run(&mut estimator, little, 50), 1_000_000);
        let much = Feedback { loss: 0.3, ..little };
        assert!(run(&mut estimator, much, 5) < 500_000);
        assert_eq!(run(&mut estimator, much, 500), LEAST as u64);
    }

    #[test]
    fn a_queue_that_fills_brings_it_below_what_arrives() {
        let mut estimator = Estimator::default();
        let filling =
            Feedback { sent: 1_000_000, received: 600_000, gradient: 20_000_000, ..Feedback::default() };
        assert_eq!(run(&mut estimator, filling, 3), 510_000);
    }
}
