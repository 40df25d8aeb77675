//! The report of a run.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anabranch_engine::{MediaPipeline, Outcome, PipelineStats};
use anyhow::Result;
use serde::Serialize;

use crate::exit::bad_input;

/// A report that will be written.
pub struct Report {
    file: File,
}

#[derive(Serialize)]
struct Content<'a> {
    /// The graph's name.
    pipeline: &'a str,
    /// From the start of the media to the end of everything, seconds.
    seconds: f64,
    #[serde(flatten)]
    outcome: &'a Outcome,
    stats: &'a PipelineStats,
    plan: &'a anabranch_graph::plan::Plan,
}

impl Report {
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .map_err(|error| bad_input(format!("cannot write the report {}: {error}", path.display())))?;
        Ok(Self { file })
    }

    pub fn write(
        self,
        pipeline: &MediaPipeline,
        outcome: &Outcome,
        stats: &PipelineStats,
        took: Duration,
    ) -> Result<()> {
        let plan = pipeline.plan();
        let seconds = took.as_secs_f64();
        let content = Content { pipeline: pipeline.name(), seconds, outcome, stats, plan: &plan };
        let mut out = BufWriter::new(self.file);
        serde_json::to_writer_pretty(&mut out, &content)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
}
