//! Throws mutated descriptions at parser, checker and planner:
//!
//! ```text
//! cargo run --release -p anabranch-graph --features test --example fuzz_descriptions -- 200000 1 [FOLDER]
//! ```
//!
//! makes 200,000 descriptions from seed 1, out of the `*.yaml` files in FOLDER (`pipelines` unless given) and some that
//! are built in. Exits with 1 at the first panic and at the first label that does not lie in the text.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anabranch_graph::plan::{Probe, surgery};
use anabranch_graph::testing::{Machine, catalog};
use anabranch_graph::{Completeness, Document, check_all, plan};

const BUILT_IN: &[&str] = &[
    "name: a\nelements:\n  cam: {type: player, uri: clip.mp4, loop-count: 2}\n  hat:\n    type: face-overlay\n    image: hat.png\n    offset_x: -0.5\n  rec: {type: recorder, location: out.webm, on-error: restart}\nlinks:\n  - cam -> hat -> rec\n  - cam.audio -> rec\n  - {from: cam, to: rec, media: audio, transcoding: forbid, bitrate: 64}\n",
    "{\"elements\": {\"t\": {\"type\": \"test-source\", \"width\": 320}, \"s\": {\"type\": \"snapshot\", \"location\": \"x.png\", \"times\": [1, 2.5]}}, \"links\": [\"t -> s\"]}",
    "elements:\n  p: {type: peer}\n  m: {type: mixer}\n  f: {type: pass-through}\n  n: null-sink\nlinks:\n  - p.video -> m -> f -> n\n  - p -> p\n  - f -> m\n",
    "# Ünïcödé 🎩\nname: \"\\u00e9\\n\"\ndescription: |\n  two\n  lines\nelements:\n  &a x: &b {type: camera}\n  y: *b\nlinks: []\n",
    "player uri='a b.mp4' -> t:pass-through -> recorder location=a.webm; t -> null-sink on-error=restart; player.audio -> speaker",
    "test-source title=\"x -> y; z\" -> snapshot location=x.png times=[0.5,1] -> -> ; ; analyser",
];

const WORDS: &[&str] = &[
    "elements",
    "links",
    "type",
    "name",
    "player",
    "recorder",
    "face-overlay",
    "pass-through",
    "null-sink",
    "mixer",
    "->",
    " -> ",
    ": ",
    "\n",
    "\n  ",
    "\n    - ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!!int ",
    "! ",
    "|\n",
    ">-\n",
    "# ",
    "null",
    "true",
    "~",
    "1e999",
    "-0",
    "0x7f",
    ".inf",
    "99999999999999999999",
    "é",
    "🎩",
    "\u{feff}",
    "\u{2028}",
    "\t",
    "\r\n",
    "\0",
    "---\n",
    "...",
    "%YAML 1.2\n",
    "? ",
    "=",
    ";",
    ".",
    "on-error",
    "uri",
    "x.webm",
];

/// A small generator (xorshift64*): the same seed gives the same descriptions everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % end.max(1)
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().and_then(|a| a.parse().ok()).unwrap_or(default);
    let (count, seed) = (number(200_000), number(1));
    let folder = std::env::args().nth(3).unwrap_or_else(|| "pipelines".to_owned());
    let mut seeds: Vec<String> = BUILT_IN.iter().map(|text| (*text).to_owned()).collect();
    seeds.extend(files(Path::new(&folder)));
    let catalog = catalog();
    let clip =
        Probe::Streams(vec![anabranch_graph::format::Format::H264, anabranch_graph::format::Format::Aac]);
    let machine = Machine::full().with("clip.mp4", clip);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let (mut good, mut planned, mut findings) = (0u64, 0u64, 0u64);
    let start = Instant::now();
    for round in 0..count {
        let text = mutate(&seeds, &mut dice);
        let document = match dice.below(4) {
            0 => Document::one_liner(text.clone()),
            _ => Document::yaml("fuzz.yaml", text.clone()),
        };
        let checked = check_all(&document, &catalog, Some(&machine), Completeness::Complete);
        findings += checked.diagnostics.len() as u64;
        for diagnostic in &checked.diagnostics {
            for label in &diagnostic.labels {
                let inside = text.get(label.span.range()).is_some() && label.line > 0 && label.column > 0;
                if !inside {
                    eprintln!("round {round}: {:?} lies outside of {text:?}", label.span);
                    return ExitCode::FAILURE;
                }
            }
            // Drawing is slower than all the rest: a sample will do.
            if round % 16 == 0 && diagnostic.draw(false).is_empty() {
                eprintln!("round {round}: nothing drawn for {text:?}");
                return ExitCode::FAILURE;
            }
        }
        let Some(spec) = checked.spec else { continue };
        good += 1;
        let Ok(plan) = plan(&spec, &catalog, &machine) else { continue };
        planned += 1;
        if !surgery(&plan, &plan, &catalog).is_empty() {
            eprintln!("round {round}: a plan differs from itself: {text:?}");
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{count} descriptions, seed {seed}: {good} valid, {planned} planned, {findings} findings, no panic, every label \
         inside its text ({:.1} s)",
        start.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    // The order of a folder is not the same everywhere.
    paths.sort();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// One of the seeds with a few characters, words or lines changed.
fn mutate(seeds: &[String], dice: &mut Dice) -> String {
    let mut text: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
    for _ in 0..dice.below(6) {
        let at = dice.below(text.len() + 1);
        let until = (at + 1 + dice.below(12)).min(text.len());
        match dice.below(7) {
            0 => {
                text.drain(at..until.max(at));
            }
            1 | 2 => {
                let word = WORDS[dice.below(WORDS.len())];
                text.splice(at..at, word.chars());
            }
            3 => {
                let word = WORDS[dice.below(WORDS.len())];
                text.splice(at..until.max(at), word.chars());
            }
            4 => {
                let piece: Vec<char> = text[at..until.max(at)].to_vec();
                let to = dice.below(text.len() + 1);
                text.splice(to..to, piece);
            }
            5 => {
                if let Some(c) = char::from_u32(u32::try_from(dice.next() % 0x3000).unwrap_or_default()) {
                    text.insert(at, c);
                }
            }
            _ => {
                let other: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
                let from = dice.below(other.len());
                let piece = other[from..(from + dice.below(60)).min(other.len())].to_vec();
                text.splice(at..at, piece);
            }
        }
    }
    text.into_iter().collect()
}
