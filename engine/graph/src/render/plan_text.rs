//! A plan for people.

use std::fmt::Write;

use crate::plan::codec::Service;
use crate::plan::{Join, LinkPlan, NodePlan, Overflow, Pace, Plan};
use crate::yaml;

/// The plan as text: domains with their elements, outputs, and links, each with its reason.
pub fn plan_text(plan: &Plan) -> String {
    let mut out = String::new();
    let pace = match plan.pace {
        Pace::Realtime => "real time",
        Pace::Fastest => "as fast as possible",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "graph  {}", plan.name);
    let _ = writeln!(out, "pace   {pace}: {}", plan.pace_why);
    let id_width = plan.nodes.keys().map(String::len).max().unwrap_or_default();
    let type_width = plan.nodes.values().map(|node| node.type_name.len()).max().unwrap_or_default();
    for domain in &plan.domains {
        let _ = writeln!(out, "\ndomain {}  ({})", domain.id, domain.why);
        for node in domain.nodes.iter().filter_map(|id| plan.nodes.get(id)) {
            element(&mut out, node, id_width, type_width);
        }
    }
    let idle: Vec<&NodePlan> = plan.nodes.values().filter(|node| node.domain.is_none()).collect();
    if !idle.is_empty() {
        out.push_str("\nnot built  (no source feeds them)\n");
        for node in idle {
            element(&mut out, node, id_width, type_width);
        }
    }
    if !plan.hubs.is_empty() {
        out.push_str("\noutputs\n");
        let width = plan.hubs.keys().map(String::len).max().unwrap_or_default();
        for (id, hub) in &plan.hubs {
            let links: Vec<&LinkPlan> = hub.links.iter().filter_map(|id| plan.links.get(id)).collect();
            let produces = match hub.produces.as_slice() {
                [] if !links.is_empty() && links.iter().all(|link| link.absent) => {
                    "no such stream".to_owned()
                }
                [] => "format known when it runs".to_owned(),
                formats => formats.iter().map(|f| f.name()).collect::<Vec<_>>().join(" or "),
            };
            let _ = writeln!(out, "  {id:width$}  {produces}; {}", work(&links));
        }
    }
    if !plan.links.is_empty() {
        out.push_str("\nlinks\n");
        let width = plan.links.keys().map(|id| id.chars().count()).max().unwrap_or_default();
        for link in plan.links.values() {
            self::link(&mut out, link, width);
        }
    }
    out
}

fn element(out: &mut String, node: &NodePlan, id_width: usize, type_width: usize) {
    let given = if node.on_error_given { "" } else { " (default)" };
    let properties: Vec<String> =
        node.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let line = format!(
        "  {:id_width$}  {:type_width$}  on error: {}{given}  {}",
        node.id,
        node.type_name,
        yaml::on_error_name(node.on_error),
        properties.join(" ")
    );
    let _ = writeln!(out, "{}", line.trim_end());
    for part in &node.parts {
        let _ = writeln!(out, "  {:id_width$}    {}: {}", "", part.factory, part.why);
    }
}

/// What a hub does for its links, shared work once.
fn work(links: &[&LinkPlan]) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut add = |text: String| {
        if !all.contains(&text) {
            all.push(text);
        }
    };
    for link in links {
        let limits = link.options.picture_of(link.medium);
        let within = if limits.is_none() { String::new() } else { format!(" of at most {limits}") };
        match &link.service {
            Some(Service::Shrink { decoder }) => {
                if let Some(decoder) = decoder {
                    add(format!("one decoder {decoder}"));
                }
                add(format!("raw pictures{within}"));
            }
            Some(Service::Decode { decoder }) => add(format!("one decoder {decoder}")),
            Some(Service::Encode { decoder, format, encoder }) => {
                if let Some(decoder) = decoder {
                    add(format!("one decoder {decoder}"));
                }
                add(format!("one encoder {encoder} for {format}{within}"));
            }
            Some(Service::Pass) | None => {}
        }
    }
    let count = match links.len() {
        1 => "1 link".to_owned(),
        n => format!("{n} links"),
    };
    match all.is_empty() {
        true => count,
        false => format!("{count}; {}", all.join(", ")),
    }
}

fn link(out: &mut String, link: &LinkPlan, width: usize) {
    let join = match &link.join {
        Join::Direct => "direct".to_owned(),
        Join::Bridge { overflow, max_ms } => {
            let full = match overflow {
                Overflow::Wait => "source waits when full",
                Overflow::Drop => "drops when full",
            };
            format!("bridge, {max_ms} ms, {full}")
        }
    };
    let service = match &link.service {
        _ if link.absent => "nothing".to_owned(),
        None => "as needed".to_owned(),
        Some(Service::Pass) => "untouched".to_owned(),
        Some(Service::Decode { decoder }) => format!("decoded by {decoder}"),
        Some(Service::Shrink { decoder: None }) => "shrunk".to_owned(),
        Some(Service::Shrink { decoder: Some(decoder) }) => format!("decoded by {decoder}, shrunk"),
        Some(Service::Encode { decoder: None, encoder, .. }) => format!("encoded by {encoder}"),
        Some(Service::Encode { decoder: Some(decoder), encoder, .. }) => {
            format!("transcoded, {decoder} + {encoder}")
        }
    };
    let _ = writeln!(out, "  {:width$}  {service}; {join}", link.id);
    let _ = writeln!(out, "      {}", link.why);
    for part in &link.converters {
        let _ = writeln!(out, "      {}: {}", part.factory, part.why);
    }
    let rates = [link.options.bitrate, link.options.min_bitrate, link.options.max_bitrate];
    for (word, rate) in ["", "at least ", "at most "].into_iter().zip(rates) {
        if let Some(rate) = rate {
            let _ = writeln!(out, "      bit rate {word}{rate} kbit/s if it is encoded");
        }
    }
}
