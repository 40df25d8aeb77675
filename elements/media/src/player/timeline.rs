//! Where the media of one session come to lie on the output's time: it goes on without a jump back, whatever the source
//! does. Pure arithmetic, in nanoseconds of running time.

/// Nanoseconds of running time.
pub type Nanos = i128;

/// How a source's time meets the clock's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rhythm {
    /// As fast as it is taken: each stretch follows the one before.
    #[default]
    Fastest,
    /// At the pace of the clock: after a break it goes on now.
    Paced,
    /// The source itself is in real time, and its times are the clock's.
    Live,
}

/// The output's time. A *stretch* is what comes without a break: from a start, a seek or a reconnect to the next.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// What is added to the session's running times in this stretch; none until its first media come.
    shift: Option<Nanos>,
    /// Something was put out already.
    begun: bool,
    /// A time of the clock, and the output's running time then.
    anchor: Option<(Nanos, Nanos)>,
    /// Where the furthest track ends so far.
    end: Nanos,
}

impl Timeline {
    /// Begins a stretch: where it lies follows from its first media.
    pub fn begin_stretch(&mut self) {
        self.shift = None;
    }

    /// The shift of this stretch, if it has begun.
    pub fn shift(&self) -> Option<Nanos> {
        self.shift
    }

    /// Where the furthest track ends so far.
    pub fn end(&self) -> Nanos {
        self.end
    }

    /// The output's running time when the clock says `now`; for a live source, `now` is a running time itself.
    pub fn now(&self, rhythm: Rhythm, now: Nanos) -> Nanos {
        match (rhythm, self.anchor) {
            (Rhythm::Live, _) => now,
            (_, Some((clock, running))) => now - clock + running,
            (_, None) => self.end,
        }
    }

    /// Takes media that come at the running time `at` of their session, when the clock says `now`: returns their
    /// running time in the output.
    pub fn place(&mut self, rhythm: Rhythm, at: Nanos, now: Nanos) -> Nanos {
        let shift = match self.shift {
            Some(shift) => shift,
            None => {
                let shift = match rhythm {
                    Rhythm::Live => (self.end - at).max(0),
                    // What begins late in its file begins late: it always did, and streams may differ in it.
                    _ if !self.begun => 0,
                    Rhythm::Fastest => self.end - at,
                    Rhythm::Paced => self.now(rhythm, now).max(self.end) - at,
                };
                self.shift = Some(shift);
                shift
            }
        };
        self.begun = true;
        let placed = at + shift;
        if self.anchor.is_none() {
            self.anchor = Some((now, placed));
        }
        placed
    }

    /// When the clock must be so far that media of this running time may go.
    pub fn due(&self, running: Nanos) -> Option<Nanos> {
        self.anchor.map(|(clock, anchor)| clock + running - anchor)
    }

    /// Media have gone that end there.
    pub fn advance(&mut self, end: Nanos) {
        self.end = self.end.max(end);
    }

    /// The pipeline stood still for so long, and its running time with it.
    pub fn halt(&mut self, nanos: Nanos) {
        if let Some((clock, _)) = &mut self.anchor {
            *clock += nanos;
        }
    }

    /// The clock ran on for so long while nothing was let through: what follows comes so much later.
    pub fn pause(&mut self, nanos: Nanos) {
        if let Some(shift) = &mut self.shift {
            *shift += nanos;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn the_first_stretch_is_as_in_the_file() {
        for rhythm in [Rhythm::Fastest, Rhythm::Paced] {
            let mut time = Timeline::default();
            assert_eq!(time.place(rhythm, 80 * MS, 5000 * MS), 80 * MS);
            assert_eq!(time.place(rhythm, 0, 5000 * MS), 0);
            assert_eq!(time.due(180 * MS), Some(5100 * MS));
        }
    }

    #[test]
    fn rounds_follow_each_other() {
        let mut time = Timeline::default();
        time.place(Rhythm::Fastest, 0, 0);
        time.advance(1000 * MS);
        time.begin_stretch();
        assert_eq!(time.place(Rhythm::Fastest, 0, 17 * MS), 1000 * MS);
        assert_eq!(time.place(Rhythm::Fastest, 33 * MS, 18 * MS), 1033 * MS);
    }

    #[test]
    fn after_a_break_a_paced_source_goes_on_now() {
        let mut time = Timeline::default();
        time.place(Rhythm::Paced, 0, 1000 * MS);
        time.advance(40 * MS);
        time.begin_stretch();
        // Seven seconds later, from the middle of the film.
        assert_eq!(time.place(Rhythm::Paced, 0, 8000 * MS), 7000 * MS);
        assert_eq!(time.due(7000 * MS), Some(8000 * MS));
    }

    #[test]
    fn a_round_that_ends_early_does_not_overlap_the_next() {
        let mut time = Timeline::default();
        time.place(Rhythm::Paced, 0, 0);
        time.advance(1000 * MS);
        time.begin_stretch();
        assert_eq!(time.place(Rhythm::Paced, 0, 960 * MS), 1000 * MS);
    }

    #[test]
    fn a_pause_moves_what_follows() {
        let mut time = Timeline::default();
        time.place(Rhythm::Paced, 0, 0);
        time.pause(3000 * MS);
        assert_eq!(time.place(Rhythm::Paced, 40 * MS, 3040 * MS), 3040 * MS);
    }

    #[test]
    fn a_live_source_keeps_the_clock_and_never_goes_back() {
        let mut time = Timeline::default();
        assert_eq!(time.place(Rhythm::Live, 200 * MS, 300 * MS), 200 * MS);
        time.advance(1000 * MS);
        time.begin_stretch();
        assert_eq!(time.place(Rhythm::Live, 4000 * MS, 4100 * MS), 4000 * MS);
        time.advance(5000 * MS);
        time.begin_stretch();
        assert_eq!(time.place(Rhythm::Live, 4900 * MS, 5000 * MS), 5000 * MS);
    }
}
