//! `anabranch show`.

use std::path::{Path, PathBuf};

use anabranch_graph::catalog::{Direction, ElementDescriptor, PortSpec, PropertyKind, PropertySpec};
use anabranch_graph::diagnostic::did_you_mean;
use anyhow::Result;

use crate::exit::{Exit, bad_input};
use crate::output;

/// Shows an element type: what it does, its ports, properties and events.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch show face-overlay
  anabranch show recorder --json
  anabranch show --python my_filter.py")]
pub struct Args {
    /// The element type, as `anabranch list` shows it.
    #[arg(required_unless_present = "python")]
    name: Option<String>,
    /// A filter in Python: shows its parameters. The file is run for that.
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    python: Option<PathBuf>,
    /// The Python interpreter.
    #[arg(long, value_name = "PROGRAM", default_value = "python3", requires = "python")]
    interpreter: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Exit> {
    if let Some(file) = &args.python {
        return python(file, &args);
    }
    let name = args.name.unwrap_or_default();
    let catalog = anabranch_kit::registry::catalog();
    let Some(element) = catalog.get(&name) else {
        let hint = match did_you_mean(&name, catalog.iter().map(|e| e.name.as_str())) {
            Some(name) => format!("did you mean '{name}'?"),
            None => "anabranch list shows them".to_owned(),
        };
        return Err(bad_input(format!("there is no element type '{name}': {hint}")));
    };
    if args.json {
        output::json(element)?;
    } else {
        output::result(&page(element))?;
    }
    Ok(Exit::Done)
}

/// What a filter in Python declares.
fn python(file: &Path, args: &Args) -> Result<Exit> {
    let declared = gstanabranchpython::inspect::inspect(file, &args.interpreter)
        .map_err(|error| bad_input(error.to_string()))?;
    if args.json {
        output::json(&declared)?;
        return Ok(Exit::Done);
    }
    let mut text = format!("{} - {}\n\n", declared.name, declared.summary);
    let size = match declared.size {
        0 => "of the stream's own size".to_owned(),
        size => format!("at most {size} pixels long"),
    };
    let rate = match declared.rate {
        0.0 => "as often as it can".to_owned(),
        rate => format!("at most {rate} a second"),
    };
    text.push_str(&format!("Takes pictures in {}, {size}, {rate}.\n", declared.format));
    let rows = declared.params.iter().map(|parameter| {
        let default = format!("{} Default: {}.", parameter.summary, plain(&parameter.default));
        vec![format!("  {}", parameter.name), parameter.takes(), default.trim().to_owned()]
    });
    section(&mut text, "Parameters", rows.collect());
    let file = file.display();
    text.push_str(&format!("\nExample\n  anabranch run 'player uri=film.mp4 -> python-filter file={file} -> null-sink' --events json\n"));
    output::result(&text)?;
    Ok(Exit::Done)
}

fn page(element: &ElementDescriptor) -> String {
    let mut text = format!("{} - {}\n", element.name, element.summary);
    let description = element.description.trim();
    if !description.is_empty() && description != element.summary {
        text.push_str(&format!("\n{}", output::prose(description)));
    }
    section(&mut text, "Ports", element.ports.iter().map(port_row).collect());
    section(&mut text, "Properties", element.properties.iter().map(property_row).collect());
    let events = element.events.iter().map(|e| vec![format!("  {}", e.name), e.summary.clone()]).collect();
    section(&mut text, "Events", events);
    if !element.example.is_empty() {
        text.push_str(&format!("\nExample\n  anabranch run '{}'\n", element.example));
    }
    text.push_str(&format!("\nGStreamer element {}; by {}\n", element.factory, element.author));
    text
}

fn section(text: &mut String, title: &str, rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        text.push_str(&format!("\n{title}\n{}", output::table(&rows)));
    }
}

fn port_row(port: &PortSpec) -> Vec<String> {
    let direction = match port.direction {
        Direction::Input => "in",
        Direction::Output => "out",
    };
    let names: Vec<&str> = port.formats.iter().map(|f| f.name()).collect();
    let mut what = match (names.is_empty(), port.direction) {
        (false, _) => names.join(", "),
        (true, Direction::Input) => "any format".to_owned(),
        (true, Direction::Output) => "format known when it runs".to_owned(),
    };
    if port.required {
        what.push_str("; must be linked");
    }
    if port.multiple {
        what.push_str("; takes several links");
    }
    vec![format!("  {direction}"), port.name.clone(), what]
}

fn property_row(property: &PropertySpec) -> Vec<String> {
    let mut what = property.summary.clone();
    if property.required {
        what.push_str(" Must be given.");
    } else if !property.default.is_null() && property.default != "" {
        what.push_str(&format!(" Default: {}.", plain(&property.default)));
    }
    if property.live {
        what.push_str(" May change while media flows.");
    }
    vec![format!("  {}", property.name), kind(&property.kind), what]
}

/// A value as a person writes it.
pub fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The values that a property takes, in words.
pub fn kind(kind_of: &PropertyKind) -> String {
    match kind_of {
        PropertyKind::Bool => "true or false".into(),
        PropertyKind::Integer { min, max } => match (*min, *max) {
            (i64::MIN, i64::MAX) => "whole number".into(),
            (min, i64::MAX) => format!("whole number from {min}"),
            (min, max) if max >= i64::from(u32::MAX) => format!("whole number from {min}"),
            (min, max) => format!("{min} to {max}"),
        },
        PropertyKind::Number { min, max } => match (min.abs() < 1e15, max.abs() < 1e15) {
            (true, true) => format!("{min:?} to {max:?}"),
            (true, false) => format!("number from {min:?}"),
            _ => "number".into(),
        },
        PropertyKind::String => "text".into(),
        PropertyKind::Enum { values } => values.join(" | "),
        PropertyKind::List { item } => format!("list of: {}", kind(item)),
        PropertyKind::Map => "names with values".into(),
        PropertyKind::Record { fields } => {
            let fields: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            format!("mapping of {}", fields.join(", "))
        }
    }
}
