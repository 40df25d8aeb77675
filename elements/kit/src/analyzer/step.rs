//! What an analyser's own thread does.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gst_video::VideoInfo;
use serde_json::Value;

use super::VideoAnalyzer;
use crate::filter::commands::{Carrier, Order, not_running};
use crate::filter::{Context, FilterError, Published};
use crate::regions::Region;
use crate::sample::Sample;
use crate::worker::panic_text;

/// Work for the analyser's thread.
pub(super) enum Job<P> {
    Build(Arc<P>, Box<VideoInfo>),
    Look(Box<LookJob<P>>),
    Command(Box<Order>),
}

impl<P> Carrier for Job<P> {
    fn wrap(order: Order) -> Self {
        Job::Command(Box::new(order))
    }

    fn unwrap(self) -> Option<Order> {
        if let Job::Command(order) = self { Some(*order) } else { None }
    }
}

pub(super) struct LookJob<P> {
    pub(super) params: Arc<P>,
    pub(super) sample: Sample,
    pub(super) ctx: Context,
}

pub(super) struct Answer {
    pub(super) outcome: Result<(), Failure>,
    /// The regions of a look, with the time of its picture.
    pub(super) found: Option<(gst::ClockTime, Vec<Region>)>,
    pub(super) events: Vec<(String, Value)>,
    pub(super) scalars: BTreeMap<String, f64>,
    pub(super) published: Option<Published>,
    pub(super) time: Duration,
}

pub(super) enum Failure {
    Error(FilterError),
    Panic(String),
}

/// What the thread does with each job. It owns the analyser.
pub(super) fn step<A: VideoAnalyzer>() -> impl FnMut(Job<A::Params>) -> Answer + Send + 'static {
    let mut analyzer: Option<A> = None;
    // What a panic at a command said; told with the next look, so that the analyser is made anew.
    let mut broken: Option<String> = None;
    move |job| {
        let begun = Instant::now();
        let mut ctx = Context::default();
        let mut seen = None;
        let done = catch_unwind(AssertUnwindSafe(|| match job {
            Job::Build(params, info) => {
                crate::worker::yield_to_video();
                broken = None;
                let old = analyzer.take();
                let mut new = A::new(&params, &info)?;
                if let Some(old) = old {
                    new.take_over(old);
                }
                analyzer = Some(new);
                Ok(())
            }
            Job::Look(job) => {
                let LookJob { params, sample, ctx: given } = *job;
                seen = given.pts;
                ctx = given;
                match &mut analyzer {
                    Some(analyzer) => analyzer.analyze(&params, &sample, &mut ctx),
                    None => Err(FilterError::SkipFrame),
                }
            }
            Job::Command(order) => {
                let done = order.run(|name, arguments, ctx| match &mut analyzer {
                    Some(analyzer) => analyzer.command(name, arguments, ctx),
                    None => Err(not_running()),
                });
                if let Err(text) = done {
                    discard(&mut analyzer);
                    broken = Some(text);
                }
                Ok(())
            }
        }));
        let outcome = match done {
            Ok(result) => match broken.take_if(|_| seen.is_some()) {
                Some(text) => Err(Failure::Panic(text)),
                None => result.map_err(Failure::Error),
            },
            Err(panic) => {
                discard(&mut analyzer);
                Err(Failure::Panic(format!("it panicked: {}", panic_text(&*panic))))
            }
        };
        let found = seen.map(|time| (time, std::mem::take(&mut ctx.added)));
        let Context { events, scalars, published, .. } = ctx;
        Answer { outcome, found, events, scalars, published, time: begun.elapsed() }
    }
}

/// Drops an analyser that is broken; one that panics even then must not take the thread with it.
fn discard<A>(analyzer: &mut Option<A>) {
    let broken = analyzer.take();
    let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
}
