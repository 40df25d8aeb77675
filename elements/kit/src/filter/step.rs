//! What a filter's own thread does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commands::{Carrier, Order, not_running};
use super::{Context, FilterError, Stage};
use crate::worker::panic_text;

/// Work for the filter's thread.
pub(super) enum Job<S: Stage> {
    Build(Arc<S::Params>, Box<S::Info>),
    Frame(Box<FrameJob<S>>),
    Command(Box<Order>),
}

impl<S: Stage> Carrier for Job<S> {
    fn wrap(order: Order) -> Self {
        Job::Command(Box::new(order))
    }

    fn unwrap(self) -> Option<Order> {
        if let Job::Command(order) = self { Some(*order) } else { None }
    }
}

pub(super) struct FrameJob<S: Stage> {
    pub(super) params: Arc<S::Params>,
    pub(super) media: S::Media,
    pub(super) ctx: Context,
}

// There is one answer at a time, and it is made for every frame: a box would cost more than its size.
#[allow(clippy::large_enum_variant)]
pub(super) enum Answer<S: Stage> {
    Built(Outcome),
    Frame {
        media: S::Media,
        outcome: Outcome,
        ctx: Context,
        time: Duration,
    },
    /// To a command, which has been answered itself.
    Done,
}

pub(super) enum Outcome {
    Good,
    Error(FilterError),
    Panic(String),
}

/// What the thread does with each job. It owns the filter.
pub(super) fn step<S: Stage>() -> impl FnMut(Job<S>) -> Answer<S> + Send + 'static {
    let mut filter: Option<S> = None;
    // What a panic at a command said; told with the next frame, so that the filter is made anew.
    let mut broken: Option<String> = None;
    move |job| match job {
        Job::Build(params, info) => {
            let old = filter.take();
            broken = None;
            let made = catch_unwind(AssertUnwindSafe(|| {
                let mut new = S::make(&params, &info)?;
                if let Some(old) = old {
                    new.take_over(old);
                }
                Ok(new)
            }));
            Answer::Built(match made {
                Ok(Ok(new)) => {
                    filter = Some(new);
                    Outcome::Good
                }
                Ok(Err(error)) => Outcome::Error(error),
                Err(panic) => Outcome::Panic(panic_text(&*panic)),
            })
        }
        Job::Command(order) => {
            let done = order.run(|name, arguments, ctx| match &mut filter {
                Some(filter) => filter.command(name, arguments, ctx),
                None => Err(not_running()),
            });
            if let Err(text) = done {
                discard(&mut filter);
                broken = Some(text);
            }
            Answer::Done
        }
        Job::Frame(job) => {
            let FrameJob { params, mut media, mut ctx } = *job;
            if let Some(text) = broken.take() {
                return Answer::Frame { media, outcome: Outcome::Panic(text), ctx, time: Duration::ZERO };
            }
            let begun = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(|| match &mut filter {
                Some(filter) => filter.run(&params, &mut media, &mut ctx),
                None => Err(FilterError::SkipFrame),
            }));
            let outcome = match done {
                Ok(Ok(())) => Outcome::Good,
                Ok(Err(error)) => Outcome::Error(error),
                Err(panic) => {
                    discard(&mut filter);
                    Outcome::Panic(format!("it panicked: {}", panic_text(&*panic)))
                }
            };
            Answer::Frame { media, outcome, ctx, time: begun.elapsed() }
        }
    }
}

/// Drops a filter that is broken; one that panics even then must not take the thread with it.
fn discard<F>(filter: &mut Option<F>) {
    let broken = filter.take();
    let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
}
