//! Pipelines and elements by REST.

use serde_json::{Value, json};

use crate::client::Request;
use crate::server::Running;

const PATTERN: &str = "
name: pattern
description: A picture that goes nowhere.
elements:
  picture: {type: test-source, width: 160, height: 120}
  nowhere: {type: null-sink}
links: [picture.video -> nowhere]
";

#[test]
fn a_pipeline_is_created_looked_at_changed_and_ended() {
    let server = Running::start("");
    let created = server.create(PATTERN).expect(201);
    assert_eq!(created.header("location"), Some("/api/v1/pipelines/pattern"));
    let view = created.json();
    assert_eq!(view["id"], "pattern");
    assert_eq!(view["spec"]["nodes"]["picture"]["type"], "test-source");
    assert!(
        view["plan"]["links"].is_object() && view["yaml"].as_str().unwrap().contains("picture"),
        "{view}"
    );

    let list = server.get("/api/v1/pipelines").expect(200).json();
    assert_eq!(list["pipelines"][0]["id"], "pattern");
    let one = server.get("/api/v1/pipelines/pattern").expect(200).json();
    assert_eq!((&one["state"], &one["elements"]), (&json!("running"), &json!(2)));
    let stats = server.get("/api/v1/pipelines/pattern/stats").expect(200).json();
    assert!(stats["elements"]["picture"].is_object() && stats["dropped"].is_number(), "{stats}");

    let more = PATTERN.replace(
        "links: [picture.video -> nowhere]",
        "  also: {type: null-sink}\nlinks: [picture.video -> nowhere, picture.video -> also]",
    );
    let change = Request::new("PATCH", "/api/v1/pipelines/pattern").body("application/yaml", more);
    let changed = change.send(server.address).expect(200).json();
    assert_eq!(changed["elements"], 3);
    let ended = server.delete("/api/v1/pipelines/pattern").expect(200).json();
    assert_eq!(ended["finalised"], true, "{ended}");
    server.get("/api/v1/pipelines/pattern").expect_problem(404, "no-such-pipeline");
}

#[test]
fn json_is_as_good_as_yaml_and_names_are_given_to_the_nameless() {
    let server = Running::start("");
    let description = json!({
        "elements": {
            "picture": { "type": "test-source", "width": 160, "height": 120 },
            "nowhere": { "type": "null-sink" },
        },
        "links": ["picture.video -> nowhere"],
    });
    let body = description.to_string();
    let first =
        server.post("/api/v1/pipelines", "application/json; charset=utf-8", body.clone()).expect(201).json();
    let second = server.post("/api/v1/pipelines", "", body).expect(201).json();
    assert_ne!(first["id"], second["id"]);
    server.create(PATTERN).expect(201);
    server.create(PATTERN).expect_problem(409, "name-taken");
}

#[test]
fn the_graph_is_drawn_in_every_form() {
    let server = Running::start("");
    server.create(PATTERN).expect(201);
    let cases = [
        ("?format=svg", "", "image/svg+xml", "<svg"),
        ("?format=dot", "", "text/vnd.graphviz", "digraph"),
        ("?format=mermaid", "", "text/vnd.mermaid", "flowchart"),
        ("?format=json", "", "application/json", "\"nodes\""),
        ("?format=yaml", "", "application/yaml", "elements:"),
        ("", "application/json", "application/json", "\"nodes\""),
        ("", "*/*", "image/svg+xml", "<svg"),
    ];
    for (query, accept, kind, text) in cases {
        let path = format!("/api/v1/pipelines/pattern/graph{query}");
        let answer = Request::new("GET", &path).header("Accept", accept).send(server.address).expect(200);
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{query} {accept}");
        assert!(answer.text().contains(text), "{query}: {}", answer.text());
    }
    server.get("/api/v1/pipelines/pattern/graph?format=png").expect_problem(400, "bad-request");
}

#[test]
fn all_mistakes_come_at_once_and_with_their_places() {
    let server = Running::start("");
    let wrong = "elements:\n  a: {type: test-sorce}\n  b: {type: null-sink, nonsense: 1}\nlinks: [a -> c]\n";
    let problem = server.create(wrong).expect_problem(422, "invalid-description");
    let diagnostics = problem["diagnostics"].as_array().unwrap();
    let codes: Vec<&str> = diagnostics.iter().filter_map(|d| d["code"].as_str()).collect();
    for code in ["G0102", "G0201", "G0302"] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    assert!(diagnostics.iter().all(|d| d["line"].is_number() && d["file"] == "description"), "{problem}");
    let checked = server.post("/api/v1/check", "application/yaml", wrong).expect(200).json();
    assert_eq!(checked["diagnostics"], problem["diagnostics"]);
    assert_eq!((&checked["valid"], &checked["plan"]), (&json!(false), &Value::Null));
    let checked = server.post("/api/v1/check", "application/yaml", PATTERN).expect(200).json();
    assert!(checked["valid"] == true && checked["plan"]["links"].is_object(), "{checked}");
    for broken in ["", "{", "elements: [", "\u{feff}", "- 1", "elements: {a: {type: webrtc}}\nlinks: 7"] {
        server.create(broken).expect_problem(422, "invalid-description");
    }
    server
        .post("/api/v1/pipelines", "application/yaml", b"\xff\xfe".to_vec())
        .expect_problem(400, "bad-request");
    server.post("/api/v1/pipelines", "image/png", "x").expect_problem(415, "unsupported-media-type");
}

#[test]
fn a_change_that_is_wrong_leaves_everything_as_it_was() {
    let server = Running::start("");
    server.create(PATTERN).expect(201);
    let path = "/api/v1/pipelines/pattern";
    let patch = |body: &str| Request::new("PATCH", path).body("application/yaml", body).send(server.address);
    patch("elements: {a: {type: nothing}}").expect_problem(422, "invalid-description");
    let view = server.get(path).expect(200).json();
    assert_eq!((&view["elements"], &view["state"]), (&json!(2), &json!("running")));
    Request::new("PATCH", "/api/v1/pipelines/none")
        .send(server.address)
        .expect_problem(404, "no-such-pipeline");
}

#[test]
fn properties_are_set_and_commands_sent() {
    let server = Running::start("");
    server.create(PATTERN).expect(201);
    let element = "/api/v1/pipelines/pattern/elements/picture";
    let put = |property: &str, value: &str| {
        let path = format!("{element}/properties/{property}");
        Request::new("PUT", &path).body("application/json", value).send(server.address)
    };
    assert_eq!(put("width", "320").expect(200).json()["properties"]["width"], 320);
    put("width", "\"wide\"").expect_problem(422, "invalid-description");
    put("nothing", "1").expect_problem(422, "invalid-description");
    put("width", "{").expect_problem(400, "bad-request");
    assert_eq!(server.get(element).expect(200).json()["type"], "test-source");
    server.get("/api/v1/pipelines/pattern/elements/none").expect_problem(404, "no-such-element");
    let command = |name: &str, body: &str| {
        server.post(&format!("{element}/commands/{name}"), "application/json", body.to_owned())
    };
    let refused = command("dance", "{}").expect_problem(422, "invalid-command");
    assert_eq!(refused["cause"], "unknown-command");
    command("dance", "[1]").expect_problem(400, "bad-request");
}

#[test]
fn what_is_not_there_is_said_as_a_problem() {
    let server = Running::start("");
    server.get("/nothing").expect_problem(404, "not-found");
    server.get("/api/v2/pipelines").expect_problem(404, "not-found");
    Request::new("PUT", "/api/v1/pipelines").send(server.address).expect_problem(405, "method-not-allowed");
    server.get("/api/v1/elements/none").expect_problem(404, "not-found");
    server.get("/api/v1/pipelines/%ff/stats").expect_problem(400, "bad-request");
    server.delete("/api/v1/pipelines/a?mode=gently").expect_problem(400, "bad-request");
    server.create(&PATTERN.replace("name: pattern", "name: a/b")).expect_problem(400, "bad-request");
    let page = server.get("/problems/no-such-pipeline").expect(200).json();
    assert_eq!(page["status"], 404);
}

#[test]
fn the_server_says_what_it_has() {
    let server = Running::start("");
    assert_eq!(server.get("/health").expect(200).json()["status"], "ok");
    assert_eq!(server.get("/ready").expect(200).json()["status"], "ready");
    let types = server.get("/api/v1/elements").expect(200).json();
    assert!(types["elements"].as_array().unwrap().iter().any(|t| t["name"] == "recorder"));
    assert_eq!(server.get("/api/v1/elements/player").expect(200).json()["role"], "source");
    assert!(server.get("/api/v1/schema").expect(200).json()["properties"]["elements"].is_object());
    let about = server.get("/api/v1/server").expect(200).json();
    assert_eq!(about["token"]["scopes"], json!(["observe", "control", "publish", "play"]));
}

#[test]
fn limits_are_answered_with_their_own_problems() {
    let server = Running::start("[limits]\npipelines = 2\nelements = 5\n");
    let named = |name: &str| PATTERN.replace("name: pattern", &format!("name: {name}"));
    server.create(&named("a")).expect(201);
    let big = named("b").replace("links:", "  c: {type: null-sink}\n  d: {type: null-sink}\nlinks:");
    let limit = server.create(&big).expect_problem(503, "element-limit");
    assert_eq!(limit["limit"], 5);
    server.create(&named("b")).expect(201);
    server.create(&named("c")).expect_problem(503, "pipeline-limit");
    server.delete("/api/v1/pipelines/a?mode=abort").expect(200);
    server.create(&named("c")).expect(201);
}

#[test]
fn standing_pipelines_run_before_the_server_is_ready_and_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, film) = (folder.path().join("stand.yaml"), folder.path().join("film.webm"));
    let text = format!(
        "elements:\n  p: {{type: test-source, width: 160, height: 120}}\n  r: {{type: recorder, location: {}}}\n\
         links: [p -> r]\n",
        film.display()
    );
    std::fs::write(&file, text).unwrap();
    let server = Running::start(&format!(
        "pipelines = [{:?}]\n[limits]\nrequests_per_second = 1000000\nrequest_burst = 1000000\n",
        file.display().to_string()
    ));
    while server.get("/ready").status != 200 {
        std::thread::yield_now();
    }
    loop {
        let stats = server.get("/api/v1/pipelines/stand/stats").expect(200).json();
        if stats["elements"]["r"]["inputs"]["video"]["frames"].as_u64().is_some_and(|frames| frames >= 30) {
            break;
        }
    }
    let outcomes = server.stop();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes[0].0, "stand");
    assert!(std::fs::metadata(&film).unwrap().len() > 1000);
    // A Matroska file whose length is known was finalised.
    let bytes = std::fs::read(&film).unwrap();
    assert!(bytes.windows(2).any(|w| w == [0x44, 0x89]), "no duration in the file");
}
