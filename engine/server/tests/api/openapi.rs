//! The OpenAPI document against the routes that answer.

use std::collections::HashSet;

use serde_json::Value;

use crate::client::Request;
use crate::server::Running;

const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "options"];

#[test]
fn the_document_says_what_the_routes_do() {
    let server = Running::start("");
    let document = server.get("/api/openapi.json").expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = HashSet::new();
    for (template, operations) in document["paths"].as_object().unwrap() {
        let path: Vec<&str> =
            template.split('/').map(|p| if p.starts_with('{') { "none" } else { p }).collect();
        let path = path.join("/");
        for method in METHODS {
            let request = Request::new(&method.to_uppercase(), &path).header("Accept", "application/json");
            let mut connection = request.open(server.address);
            let mut answer = connection.head();
            // Event streams have no end.
            if answer.status >= 400 {
                answer = connection.rest(answer);
            }
            let Some(operation) = operations.get(method) else {
                answer.expect_problem(405, "method-not-allowed");
                continue;
            };
            let place = format!("{method} {template}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap().to_owned()),
                "{place}: id used twice"
            );
            assert!(operation["summary"].as_str().is_some_and(|s| s.ends_with('.')), "{place}: no summary");
            // Whatever it answers to a request without sense is in the document.
            let said = &operation["responses"][answer.status.to_string()];
            assert!(said.is_object(), "{place}: {} is not in the document: {}", answer.status, answer.text());
            if answer.status >= 400 && answer.header("content-type") == Some("application/problem+json") {
                let code = format!("`{}`", answer.json()["code"].as_str().unwrap());
                let text = said["description"].as_str().unwrap();
                assert!(text.contains(&code), "{place}: {code} is not in '{text}'");
            }
            let parameters: Vec<&Value> = operation["parameters"].as_array().unwrap().iter().collect();
            for name in template.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}')) {
                assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{place}: {name}");
            }
        }
    }
    let codes =
        document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    for code in codes {
        server.get(&format!("/problems/{}", code.as_str().unwrap())).expect(200);
    }
}

#[test]
fn metrics_are_numbers_with_names() {
    let server = Running::start("[limits]\nrequest_burst = 100000\n");
    let yaml = "name: a\nelements:\n  p: {type: test-source, width: 160, height: 120}\n  n: {type: null-sink}\nlinks: [p.video -> n]\n";
    server.create(yaml).expect(201);
    let value = |text: &str, name: &str| {
        let line =
            text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name} in\n{text}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // Frames are counted as they come.
    let text = loop {
        let answer = server.get("/metrics").expect(200);
        assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
        let text = answer.text();
        if value(
            &text,
            "anabranch_frames_total{pipeline=\"a\",element=\"p\",port=\"video\",direction=\"out\"}",
        ) > 0.0
        {
            break text;
        }
    };
    assert_eq!(value(&text, "anabranch_pipelines{state=\"running\"}"), 1.0);
    assert_eq!(value(&text, "anabranch_elements{type=\"test-source\"}"), 1.0);
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_threads",
        "process_open_fds",
        "anabranch_connections",
        "anabranch_uptime_seconds",
        "anabranch_http_requests_total{status=\"2xx\"}",
    ] {
        assert!(value(&text, name) > 0.0, "{name}");
    }
    value(&text, "anabranch_transcoders{");
    value(&text, "anabranch_sessions{kind=\"publish\"}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
