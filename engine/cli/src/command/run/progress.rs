//! The progress line.

use std::time::Instant;

use anabranch_engine::PipelineStats;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// One line on stderr that is kept up to date: position in the media, frames per second, lost frames. Invisible if
/// stderr is no terminal.
pub struct Progress {
    bar: ProgressBar,
    last: Option<(Instant, u64)>,
    rate: f64,
}

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, last: None, rate: 0.0 }
    }

    pub fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    pub fn show(&mut self, stats: &PipelineStats) {
        let frames = frames(stats);
        let now = Instant::now();
        if let Some((then, before)) = self.last {
            let seconds = now.duration_since(then).as_secs_f64();
            let current = frames.saturating_sub(before) as f64 / seconds.max(1e-3);
            // Smoothed over about a second.
            let weight = (seconds / 1.0).min(1.0);
            self.rate += (current - self.rate) * weight;
        }
        self.last = Some((now, frames));
        self.bar.set_message(line(stats.position, self.rate, stats.dropped()));
        self.bar.tick();
    }

    /// A line above the progress line.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| output::note(text));
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Frames of the busiest video port: what a person calls the frames of the film.
fn frames(stats: &PipelineStats) -> u64 {
    let ports = stats.elements.values().flat_map(|e| e.inputs.iter().chain(&e.outputs));
    let count = |video: bool| {
        ports
            .clone()
            .filter(|(name, _)| !video || name.contains("video"))
            .map(|(_, p)| p.frames)
            .max()
            .unwrap_or(0)
    };
    match count(true) {
        0 => count(false),
        n => n,
    }
}

fn line(position: f64, rate: f64, dropped: u64) -> String {
    let seconds = position.max(0.0) as u64;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let tenth = (position.max(0.0).fract() * 10.0) as u64;
    format!("{h:02}:{m:02}:{s:02}.{tenth}  {rate:.0} fps  {dropped} dropped")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_well() {
        assert_eq!(line(3725.25, 29.7, 2), "01:02:05.2  30 fps  2 dropped");
        assert_eq!(line(-1.0, 0.0, 0), "00:00:00.0  0 fps  0 dropped");
    }
}
