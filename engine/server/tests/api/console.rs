//! The console's files, and pictures of outputs.

use crate::client::Request;
use crate::server::Running;

const PATTERN: &str = "
name: pattern
elements:
  picture: {type: test-source, width: 160, height: 120}
  nowhere: {type: null-sink}
links: [picture.video -> nowhere]
";
const PICTURE: &str = "/api/v1/pipelines/pattern/elements/picture/picture";

#[test]
fn the_console_needs_no_token_and_nothing_else_than_itself() {
    let server = Running::start(
        "[[tokens]]\nname = \"one\"\ntoken = \"0123456789abcdef0123456789abcdef\"\nscopes = [\"observe\"]\n",
    );
    let page = server.get("/").expect(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").is_some_and(|p| p.starts_with("default-src 'none'")));
    let program = server.get("/console/main.js").expect(200);
    assert_eq!(program.header("content-type"), Some("text/javascript; charset=utf-8"));
    let tag = program.header("etag").unwrap();
    let again = Request::new("GET", "/console/main.js").header("If-None-Match", tag).send(server.address);
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert!(server.get("/console/webrtc-loopback.yaml").expect(200).text().contains("type: webrtc"));
    server.get("/console/../Cargo.toml").expect_problem(404, "not-found");
    server.get("/api/v1/pipelines").expect_problem(401, "unauthorized");
}

#[test]
fn a_picture_is_made_while_somebody_asks_and_stays_out_of_the_description() {
    let server = Running::start("");
    server.create(PATTERN).expect(201);
    let path = "/api/v1/pipelines/pattern/events";
    let mut events = Request::new("GET", path).header("Accept", "text/event-stream").open(server.address);
    events.head();
    // Nothing is made before; the first answer may be that it is on its way.
    let first = server.get(PICTURE);
    assert!([200, 204].contains(&first.status), "{}", first.text());
    events.event_where(|e| e["name"] == "snapshot-taken");
    let picture = server.get(PICTURE).expect(200);
    assert_eq!(picture.header("content-type"), Some("image/jpeg"));
    assert!(picture.body.starts_with(&[0xff, 0xd8, 0xff]), "that is no JPEG");
    let view = server.get("/api/v1/pipelines/pattern").expect(200).json();
    let helper = view["pictures"][0].as_str().unwrap().to_owned();
    assert_eq!(view["spec"]["nodes"][&helper]["type"], "snapshot");
    assert!(!view["yaml"].as_str().unwrap().contains(&helper), "{view}");
    // A second one who asks shares it; a new description takes it out, and the next one who asks gets it back.
    server.get(&format!("{PICTURE}?port=video")).expect(200);
    let change = Request::new("PATCH", "/api/v1/pipelines/pattern").body("application/yaml", PATTERN);
    assert_eq!(change.send(server.address).expect(200).json()["elements"], 2);
    let again = server.get(PICTURE);
    assert!([200, 204].contains(&again.status), "{}", again.text());
    server.get(&format!("{PICTURE}?port=audio")).expect_problem(404, "not-found");
    server.get("/api/v1/pipelines/pattern/elements/nobody/picture").expect_problem(404, "no-such-element");
    server.get("/api/v1/pipelines/pattern/elements/nowhere/picture").expect_problem(404, "not-found");
}
