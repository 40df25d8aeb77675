//! What happened, in sentences for a person.

use std::time::Duration;

use anabranch_engine::{Event, EventKind, Outcome, OutcomeKind, PipelineStats};

use crate::output;

/// The sentence for an event; none for events that would only be noise.
pub fn event(event: &Event) -> Option<String> {
    let who = event.element.as_deref().unwrap_or("pipeline");
    match &event.kind {
        EventKind::ElementFailed { reason, consequence, .. } => {
            Some(format!("{who} failed: {}; {consequence}", clause(reason)))
        }
        EventKind::ElementRestarted { attempt } => Some(format!("{who} was built anew (attempt {attempt})")),
        EventKind::Warning { reason, .. } => Some(format!("{who}: {reason}")),
        EventKind::TranscodingStarted(t) => {
            Some(format!("{who}: {} becomes {} for {}: {}", t.from, t.to, t.consumer, t.reason))
        }
        EventKind::NotServed { consumer, reason } => {
            Some(format!("{consumer} gets nothing from {who}: {reason}"))
        }
        EventKind::FramesDropped { count, reason } => {
            Some(format!("{who}: {count} {} lost: {reason}", if *count == 1 { "frame" } else { "frames" }))
        }
        EventKind::FilterTrouble { reason, consequence, .. } => {
            Some(format!("{who}: {}; {consequence}", clause(reason)))
        }
        EventKind::FilterRecovered { detail } => Some(format!("{who} works again: {detail}")),
        EventKind::GraphChanged { steps } => Some(format!("changed: {}", steps.join("; "))),
        EventKind::EventsLost { count } => Some(format!("{count} events came too fast to be shown")),
        _ => None,
    }
}

/// A sentence as a part of a longer one.
fn clause(sentence: &str) -> &str {
    sentence.trim_end().trim_end_matches('.')
}

/// The last line.
pub fn outcome(quiet: bool, outcome: &Outcome, stats: &PipelineStats, took: Duration) {
    if outcome.result == OutcomeKind::Failed {
        // Each failure was told when it happened.
        output::error("the pipeline failed");
        return;
    }
    if quiet {
        return;
    }
    let word = match outcome.result {
        OutcomeKind::Done => "Done",
        _ => "Stopped",
    };
    let dropped = match stats.dropped() {
        0 => String::new(),
        n => format!(", {n} dropped"),
    };
    output::note(&format!("{word} after {:.1} s{dropped}.", took.as_secs_f64()));
}
