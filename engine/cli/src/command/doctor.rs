//! `anabranch doctor`.

use anabranch_engine::Machine;
use anabranch_graph::format::Format;
use anabranch_graph::packages::debian_package;
use anabranch_graph::plan::{Capabilities, codec};
use anyhow::Result;
use serde::Serialize;

use super::models::Finding;
use crate::exit::Exit;
use crate::output;

/// Tells what this machine can do, what is missing, and which package has it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch doctor
  anabranch doctor --json | jq .missing

Exit code 0 if nothing is missing, 1 otherwise.")]
pub struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Serialize)]
struct Findings {
    /// Version of Anabranch.
    version: &'static str,
    /// Version of GStreamer.
    gstreamer: String,
    /// Processors.
    cpus: usize,
    /// Element types and the GStreamer elements that each lacks.
    elements: Vec<ElementFinding>,
    /// Formats with the decoder and encoder that are used for them.
    formats: Vec<FormatFinding>,
    /// What runs models.
    backends: Vec<Finding>,
    /// Models and libraries from packages.
    models: Vec<Finding>,
    /// What is missing, and what to do about it.
    missing: Vec<Missing>,
}

#[derive(Serialize)]
struct ElementFinding {
    name: String,
    lacks: Vec<String>,
}

#[derive(Serialize)]
struct FormatFinding {
    format: String,
    decoder: Option<String>,
    encoder: Option<String>,
    encodable: bool,
}

#[derive(Serialize, PartialEq)]
struct Missing {
    what: String,
    remedy: String,
}

pub fn run(args: Args) -> Result<Exit> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let findings = examine();
    if args.json {
        output::json(&findings)?;
    } else {
        output::result(&page(&findings))?;
    }
    Ok(if findings.missing.is_empty() { Exit::Done } else { Exit::Fault })
}

fn examine() -> Findings {
    let machine = Machine::default();
    let mut missing = Vec::new();
    let mut lack = |what: String, remedy: String| {
        let found = Missing { what, remedy };
        if !missing.contains(&found) {
            missing.push(found);
        }
    };

    let catalog = anabranch_kit::registry::catalog();
    let mut elements = Vec::new();
    for element in catalog.iter() {
        let own = std::iter::once(element.factory.as_str());
        let needed = own.chain(element.requires.iter().map(String::as_str));
        let lacks: Vec<String> = needed.filter(|f| !machine.has_element(f)).map(str::to_owned).collect();
        for factory in &lacks {
            lack(format!("GStreamer element {factory}, which {} needs", element.name), remedy(factory));
        }
        elements.push(ElementFinding { name: element.name.clone(), lacks });
    }

    let formats = Format::KNOWN.iter().filter(|f| !f.is_raw()).map(|format| {
        let candidates = codec::encoders(format);
        let decoder = machine.decoder(format);
        let encoder = codec::encoder(format, &machine);
        if decoder.is_none() {
            let remedy = codec::decoders(format).first().map_or_else(String::new, |f| remedy(f));
            lack(format!("a decoder for {format}"), remedy);
        }
        if let (None, Some(first)) = (encoder, candidates.first()) {
            lack(format!("an encoder for {format}"), remedy(first));
        }
        FormatFinding {
            format: format.name().to_owned(),
            decoder,
            encoder: encoder.map(str::to_owned),
            encodable: !candidates.is_empty(),
        }
    });
    let formats = formats.collect();
    let (backends, models) = super::models::examine();
    for model in models.iter().filter(|m| !m.works) {
        lack(
            format!("{} ({})", model.name, model.detail),
            format!("anabranch models install {}", model.name),
        );
    }
    Findings {
        version: env!("CARGO_PKG_VERSION"),
        gstreamer: gst::version_string().to_string(),
        cpus: machine.cpus(),
        elements,
        formats,
        backends,
        models,
        missing,
    }
}

/// How to get a GStreamer element.
fn remedy(factory: &str) -> String {
    match debian_package(factory) {
        Some(package) => format!("apt-get install {package}"),
        None => format!("install the GStreamer plugin that has {factory}"),
    }
}

fn page(findings: &Findings) -> String {
    let mut text =
        format!("Anabranch {}, {}, {} processors\n", findings.version, findings.gstreamer, findings.cpus);
    let mark = |good: bool| if good { "ok" } else { "missing" };
    let rows = findings
        .elements
        .iter()
        .map(|e| vec![format!("  {}", e.name), mark(e.lacks.is_empty()).into(), e.lacks.join(", ")])
        .collect::<Vec<_>>();
    text.push_str(&format!("\nElement types\n{}", output::table(&rows)));

    let mut rows = vec![vec!["  ".into(), "decoder".into(), "encoder".into()]];
    rows.extend(findings.formats.iter().map(|f| {
        let encoder = match (&f.encoder, f.encodable) {
            (Some(factory), _) if factory == "x264enc" => "x264enc (GPL)".to_owned(),
            (Some(factory), _) => factory.clone(),
            (None, true) => "missing".to_owned(),
            (None, false) => "(only decoded)".to_owned(),
        };
        vec![format!("  {}", f.format), f.decoder.clone().unwrap_or_else(|| "missing".into()), encoder]
    }));
    text.push_str(&format!("\nFormats\n{}", output::table(&rows)));

    let rows: Vec<Vec<String>> = findings
        .backends
        .iter()
        .map(|b| vec![format!("  {}", b.name), mark(b.works).into(), b.detail.clone()])
        .collect();
    text.push_str(&format!("\nInference back ends\n{}", output::table(&rows)));
    let rows: Vec<Vec<String>> = findings
        .models
        .iter()
        .map(|m| vec![format!("  {}", m.name), mark(m.works).into(), m.detail.clone()])
        .collect();
    text.push_str(&format!("\nModels\n{}", output::table(&rows)));

    if findings.missing.is_empty() {
        text.push_str("\nNothing is missing.\n");
    } else {
        text.push_str("\nMissing, and what to do\n");
        for missing in &findings.missing {
            text.push_str(&format!("  {}\n      {}\n", missing.what, missing.remedy));
        }
    }
    text
}
