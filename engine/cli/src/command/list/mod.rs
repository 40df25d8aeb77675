//! `anabranch list`.

mod page;

use anabranch_graph::catalog::{ElementDescriptor, Role};
use anyhow::Result;

use crate::exit::Exit;
use crate::output;

/// Lists the element types that a description may use.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch list
  anabranch list --role filter
  anabranch list --json | jq -r '.[].name'
  anabranch list --role filter --markdown")]
pub struct Args {
    /// Only those that are this in a graph.
    #[arg(long, value_name = "ROLE")]
    role: Option<RoleName>,
    /// Everything about them, as JSON.
    #[arg(long)]
    json: bool,
    /// Their descriptions, properties, events and examples, as a page of Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum RoleName {
    Source,
    Filter,
    Mixer,
    Endpoint,
    Sink,
}

/// In the order in which media meets them.
const ROLES: [(Role, RoleName, &str); 5] = [
    (Role::Source, RoleName::Source, "Sources"),
    (Role::Filter, RoleName::Filter, "Filters"),
    (Role::Mixer, RoleName::Mixer, "Mixers"),
    (Role::Endpoint, RoleName::Endpoint, "Endpoints"),
    (Role::Sink, RoleName::Sink, "Sinks"),
];

pub fn run(args: Args) -> Result<Exit> {
    let catalog = anabranch_kit::registry::catalog();
    let wanted =
        |role: Role| args.role.is_none_or(|name| ROLES.iter().any(|(r, n, _)| *r == role && *n == name));
    let elements: Vec<&ElementDescriptor> = catalog.iter().filter(|e| wanted(e.role)).collect();
    if args.json {
        output::json(&elements)?;
        return Ok(Exit::Done);
    }
    if args.markdown {
        let title = ROLES.iter().find(|(_, name, _)| Some(*name) == args.role).map_or("Elements", |r| r.2);
        output::result(&page::page(title, &elements))?;
        return Ok(Exit::Done);
    }
    let mut text = String::new();
    let width = elements.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    for (role, _, title) in ROLES {
        let rows: Vec<Vec<String>> = elements
            .iter()
            .filter(|e| e.role == role)
            .map(|e| vec![format!("  {:width$}", e.name), e.summary.clone()])
            .collect();
        if !rows.is_empty() {
            text.push_str(&format!(
                "{}{title}\n{}",
                if text.is_empty() { "" } else { "\n" },
                output::table(&rows)
            ));
        }
    }
    if args.role.is_none() {
        text.push_str("\nMore about one of them: anabranch show NAME\n");
    }
    output::result(&text)?;
    Ok(Exit::Done)
}
