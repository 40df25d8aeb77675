//! `anabranch eval`.

mod args;
mod cpu;
mod data;
mod drive;
mod dump;
mod failure;
mod machine;
mod shots;
mod subject;

use std::path::Path;

use anabranch_engine::Engine;
use anabranch_eval::metrics::latency;
use anabranch_eval::report::compare::{self, Difference, Tolerance, Verdict};
use anabranch_eval::report::html::{self, Extras};
use anabranch_eval::report::{Cost, Realtime, Report, SCHEMA, Subject as Facts};
use anabranch_eval::truth::Truth;
use anabranch_eval::{Case, Options, Scores, evaluate};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::{Exit, bad_input};
use crate::input::plain;
use crate::output;

pub use args::Args;
use data::Place;
use drive::{Job, Ran};
use subject::Subject;

/// What all steps of an evaluation share.
struct Evaluation<'a> {
    args: &'a Args,
    engine: Engine,
    place: Option<Place>,
    truth: Option<(Truth, String)>,
}

pub fn run(args: Args) -> Result<Exit> {
    let options = args.options()?;
    // All that can be wrong with the input is found before anything runs.
    let earlier = args.compare.as_deref().map(read_report).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        let place = args.data.as_deref().map(Place::find).transpose()?;
        let truth = args.truth(place.as_ref().map(Place::folder))?;
        let evaluation = Evaluation { args: &args, engine: Engine::new()?, place, truth };
        evaluation.run(&options, earlier.as_ref()).await
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Err(error) if error.is::<failure::MediaFailure>() => {
            output::error(&format!("{error:#}"));
            Ok(Exit::Media)
        }
        other => other,
    }
}

fn read_report(path: &Path) -> Result<Report> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad_input(format!("cannot read {name}: {}", plain(&error))))?;
    compare::parse(&name, &text).map_err(bad_input)
}

/// Writes a file; that it cannot be written is bad input.
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text)
        .map_err(|error| bad_input(format!("cannot write {}: {}", path.display(), plain(&error))))
}

impl Evaluation<'_> {
    async fn run(&self, options: &Options, earlier: Option<&Report>) -> Result<Exit> {
        let given = Path::new(&self.args.description.text);
        let is_results = given.extension().is_some_and(|e| e == "jsonl") && given.is_file();
        let mut facts = Facts {
            filter: self.args.description.text.clone(),
            elements: Vec::new(),
            data: self.args.data.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            truth: self.truth.as_ref().map(|(_, name)| name.clone()).unwrap_or_default(),
            realtime: self.args.realtime,
        };
        let mut ran = if is_results {
            let cases = dump::read(given, self.truth.as_ref().map(|(truth, _)| truth), self.args.limit)?;
            let notes = self.missing(cases.len()).into_iter().collect();
            Ran { cases, notes, ..Ran::default() }
        } else {
            let Some(subject) = Subject::read(&self.args.description, &self.engine, self.args.realtime)?
            else {
                return Ok(Exit::BadInput);
            };
            facts.elements = subject.elements();
            self.filter(&subject).await?
        };
        if let Some(path) = &self.args.dump {
            write(path, &dump::lines(&ran.cases)?)?;
        }
        let mut scores = match &self.truth {
            Some((truth, _)) => evaluate(&mut ran.cases, truth, options),
            None => Scores { frames: ran.cases.len(), ..Scores::default() },
        };
        scores.notes.append(&mut ran.notes);
        let cost = self.cost(&ran);
        let report = Report { schema: SCHEMA, subject: facts, machine: machine::describe(), scores, cost };
        self.tell(report, ran, options, earlier).await
    }

    /// What is to be said of pictures that the truth names and that are not among so many results.
    fn missing(&self, results: usize) -> Option<String> {
        let (truth, _) = self.truth.as_ref().filter(|(truth, _)| !truth.is_film())?;
        let count = truth.frames.len().saturating_sub(results);
        (count > 0 && self.args.limit.is_none()).then(|| {
            format!("{count} pictures that the truth names are not among the results: they do not count")
        })
    }

    /// Runs the filters over the data.
    async fn filter(&self, subject: &Subject) -> Result<Ran> {
        let Some(place) = &self.place else {
            return Err(bad_input("--data is missing: a folder with pictures, or a film"));
        };
        let truth = self.truth.as_ref().map(|(truth, _)| truth);
        let mut notes = Vec::new();
        let mut data = place.open(&self.engine, truth, self.args.fps, &mut notes).await?;
        let bar = self.bar(data.count());
        let job = Job {
            engine: &self.engine,
            subject,
            truth,
            limit: self.args.limit,
            realtime: self.args.realtime,
            progress: &|frame| bar.set_position(frame),
        };
        let result = job.run(&mut data).await;
        bar.finish_and_clear();
        data.close().await;
        let mut ran = result?;
        ran.notes.splice(0..0, notes);
        Ok(ran)
    }

    fn bar(&self, count: Option<u64>) -> ProgressBar {
        let hidden = self.args.quiet;
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
        let count = count.map(|count| self.args.limit.map_or(count, |limit| limit.min(count)));
        let bar = ProgressBar::with_draw_target(count.or(self.args.limit), target);
        let form = if count.is_some() {
            "{bar:30} {pos}/{len} frames, {per_sec}"
        } else {
            "{spinner} {pos} frames, {per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style);
        }
        bar
    }

    fn cost(&self, ran: &Ran) -> Cost {
        let realtime = Realtime {
            offered: ran.offered,
            dropped: ran.offered.saturating_sub(ran.cases.len() as u64),
            analysed: ran.analysed,
        };
        let seconds = ran.elapsed.as_secs_f64();
        Cost {
            latency_ms: latency::score(&ran.times_ms),
            first_ms: ran.first_ms,
            cpu_ms_per_frame: ran.cpu_ms_per_frame,
            frames_per_second: if seconds > 0.0 { ran.cases.len() as f64 / seconds } else { 0.0 },
            realtime: self.args.realtime.then_some(realtime),
        }
    }

    /// Writes everything down; the exit code says whether a comparison found something worse.
    async fn tell(
        &self,
        report: Report,
        ran: Ran,
        options: &Options,
        earlier: Option<&Report>,
    ) -> Result<Exit> {
        let tolerance = Tolerance { results: self.args.tolerance, times: self.args.time_tolerance };
        let differences = earlier.map(|earlier| compare::compare(earlier, &report, tolerance));
        if let Some(path) = &self.args.json {
            write(path, &html::json(&report)?)?;
        }
        if let Some(path) = &self.args.html {
            let extras = self.extras(ran, options, differences.clone().unwrap_or_default()).await?;
            write(path, &html::page(&report, &extras))?;
        }
        let mut text = String::new();
        for table in report.tables() {
            text += &format!("{}\n{}\n", table.title, output::table(&indented(table.rows)));
        }
        for note in report.scores.notes.iter().filter(|_| !self.args.quiet) {
            output::note(&format!("note: {note}"));
        }
        let worse =
            differences.as_ref().map(|all| all.iter().filter(|d| d.verdict == Verdict::Worse).count());
        if let Some(differences) = &differences {
            let rows = compare::rows(differences);
            let head = ["", "figure", "before", "now"].map(str::to_owned).to_vec();
            text += "Compared with the earlier report\n";
            text += &match rows.is_empty() {
                true => "  nothing changed\n".to_owned(),
                false => output::table(&indented(std::iter::once(head).chain(rows).collect())),
            };
        }
        output::result(&text)?;
        match worse {
            Some(count) if count > 0 => {
                output::error(&format!("{count} figures are worse than before"));
                Ok(Exit::Fault)
            }
            _ => Ok(Exit::Done),
        }
    }

    /// Plots and pictures for the HTML report.
    async fn extras(&self, ran: Ran, options: &Options, differences: Vec<Difference>) -> Result<Extras> {
        let nothing = Truth::default();
        let truth = self.truth.as_ref().map_or(&nothing, |(truth, _)| truth);
        let worst = html::worst(&ran.cases, truth, options, self.args.cases);
        let mut pictures = match &self.place {
            Some(place) if !worst.is_empty() => {
                let cases: Vec<&Case> = worst.iter().map(|w| &ran.cases[w.case]).collect();
                shots::take(&self.engine, place, self.truth.as_ref().map(|(t, _)| t), self.args.fps, &cases)
                    .await?
            }
            _ => Default::default(),
        };
        let shots = worst.iter().filter_map(|worst| {
            let case = &ran.cases[worst.case];
            let jpeg = pictures.remove(&case.results.frame)?;
            Some(html::shot(case, worst, truth, options, jpeg))
        });
        let counts = ran.cases.iter().filter(|_| truth.is_film());
        let counts = counts.map(|case| [case.time, case.results.detections.len() as f64, case.truth.count()]);
        Ok(Extras { counts: counts.collect(), shots: shots.collect(), times_ms: ran.times_ms, differences })
    }
}

/// Rows with a margin before them.
fn indented(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let width = rows.iter().filter_map(|row| row.first()).map(|cell| cell.chars().count()).max().unwrap_or(0);
    for cell in rows.iter_mut().filter_map(|row| row.first_mut()) {
        *cell = format!("  {cell:width$}");
    }
    rows
}
