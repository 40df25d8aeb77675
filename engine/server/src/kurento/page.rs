//! The documentation page `KURENTO.md`, made from the table and the surface.

use std::fmt::Write;

use super::error::Code;
use super::surface::{Class, surface};
use super::table::{self, Backing, Held, Way};

/// What of Kurento's protocol works and how, Markdown.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    let surface = surface();
    out.push_str("\n## Classes\n\n| class | is |\n|---|---|\n");
    for (name, backing) in table::CLASSES {
        let is = match backing {
            Backing::Manager => "the server; exists once, as `manager_ServerManager`".to_owned(),
            Backing::Pipeline => "a pipeline that lives until it is released".to_owned(),
            Backing::Endpoint(element) => format!("element `{element}`, as long as the object"),
            Backing::Filter(element) => {
                format!("elements `{element}` while there is something to do; media pass in any case")
            }
            Backing::Uri(element) => format!("element `{element}`, from start to stop"),
            Backing::Hub(element)
            | Backing::Inner(element)
            | Backing::Post(element)
            | Backing::Detector(element) => {
                format!("element `{element}`, as long as the object")
            }
            Backing::Port(element) => format!("element `{element}`, as long as the object or its hub"),
        };
        row(&mut out, &[name, &is]);
    }
    let missing: Vec<String> = surface
        .classes()
        .filter(|class| class.creatable && table::backing(&class.name).is_none())
        .map(|class| format!("`{}`", class.qualified()))
        .collect();
    let _ = writeln!(
        out,
        "\nNot there yet, so that creating one is error 40108 \"Factory 'X' not found\": {}.",
        missing.join(", ")
    );
    out.push_str(MARKERS);
    for class in members() {
        section(&mut out, class);
    }
    out.push_str("\n## Names of Kurento 6\n\nAccepted as well. Events come under the name with which they were subscribed to.\n\n| 6 | 7 |\n|---|---|\n");
    for (old, new) in table::OLD_EVENTS {
        row(&mut out, &[&format!("event `{old}`"), &format!("`{new}`")]);
    }
    for (old, new, _) in table::OLD_OPERATIONS {
        row(&mut out, &[&format!("`{old}`"), &format!("`{new}`")]);
    }
    out.push_str("\n## Errors\n\n| code | `data.type` | when |\n|---|---|---|\n");
    for code in Code::ALL {
        row(&mut out, &[&code.number().to_string(), code.name().unwrap_or("–"), code.when()]);
    }
    out
}

const HEAD: &str = "\
# Kurento's protocol

<!-- Made from the tables in engine/server/src/kurento by `UPDATE_PAGES=1 cargo test -p anabranch-server kurento`. -->

An application that uses `kurento-client` runs against Anabranch without a change: JSON-RPC 2.0 over a WebSocket at
`/kurento`, as Kurento Media Server 7.3 speaks it. This page says what each class, property, method and event is in the
engine, and what is not there.

- Requests of one connection are answered in order. Text and binary frames are taken, text is sent. Batches are not taken.
- Objects live as long as a session holds them or until they are released. A session whose connection has gone can be taken
  over by another connection for 4 minutes at least and 8 at most.
- A request that is sent again within 20 seconds gets the answer that it got before.
- With tokens, the protocol needs the scope `control`: `Authorization: Bearer TOKEN`, or `/kurento?access_token=TOKEN`.
";

const MARKERS: &str = "
`ArMarkerdetector` reads the markers of ALVAR, a library that nobody keeps any more. For AprilTag and ArUco markers there is
no library either that belongs into a media server yet: those in Rust bring between 60 and 180 other crates, and the one in C
would have to be there on every machine.
";

/// Classes with members of their own, general ones first.
fn members() -> Vec<&'static Class> {
    let surface = surface();
    let mut classes: Vec<&Class> = Vec::new();
    for (name, _) in table::CLASSES {
        let Some(class) = surface.class(name) else { continue };
        let mut family: Vec<&Class> = surface.family(class).collect();
        family.reverse();
        for class in family {
            let empty = class.properties.is_empty() && class.methods.is_empty() && class.events.is_empty();
            if !empty && !classes.iter().any(|other| other.name == class.name) {
                classes.push(class);
            }
        }
    }
    classes
}

fn section(out: &mut String, class: &Class) {
    let parent = class.extends.as_deref().map(|parent| format!(" (a `{parent}`)")).unwrap_or_default();
    let _ = writeln!(out, "\n## {}{parent}\n\n| member | is |\n|---|---|", class.name);
    for property in &class.properties {
        let Some(held) = table::property(&class.name, &property.name) else { continue };
        let is = match held {
            Held::Element { name, .. } => format!("property `{name}` of the element"),
            Held::Kept { why, .. } => format!("kept and given back, without effect: {why}"),
            Held::Own(_, "") => "as in Kurento".to_owned(),
            Held::Own(_, text) => text.to_owned(),
        };
        let access = if property.read_only || property.is_final { ", read only" } else { "" };
        row(out, &[&format!("`{}`: {}{access}", property.name, property.kind), &is]);
    }
    for method in &class.methods {
        let Some(way) = table::method(&class.name, &method.name) else { continue };
        let is = match way {
            Way::Command { name, .. } => format!("command `{name}` of the element"),
            Way::Own(_, text) => text.to_owned(),
        };
        let names: Vec<&str> = method.params.iter().map(|p| p.name.as_str()).collect();
        row(out, &[&format!("`{}({})`", method.name, names.join(", ")), &is]);
    }
    for event in &class.events {
        let when = table::EVENTS.iter().find(|row| (row.0, row.1) == (&class.name, event));
        row(out, &[&format!("event `{event}`"), when.map_or("", |row| row.2)]);
    }
}

fn row(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_as_the_tables_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/KURENTO.md");
        if std::env::var_os("UPDATE_PAGES").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == page(), "KURENTO.md is not as the tables say; make it anew with UPDATE_PAGES=1");
    }
}
