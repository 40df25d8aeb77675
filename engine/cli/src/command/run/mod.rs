//! `anabranch run`.

mod duration;
mod narrate;
mod progress;
mod report;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anabranch_engine::{
    ChangeError, Engine, ErrorInfo, Event, EventKind, GraphError, MediaPipeline, Outcome, OutcomeKind,
};
use anabranch_graph::{Completeness, check_all};
use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant as Moment;

use crate::exit::{self, Exit};
use crate::input::{self, Description};
use crate::output;

use progress::Progress;
use report::Report;

/// Numbers are read and shown this often.
const TICK: Duration = Duration::from_millis(200);
/// After the end was asked for, recordings get this long to be finalised.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// A pipeline that was stopped at once gets this long; then the program ends without it.
const ABORT_LIMIT: Duration = Duration::from_secs(5);

/// Runs a description until its media ends.
///
/// Ctrl-C ends the sources and finalises recordings; a second Ctrl-C stops at once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch run pipelines/magic-mirror.yaml
  anabranch run pipelines/magic-mirror.yaml --set camera.uri=me.mp4 --set recorder.location=me.webm
  anabranch run 'player uri=in.mp4 -> face-overlay image=pipelines/hat.png -> recorder location=out.webm'
  anabranch run 'test-source -> recorder location=a.webm' --duration 10s
  anabranch run mine.yaml --events json | jq -c 'select(.name == \"faces\")'
  anabranch run mine.yaml --report report.json

Exit codes: 0 done (also after Ctrl-C, once everything is finalised), 2 bad input, 3 media failure, 4 time limit,
130 stopped at once by a second Ctrl-C.")]
pub struct Args {
    #[command(flatten)]
    description: Description,
    /// Ends the sources after this time and finalises: 10, 10s, 500ms, 2m, 1h.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// Gives up with exit code 4 if it has not ended after this time.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    time_limit: Option<Duration>,
    /// Prints every event to stdout as a line of JSON.
    #[arg(long, value_enum, value_name = "FORMAT")]
    events: Option<EventFormat>,
    /// Writes how it ended, with all numbers, to this file as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Says nothing but errors.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum EventFormat {
    Json,
}

pub fn run(args: Args) -> Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let exit = runtime.block_on(execute(&args));
    // What hangs in a blocking call does not keep the program.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit
}

async fn execute(args: &Args) -> Result<Exit> {
    let document = args.description.document()?;
    // Made before the media starts: a report that cannot be written is bad input.
    let report = args.report.as_deref().map(Report::create).transpose()?;
    let engine = Engine::new()?;
    let checked = check_all(&document, engine.catalog(), Some(engine.machine()), Completeness::Complete);
    let warnings_wanted = !args.quiet || checked.spec.is_none();
    input::draw(if warnings_wanted { &checked.diagnostics } else { &[] });
    let Some(spec) = checked.spec else { return Ok(Exit::BadInput) };
    let refused = |mut error: GraphError| {
        document.locate(&mut error.diagnostics);
        input::draw(&error.diagnostics);
        exit::of_kind(error.kind())
    };
    let pipeline = match engine.create(spec) {
        Ok(pipeline) => pipeline,
        Err(error) => return Ok(refused(error)),
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut events = pipeline.events();
    let started = Instant::now();
    let mut end = std::pin::pin!(start_and_wait(pipeline.clone()));
    let mut progress = Progress::new(args.quiet);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let after = |time: Option<Duration>| time.map(|t| Moment::from_std(started) + t);
    let mut duration = after(args.duration);
    let mut limit = after(args.time_limit);
    let mut give_up = None;
    let mut limit_hit = false;
    let mut asked_to_end = 0;

    let outcome = loop {
        tokio::select! {
            outcome = &mut end => break Some(outcome),
            Some(event) = events.next() => handle(args, &progress, &event)?,
            _ = ticks.tick(), if progress.is_visible() => progress.show(&pipeline.stats().await),
            () = asked(&mut interrupt, &mut terminate) => {
                asked_to_end += 1;
                if asked_to_end == 1 {
                    if !args.quiet {
                        progress.say("Ending: recordings are being finalised. Ctrl-C again stops at once.");
                    }
                    pipeline.drain();
                    limit = earlier(limit, Moment::now() + DRAIN_LIMIT);
                } else {
                    give_up = Some(abort(&pipeline));
                }
            }
            () = until(duration) => {
                duration = None;
                pipeline.drain();
                limit = earlier(limit, Moment::now() + DRAIN_LIMIT);
            }
            () = until(limit) => {
                limit = None;
                limit_hit = true;
                progress.say("The time limit ran out: stopping.");
                give_up = Some(abort(&pipeline));
            }
            () = until(give_up) => break None,
        }
    };
    // The last events are in the channel by now.
    while let Some(Some(event)) = futures::FutureExt::now_or_never(events.next()) {
        handle(args, &progress, &event)?;
    }
    progress.finish();
    let outcome = match outcome {
        Some(Ok(outcome)) => outcome,
        Some(Err(ChangeError::Graph(error))) => return Ok(refused(error)),
        Some(Err(error)) => {
            output::error(&error.to_string());
            return Ok(exit::of_kind(error.kind()));
        }
        None => {
            output::error("a part of the pipeline hangs; it was left behind");
            return Ok(Exit::TimeLimit);
        }
    };
    let took = started.elapsed();
    let stats = pipeline.stats().await;
    if let Some(report) = report {
        report.write(&pipeline, &outcome, &stats, took).context("cannot write the report")?;
    }
    narrate::outcome(args.quiet, &outcome, &stats, took);
    Ok(match (limit_hit, asked_to_end) {
        (true, _) => Exit::TimeLimit,
        (false, 2..) => Exit::Interrupted,
        _ => of_outcome(&outcome),
    })
}

async fn start_and_wait(pipeline: MediaPipeline) -> Result<Outcome, ChangeError> {
    match pipeline.start().await {
        Ok(()) => Ok(pipeline.wait().await),
        Err(error) => {
            pipeline.abort().await;
            Err(error)
        }
    }
}

/// Stops at once, in the background; returns when to give up on it.
fn abort(pipeline: &MediaPipeline) -> Moment {
    let pipeline = pipeline.clone();
    tokio::spawn(async move { pipeline.abort().await });
    Moment::now() + ABORT_LIMIT
}

/// Waits until somebody asks for the end: Ctrl-C or the system.
async fn asked(interrupt: &mut Signal, terminate: &mut Signal) {
    let heard = tokio::select! { heard = interrupt.recv() => heard, heard = terminate.recv() => heard };
    if heard.is_none() {
        std::future::pending().await
    }
}

fn of_outcome(outcome: &Outcome) -> Exit {
    match outcome.result {
        OutcomeKind::Done | OutcomeKind::Stopped => Exit::Done,
        OutcomeKind::Failed => Exit::Media,
        OutcomeKind::TimedOut => Exit::TimeLimit,
    }
}

fn handle(args: &Args, progress: &Progress, event: &Event) -> Result<()> {
    if args.events == Some(EventFormat::Json) {
        output::result(&(serde_json::to_string(event)? + "\n"))?;
    }
    if let Some(line) = narrate::event(event) {
        // Failures are told even to those who want quiet.
        if !args.quiet || matches!(event.kind, EventKind::ElementFailed { .. }) {
            progress.say(&line);
        }
    }
    Ok(())
}

fn earlier(a: Option<Moment>, b: Moment) -> Option<Moment> {
    Some(a.map_or(b, |a| a.min(b)))
}

/// Waits for a moment; forever if there is none.
async fn until(moment: Option<Moment>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
