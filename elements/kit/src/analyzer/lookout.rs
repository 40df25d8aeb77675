//! An analyser at work: its thread, its tracks, and what there is to tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst_video::VideoInfo;
use serde_json::Value;

use super::scene::Scene;
use super::schedule::{Mode, Schedule};
use super::step::{Answer, Failure, Job, LookJob, step};
use super::{Drawing, VideoAnalyzer};
use crate::filter::{Context, FilterError, Named, Published, Reason, Times, Trust};
use crate::frame::Picture;
use crate::regions::Region;
use crate::sample::Sample;
use crate::track::Tracker;
use crate::worker::{Interrupter, SideDoor, Worker};

/// An analyser that has been busy for so long counts as hung.
const LATE: Duration = Duration::from_secs(5);

/// A film that is worked on faster than real time may leave the analyser behind: from this much of the film on, pictures
/// wait for what the analyser says, for `PATIENCE` at most. Video in real time never waits.
const BEHIND: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_millis(100);

/// Runs an analyser beside a stream of pictures. All of it is for one thread, the one that the pictures are on.
pub struct Lookout<A: VideoAnalyzer> {
    worker: Worker<Job<A::Params>, Answer>,
    info: Box<VideoInfo>,
    tracker: Tracker,
    report: A::Report,
    trust: Trust,
    built: bool,
    pending: bool,
    told_late: bool,
    last_look: Option<gst::ClockTime>,
    /// The look that there is no answer to yet: when it began, and its picture's time.
    looking: Option<(Instant, gst::ClockTime)>,
    scene: Scene,
    messages: Vec<(String, Value)>,
    schedule: Schedule,
    pictures: u64,
    since_look: u32,
    published: Option<Published>,
    /// What elements upstream look for.
    pub(super) analyzed: Vec<String>,
    /// Numbers that the analyser said last.
    pub(super) scalars: BTreeMap<String, f64>,
    pub(super) looks: u64,
    /// Pictures whose turn it was while the analyser was busy.
    pub(super) missed: u64,
    /// Answers that came after the deadline.
    pub(super) late: u64,
    pub(super) times: Times,
}

impl<A: VideoAnalyzer + Named> Lookout<A> {
    /// Starts the analyser's thread and lets it make the analyser; [`Lookout::ready`] waits for that.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn start(params: &Arc<A::Params>, info: &VideoInfo) -> Result<Self, FilterError> {
        let worker = Worker::spawn_in_turn(A::NAME, crate::turns::of_process(), step::<A>())
            .map_err(|e| FilterError::Fatal(format!("cannot start a thread: {e}")))?;
        let mut lookout = Lookout {
            worker,
            info: Box::new(info.clone()),
            tracker: Tracker::new(A::sampling(params).tracking),
            report: A::Report::default(),
            trust: Trust::aside(),
            built: false,
            pending: false,
            told_late: false,
            last_look: None,
            looking: None,
            scene: Scene::default(),
            messages: Vec::new(),
            schedule: Schedule::default(),
            pictures: 0,
            since_look: 0,
            published: None,
            analyzed: Vec::new(),
            scalars: BTreeMap::new(),
            looks: 0,
            missed: 0,
            late: 0,
            times: Times::default(),
        };
        lookout.build(params);
        Ok(lookout)
    }

    fn build(&mut self, params: &Arc<A::Params>) {
        self.worker.offer(Job::Build(params.clone(), self.info.clone()));
        self.pending = true;
    }

    /// Makes the analyser anew, with new properties; what is followed is kept.
    pub fn restart(&mut self, params: &Arc<A::Params>) {
        self.build(params);
    }

    /// Changes when it looks.
    pub fn set_schedule(&mut self, schedule: Schedule) {
        self.schedule = schedule;
        self.tracker.set_exact(schedule.mode == Mode::Inline);
    }

    /// What there is to draw, of regions that [`Lookout::look`] returned.
    pub fn drawing<'a>(&'a self, params: &'a A::Params, regions: &'a [Region]) -> Drawing<'a, A> {
        Drawing { params, regions, report: &self.report, published: self.published.as_ref() }
    }

    /// Where commands go, once the analyser is made.
    pub(super) fn door(&self) -> Option<SideDoor<Job<A::Params>>> {
        self.built.then(|| self.worker.side_door())
    }

    /// What ends the wait in [`Lookout::ready`].
    pub fn interrupter(&self) -> Interrupter {
        self.worker.interrupter()
    }

    /// Waits until the analyser is made, up to a limit. If it is late it will start to look later.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] if it will never work.
    pub fn ready(&mut self, limit: Option<Duration>) -> Result<(), FilterError> {
        match self.worker.wait(limit) {
            Some(answer) => self.take_in(answer),
            None => Ok(()),
        }
    }

    /// Lets the analyser look at a picture if it is free and its turn has come, and returns what is known of this
    /// picture by now.
    ///
    /// # Errors
    ///
    /// [`FilterError::Fatal`] if the analyser says that it will never work.
    pub fn look(
        &mut self,
        params: &Arc<A::Params>,
        picture: &Picture<'_>,
        time: gst::ClockTime,
    ) -> Result<Vec<Region>, FilterError> {
        self.look_after(params, picture, time, &[])
    }

    /// As [`Lookout::look`], for an analyser that builds on what elements upstream have found in the picture.
    ///
    /// # Errors
    ///
    /// As [`Lookout::look`].
    pub fn look_after(
        &mut self,
        params: &Arc<A::Params>,
        picture: &Picture<'_>,
        time: gst::ClockTime,
        upstream: &[Region],
    ) -> Result<Vec<Region>, FilterError> {
        let answer = match self.is_left_behind(time) {
            true => self.worker.wait(Some(PATIENCE)),
            false => self.worker.take(),
        };
        if let Some(answer) = answer {
            self.take_in(answer)?;
        }
        if self.scene.is_new(picture, time) {
            // What was followed is in another scene: forget it, and look at once.
            self.tracker.clear();
            self.last_look = None;
        }
        let number = self.pictures;
        self.pictures += 1;
        self.since_look = self.since_look.saturating_add(1);
        let sampling = A::sampling(params);
        self.tracker.set_options(sampling.tracking);
        let now = Instant::now();
        if self.pending {
            if self.is_due(time, sampling.rate) {
                self.missed += 1;
                if self.looking.is_some() && self.worker.has_waiting() {
                    // Others compute. When its turn comes it is to look at what is new.
                    let job = self.job(
                        params,
                        picture,
                        sampling.longest,
                        Context::at(time, number, upstream.to_vec()),
                    );
                    if self.worker.replace(job).is_ok() {
                        self.note_look(now, time);
                    }
                }
            }
            self.check_lateness(now);
        } else if self.trust.may_run(now) {
            if !self.built {
                self.build(params);
            } else if self.is_due(time, sampling.rate) {
                let job =
                    self.job(params, picture, sampling.longest, Context::at(time, number, upstream.to_vec()));
                self.worker.offer(job);
                self.note_look(now, time);
                self.pending = true;
                if self.schedule.mode == Mode::Inline {
                    self.await_answer()?;
                }
            }
        }
        let regions = self.tracker.regions(time.into());
        let mut ctx = Context { pts: Some(time), number, ..Context::default() };
        A::report(&mut self.report, &regions, time, &mut ctx);
        self.messages.append(&mut ctx.events);
        self.scalars.append(&mut ctx.scalars);
        Ok(regions)
    }

    fn job(
        &self,
        params: &Arc<A::Params>,
        picture: &Picture<'_>,
        longest: usize,
        ctx: Context,
    ) -> Job<A::Params> {
        let sample = Sample::take(picture, longest);
        let ctx = Context { analyzed: self.analyzed.clone(), ..ctx };
        Job::Look(Box::new(LookJob { params: params.clone(), sample, ctx }))
    }

    fn note_look(&mut self, now: Instant, time: gst::ClockTime) {
        self.last_look = Some(time);
        self.since_look = 0;
        self.looking = Some((now, time));
    }

    /// The picture waits for the answer about it.
    fn await_answer(&mut self) -> Result<(), FilterError> {
        let budget = self.schedule.budget();
        match self.worker.wait(budget) {
            Some(answer) => self.take_in(answer),
            None => {
                if let Some(budget) = budget.filter(|_| !self.worker.is_interrupted()) {
                    let detail = format!("a picture waited for it longer than {} ms", budget.as_millis());
                    self.note(Reason::Late, &detail);
                }
                Ok(())
            }
        }
    }

    /// What there is to tell since the last call: names and data of messages.
    pub fn messages(&mut self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.messages)
    }

    /// Whether the pictures come clearly faster than real time and the analyser's answer is late for that.
    fn is_left_behind(&self, time: gst::ClockTime) -> bool {
        let waits = self.pending && self.schedule.mode != Mode::Inline;
        let Some((begun, picture)) = self.looking.filter(|_| waits) else { return false };
        left_behind(Duration::from(time.saturating_sub(picture)), begun.elapsed())
    }

    fn is_due(&self, time: gst::ClockTime, rate: f64) -> bool {
        let Some(last) = self.last_look else { return true };
        if self.schedule.mode != Mode::Latest {
            return self.since_look >= self.schedule.every;
        }
        // A hair early is in time: frame times are rounded.
        let pause = gst::ClockTime::from_seconds_f64((1.0 / rate.max(0.01) - 0.002).max(0.0));
        time < last || time >= last + pause
    }

    fn check_lateness(&mut self, now: Instant) {
        let late = self.worker.busy_since().is_some_and(|since| now.duration_since(since) > LATE);
        if late && !self.told_late {
            self.told_late = true;
            let detail = format!("it has been busy with one picture for {} s", LATE.as_secs());
            self.note(Reason::Late, &detail);
        }
    }

    fn note(&mut self, reason: Reason, detail: &str) {
        if let Some(data) = self.trust.trouble(Instant::now(), A::NAME, reason, detail) {
            self.messages.push(("filter-trouble".into(), data));
        }
    }

    fn take_in(&mut self, answer: Answer) -> Result<(), FilterError> {
        self.pending = false;
        let took = self.looking.take().map(|(begun, _)| begun.elapsed());
        self.told_late = false;
        self.messages.extend(answer.events);
        if answer.published.is_some() {
            self.published = answer.published;
        }
        self.scalars.extend(answer.scalars);
        match answer.outcome {
            Ok(()) => {
                self.built = true;
                if let Some((time, found)) = answer.found {
                    self.looks += 1;
                    self.times.add(answer.time);
                    if took.is_some_and(|took| self.schedule.is_too_late(took)) {
                        self.late += 1;
                    } else if !self.scene.is_before(time) {
                        self.tracker.update(time.into(), &found);
                    }
                    if let Some(data) = self.trust.good(Instant::now(), A::NAME) {
                        self.messages.push(("filter-recovered".into(), data));
                    }
                }
            }
            Err(Failure::Error(FilterError::SkipFrame)) => {}
            Err(Failure::Error(FilterError::Fatal(text))) => return Err(FilterError::Fatal(text)),
            Err(Failure::Error(FilterError::Failed(text))) => {
                let reason = if self.built { Reason::Error } else { Reason::Start };
                self.note(reason, &text);
            }
            Err(Failure::Panic(text)) => {
                self.built = false;
                self.note(Reason::Panic, &text);
            }
        }
        Ok(())
    }
}

/// `film` has gone by in `real` time while the analyser looked.
fn left_behind(film: Duration, real: Duration) -> bool {
    film >= BEHIND && real < film * 3 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_films_faster_than_real_time_wait() {
        let ms = Duration::from_millis;
        assert!(!left_behind(ms(66), ms(1)), "a burst of two frames");
        assert!(left_behind(ms(100), ms(10)));
        assert!(!left_behind(ms(100), ms(80)));
        assert!(!left_behind(ms(300), ms(290)), "real time");
    }
}
