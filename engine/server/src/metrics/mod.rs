//! Numbers for Prometheus, collected when they are asked for.

pub(crate) mod process;
mod table;

use std::time::Duration;

use anabranch_engine::PipelineStats;
use axum::extract::State;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use crate::access::{Grant, Scope};
use crate::api::table::Route;
use crate::events::state_name;
use crate::problem::{Code, Problem};
use crate::{App, Hosted};
use table::{Kind, Table};

/// A pipeline that does not tell its numbers in this time is left out.
const LIMIT: Duration = Duration::from_secs(2);
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) const ROUTES: &[Route] = &[Route {
    method: Method::GET,
    path: "/metrics",
    id: "getMetrics",
    tag: "server",
    scope: Some(Scope::Observe),
    summary: "Numbers of the server and of the pipelines that the token is for, for Prometheus.",
    query: &[],
    takes: &[],
    answers: &[(200, "application/openmetrics-text", "OpenMetrics text.")],
    problems: &[],
    handler: || get(metrics),
}];

async fn metrics(State(app): State<App>, grant: Grant) -> Result<Response, Problem> {
    let hosted: Vec<Hosted> = app.registry().all().into_iter().filter(|p| grant.covers(&p.id)).collect();
    let living = hosted.iter().filter(|p| !p.has_ended());
    let stats = join_all(living.map(|p| async {
        let stats = tokio::time::timeout(LIMIT, p.pipeline.stats()).await.ok()?;
        Some((p.id.clone(), stats))
    }));
    let stats: Vec<(String, PipelineStats)> = stats.await.into_iter().flatten().collect();
    let mut table = Table::default();
    server(&app, &hosted, &mut table);
    process::collect(&mut table);
    for (pipeline, stats) in &stats {
        media(pipeline, stats, &mut table);
    }
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(table)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .map_err(|error| Problem::new(Code::Internal, format!("the numbers cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, TEXT)], text).into_response())
}

fn server(app: &App, hosted: &[Hosted], table: &mut Table) {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    table.add("anabranch_build", "What runs", Kind::Gauge, 1.0, &[("version", version)]);
    let uptime = app.started().elapsed().as_secs_f64();
    table.add("anabranch_uptime_seconds", "Since the server was started", Kind::Gauge, uptime, &[]);
    let connections = app.connections().map_or(0, |c| c.count()) as f64;
    table.add("anabranch_connections", "Connections now", Kind::Gauge, connections, &[]);
    let (publishing, playing) = app.sessions().count();
    for (kind, count) in [("publish", publishing), ("play", playing)] {
        let help = "Sessions by WHIP and WHEP now";
        table.add("anabranch_sessions", help, Kind::Gauge, count as f64, &[("kind", kind.into())]);
    }
    for (status, count) in app.rates().answers() {
        let labels = [("status", format!("{status}xx"))];
        table.add("anabranch_http_requests", "Requests answered", Kind::Counter, count as f64, &labels);
    }
    let refused = app.rates().refused() as f64;
    table.add("anabranch_http_requests_refused", "Requests over the rate limit", Kind::Counter, refused, &[]);
    let mut states = std::collections::BTreeMap::<&str, usize>::new();
    let mut types = std::collections::BTreeMap::<String, usize>::new();
    for hosted in hosted {
        *states.entry(state_name(hosted.pipeline.state())).or_default() += 1;
        if !hosted.has_ended() {
            for node in hosted.pipeline.spec().nodes.values() {
                *types.entry(node.type_name.clone()).or_default() += 1;
            }
        }
    }
    for (state, count) in states {
        let labels = [("state", state.to_owned())];
        table.add("anabranch_pipelines", "Pipelines", Kind::Gauge, count as f64, &labels);
    }
    for (name, count) in types {
        table.add("anabranch_elements", "Elements", Kind::Gauge, count as f64, &[("type", name)]);
    }
}

fn media(pipeline: &str, stats: &PipelineStats, table: &mut Table) {
    let of =
        |label: &'static str, value: &str| vec![("pipeline", pipeline.to_owned()), (label, value.to_owned())];
    for (id, element) in &stats.elements {
        let ports =
            element.inputs.iter().map(|p| ("in", p)).chain(element.outputs.iter().map(|p| ("out", p)));
        for (direction, (port, numbers)) in ports {
            let mut labels = of("element", id);
            labels.extend([("port", port.clone()), ("direction", direction.to_owned())]);
            let frames = "Frames (packets of sound) through a port";
            table.add("anabranch_frames", frames, Kind::Counter, numbers.frames as f64, &labels);
            table.add(
                "anabranch_bytes",
                "Bytes through a port",
                Kind::Counter,
                numbers.bytes as f64,
                &labels,
            );
        }
        for (name, value) in &element.own {
            let mut labels = of("element", id);
            labels.push(("name", name.clone()));
            table.add("anabranch_element_stat", "An element's own numbers", Kind::Gauge, *value, &labels);
        }
        for (port, numbers) in &element.hubs {
            let number = |name: &str| numbers.get(name).copied().unwrap_or_default();
            let mut labels = of("element", id);
            labels.push(("port", port.clone()));
            let dropped = "Frames that slow encoders lost";
            table.add(
                "anabranch_hub_dropped_frames",
                dropped,
                Kind::Counter,
                number("frames-dropped"),
                &labels,
            );
            let started = "Transcodes started";
            let count = number("transcodes-started");
            table.add("anabranch_transcodes_started", started, Kind::Counter, count, &labels);
            for (kind, name) in [("decoder", "decoders"), ("encoder", "encoders")] {
                let mut labels = labels.clone();
                labels.push(("kind", kind.to_owned()));
                table.add("anabranch_transcoders", "Codecs that run now", Kind::Gauge, number(name), &labels);
            }
        }
    }
    for (id, link) in &stats.links {
        let labels = of("link", id);
        let dropped = "Frames that a slow consumer lost";
        table.add("anabranch_link_dropped_frames", dropped, Kind::Counter, link.dropped as f64, &labels);
        table.add(
            "anabranch_link_waiting_frames",
            "Frames that wait",
            Kind::Gauge,
            link.waiting as f64,
            &labels,
        );
        let latency = "How long a frame waits, moving average";
        table.add("anabranch_link_latency_seconds", latency, Kind::Gauge, link.latency_ms / 1e3, &labels);
    }
}

#[derive(Debug)]
struct Snapshot(Table);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}
