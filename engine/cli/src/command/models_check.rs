//! `anabranch models check`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anabranch_kit::inference::{self, Backend, Inference, Tensor};
use anabranch_kit::models;
use anabranch_kit::onnx::{Port, Summary};
use anabranch_kit::results::Detection;
use anabranch_kit::sample::Sample;
use anyhow::Result;
use gstanabranchfilters::nets::{Net, Spec, spec_beside, spec_of};
use serde_json::{Value, json};

use crate::exit::{Exit, bad_input};
use crate::output;

/// How many runs are timed, and for how long at most.
const RUNS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(3);
/// The side of an input that takes any size, if no spec says more.
const ANY: usize = 320;

/// Says what an ONNX model takes, gives and needs, what it finds in a picture, and how long it takes on each engine.
#[derive(clap::Args)]
pub struct Args {
    /// The ONNX file, or the name of a model of `list`.
    model: String,
    /// The YAML file for `onnx-filter` that describes it; a `.modelinfo` beside the model is found without.
    #[arg(long)]
    spec: Option<PathBuf>,
    /// A picture (PNG, JPEG) to look at.
    #[arg(long)]
    image: Option<PathBuf>,
    /// All of it as JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<Exit> {
    let path = match models::list().iter().any(|m| m.name == args.model) {
        true => models::path(&args.model)?,
        false => PathBuf::from(&args.model),
    };
    let summary = Summary::of_file(&path).map_err(bad_input)?;
    let spec = match &args.spec {
        Some(spec) => Some(spec_of(&path, Some(spec)).map_err(bad_input)?),
        // A model can be run without; but whoever has put a file there wants to know what is wrong with it.
        None => spec_beside(&path).unwrap_or_else(|problem| {
            output::note(&format!("note: {problem}"));
            None
        }),
    };
    let sample = match &args.image {
        Some(image) => read_image(image)?,
        None => grey(),
    };
    let engines: Vec<Engine> = inference::backends()
        .into_iter()
        .map(|b| try_out(&path, &summary, spec.as_ref(), &sample, b))
        .collect();
    let works = engines.iter().any(|e| e.result.is_ok());
    if args.json {
        output::json(&as_json(&summary, spec.as_ref(), &engines))?;
    } else {
        output::result(&as_text(&path, &summary, spec.as_ref(), &engines))?;
    }
    Ok(if works { Exit::Done } else { Exit::Fault })
}

/// What one engine makes of the model.
struct Engine {
    name: &'static str,
    lacks: Vec<String>,
    result: Result<Run, String>,
}

struct Run {
    input: Vec<usize>,
    outputs: Vec<(String, Vec<usize>)>,
    milliseconds: f64,
    /// What it found, if a spec says how to read it.
    found: Option<Result<Vec<Detection>, String>>,
}

fn try_out(path: &Path, summary: &Summary, spec: Option<&Spec>, sample: &Sample, backend: Backend) -> Engine {
    let name = if backend == Backend::Ort { "ort" } else { "tract" };
    let lacks = inference::lacking(summary, backend).into_iter().map(|o| match o.domain.is_empty() {
        true => o.name,
        false => format!("{}.{}", o.domain, o.name),
    });
    let result = match spec {
        Some(spec) => run_spec(path, spec, sample, backend),
        None => run_plain(path, summary, backend),
    };
    Engine { name, lacks: lacks.collect(), result }
}

fn run_spec(path: &Path, spec: &Spec, sample: &Sample, backend: Backend) -> Result<Run, String> {
    let mut net = Net::new(path, spec.clone(), backend);
    let (names, tensors, _) = net.run(sample).map_err(|e| e.to_string())?;
    let found = net.look(sample).map(|r| r.iter().map(Detection::from).collect()).map_err(|e| e.to_string());
    let (input, _) = spec.input.prepare(sample);
    let model = inference::load_file(path, backend, spec.input.shape(sample.width, sample.height));
    let milliseconds = time(&*model.map_err(|e| e.to_string())?, &input)?;
    Ok(Run { input: input.shape, outputs: shapes(names, tensors), milliseconds, found: Some(found) })
}

/// Without a spec the input is noise in the shape that the model states.
fn run_plain(path: &Path, summary: &Summary, backend: Backend) -> Result<Run, String> {
    let [port] = &summary.inputs[..] else {
        return Err(format!("it has {} inputs; only models with one can be run", summary.inputs.len()));
    };
    if port.kind != "float32" {
        return Err(format!("its input is {}; only 32-bit numbers can be given", port.kind));
    }
    let sides: Option<[Option<usize>; 4]> = port.shape.clone().try_into().ok();
    let sides = sides.ok_or("its input is no picture: it does not have four sides")?;
    let shape =
        [sides[0].unwrap_or(1), sides[1].unwrap_or(3), sides[2].unwrap_or(ANY), sides[3].unwrap_or(ANY)];
    let model = inference::load_file(path, backend, shape).map_err(|e| e.to_string())?;
    let count = shape.iter().product::<usize>();
    let data = (0..count).map(|n| (n.wrapping_mul(2_654_435_761) >> 8 & 0xff) as f32 / 255.0).collect();
    let input = Tensor { shape: shape.to_vec(), data };
    let tensors = model.run(&input).map_err(|e| e.to_string())?;
    let milliseconds = time(&*model, &input)?;
    let outputs = shapes(model.outputs().to_vec(), tensors);
    Ok(Run { input: input.shape, outputs, milliseconds, found: None })
}

fn shapes(names: Vec<String>, tensors: Vec<Tensor>) -> Vec<(String, Vec<usize>)> {
    names.into_iter().zip(tensors.into_iter().map(|t| t.shape)).collect()
}

/// The median time of a run, in milliseconds.
fn time(model: &dyn Inference, input: &Tensor) -> Result<f64, String> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < RUNS && begun.elapsed() < PATIENCE {
        let start = Instant::now();
        model.run(input).map_err(|e| e.to_string())?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3)
}

fn read_image(path: &Path) -> Result<Sample> {
    let picture = gstanabranchfilters::nets::read_picture(path).map_err(bad_input)?;
    Ok(picture)
}

fn grey() -> Sample {
    Sample { width: 640, height: 480, rgb: vec![128; 640 * 480 * 3] }
}

fn port(port: &Port) -> String {
    let sides: Vec<String> = port.shape.iter().map(|s| s.map_or("any".into(), |n| n.to_string())).collect();
    format!("{} {} [{}]", port.name, port.kind, sides.join(", "))
}

fn list(sizes: &[usize]) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

fn as_text(path: &Path, summary: &Summary, spec: Option<&Spec>, engines: &[Engine]) -> String {
    let mut rows = vec![vec!["model".to_owned(), path.display().to_string()]];
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row("made by", format!("{}, opset {}", summary.producer, summary.opset));
    summary.inputs.iter().for_each(|p| row("input", port(p)));
    summary.outputs.iter().for_each(|p| row("output", port(p)));
    let operators: BTreeSet<String> =
        summary.operators.iter().map(|(operator, count)| format!("{} ({count})", operator.name)).collect();
    row("operators", operators.into_iter().collect::<Vec<_>>().join(", "));
    match spec {
        Some(spec) => row("type", spec.family.name().to_owned()),
        None => row("type", "no spec says what its outputs mean (--spec, or a .modelinfo beside it)".into()),
    }
    for engine in engines {
        if !engine.lacks.is_empty() {
            row(engine.name, format!("lacks the operators {}", engine.lacks.join(", ")));
        }
        match &engine.result {
            Ok(run) => {
                let outputs: Vec<String> =
                    run.outputs.iter().map(|(name, shape)| format!("{name} {}", list(shape))).collect();
                let line =
                    format!("{:.1} ms, {} -> {}", run.milliseconds, list(&run.input), outputs.join(", "));
                row(engine.name, line);
                match &run.found {
                    Some(Ok(found)) => {
                        row("", format!("found {}", found.len()));
                        let best = found.iter().take(10);
                        best.for_each(|d| row("", serde_json::to_string(d).unwrap_or_default()));
                    }
                    Some(Err(problem)) => row("", problem.clone()),
                    None => {}
                }
            }
            Err(problem) => row(engine.name, problem.clone()),
        }
    }
    if engines.is_empty() {
        row("engines", "there are none; run: anabranch models install onnxruntime".into());
    }
    output::table(&rows)
}

fn as_json(summary: &Summary, spec: Option<&Spec>, engines: &[Engine]) -> Value {
    let ports = |ports: &[Port]| -> Vec<Value> {
        ports.iter().map(|p| json!({"name": p.name, "kind": p.kind, "shape": p.shape})).collect()
    };
    let operators: Vec<Value> = summary
        .operators
        .iter()
        .map(|(operator, count)| json!({"domain": operator.domain, "name": operator.name, "count": count}))
        .collect();
    let engines: Vec<Value> = engines
        .iter()
        .map(|engine| {
            let mut value = json!({"engine": engine.name, "lacks": engine.lacks});
            match &engine.result {
                Ok(run) => {
                    let outputs: Vec<Value> = run
                        .outputs
                        .iter()
                        .map(|(name, shape)| json!({"name": name, "shape": shape}))
                        .collect();
                    value["milliseconds"] = json!(run.milliseconds);
                    value["input"] = json!(run.input);
                    value["outputs"] = json!(outputs);
                    match &run.found {
                        Some(Ok(found)) => value["found"] = json!(found),
                        Some(Err(problem)) => value["problem"] = json!(problem),
                        None => {}
                    }
                }
                Err(problem) => value["problem"] = json!(problem),
            }
            value
        })
        .collect();
    json!({
        "producer": summary.producer,
        "opset": summary.opset,
        "inputs": ports(&summary.inputs),
        "outputs": ports(&summary.outputs),
        "operators": operators,
        "type": spec.map(|s| s.family.name()),
        "engines": engines,
    })
}
