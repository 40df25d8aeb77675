//! Results in a file: a line of JSON for each frame, with its picture's name and size.

use std::path::Path;

use anabranch_eval::truth::{Key, Truth};
use anabranch_eval::{Case, FrameResults};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::exit::bad_input;
use crate::input::plain;

#[derive(Deserialize, Serialize)]
struct Line {
    /// The picture's file; none in a film.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Width of the picture, pixels.
    width: u32,
    /// Height of the picture, pixels.
    height: u32,
    #[serde(flatten)]
    results: FrameResults,
}

/// The name of a film's frame for people.
pub fn frame_name(number: u64) -> String {
    format!("frame {number}")
}

/// All results as text.
pub fn lines(cases: &[Case]) -> Result<String> {
    let mut text = String::new();
    for case in cases {
        let line = Line {
            file: (case.name != frame_name(case.results.frame)).then(|| case.name.clone()),
            width: case.width,
            height: case.height,
            results: case.results.clone(),
        };
        text += &serde_json::to_string(&line)?;
        text.push('\n');
    }
    Ok(text)
}

/// Reads such a file, of this program or of another.
pub fn read(path: &Path, truth: Option<&Truth>, limit: Option<u64>) -> Result<Vec<Case>> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| bad_input(format!("cannot read {name}: {}", plain(&error))))?;
    let mut cases = Vec::new();
    let most = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (number, line) in lines.take(most) {
        let line: Line = serde_json::from_str(line).map_err(|error| {
            let text = error.to_string();
            let problem = text.split(" at line ").next().unwrap_or_default();
            bad_input(format!("{name}:{}: this is no line of results: {problem}", number + 1))
        })?;
        let film = truth.is_some_and(Truth::is_film);
        let key = match &line.file {
            Some(file) if !film => Key::File(file.clone()),
            _ => Key::Frame(line.results.frame),
        };
        let there = truth.and_then(|truth| truth.of(&key, line.width, line.height));
        if truth.is_some() && there.is_none() {
            continue;
        }
        cases.push(Case {
            name: line.file.unwrap_or_else(|| frame_name(line.results.frame)),
            time: line.results.pts_ns as f64 / 1e9,
            width: line.width,
            height: line.height,
            results: line.results,
            truth: there.unwrap_or_default(),
        });
    }
    if cases.is_empty() {
        return Err(bad_input(format!("{name} has no results of frames that the truth names")));
    }
    Ok(cases)
}
