//! Who may do what, and what clients may name.

use std::net::TcpListener;

use anabranch_engine::Engine;
use anabranch_server::{App, Config, ServeError, Server};
use serde_json::Value;

use crate::client::Request;
use crate::server::Running;

const TOKENS: &str = r#"
[[tokens]]
name = "all"
token = "the-token-for-everything"
scopes = ["observe", "control", "publish", "play"]

[[tokens]]
name = "viewer"
token = "the-token-for-viewers"
scopes = ["observe", "play"]

[[tokens]]
name = "one"
token = "the-token-for-camera-1"
scopes = ["observe", "control", "publish"]
pipelines = ["camera-1", "mine-*"]
"#;

fn pattern(name: &str) -> String {
    format!(
        "name: {name}\nelements:\n  p: {{type: test-source, width: 160, height: 120}}\n  n: {{type: null-sink}}\n\
         links: [p.video -> n]\n"
    )
}

/// The document's operations: method, path with parameters filled in, whether a token is needed.
fn operations(server: &Running) -> Vec<(String, String, bool)> {
    let document = server.get("/api/openapi.json").expect(200).json();
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.split('/').map(|p| if p.starts_with('{') { "x" } else { p }).collect::<Vec<_>>();
            all.push((method.to_uppercase(), path.join("/"), operation["security"].is_array()));
        }
    }
    all
}

#[test]
fn without_a_token_there_is_nothing_but_health() {
    let server = Running::start(TOKENS);
    let all = operations(&server);
    assert!(all.len() > 25, "{all:?}");
    for (method, path, guarded) in all {
        let request = Request::new(&method, &path);
        let answer = request.send(server.address);
        assert_eq!(answer.status == 401, guarded, "{method} {path}: {}", answer.status);
        if guarded {
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            answer.expect_problem(401, "unauthorized");
            for wrong in ["the-token-for-everythin", "the-token-for-everything2", "", "Bearer"] {
                request.clone().token(wrong).send(server.address).expect_problem(401, "unauthorized");
            }
        }
    }
    let basic =
        Request::new("GET", "/api/v1/pipelines").header("Authorization", "Basic dTpw").send(server.address);
    basic.expect_problem(401, "unauthorized");
}

#[test]
fn scopes_and_pipelines_limit_a_token() {
    let server = Running::start(TOKENS);
    let send = |method: &str, path: &str, token: &str, body: &str| {
        Request::new(method, path).token(token).body("application/yaml", body).send(server.address)
    };
    let (all, viewer, one) = ("the-token-for-everything", "the-token-for-viewers", "the-token-for-camera-1");
    let pipelines = "/api/v1/pipelines";
    send("POST", pipelines, viewer, &pattern("a")).expect_problem(403, "forbidden");
    send("POST", pipelines, one, &pattern("a")).expect_problem(403, "forbidden");
    let nameless = pattern("a").replace("name: a\n", "");
    send("POST", pipelines, one, &nameless).expect_problem(403, "forbidden");
    send("POST", pipelines, all, &pattern("a")).expect(201);
    send("POST", pipelines, one, &pattern("camera-1")).expect(201);
    send("POST", pipelines, one, &pattern("mine-2")).expect(201);
    let seen = |token: &str| -> Vec<String> {
        let list = send("GET", pipelines, token, "").expect(200).json();
        let list = list["pipelines"].as_array().unwrap().clone();
        list.iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(seen(viewer), ["a", "camera-1", "mine-2"]);
    assert_eq!(seen(one), ["camera-1", "mine-2"]);
    send("GET", "/api/v1/pipelines/camera-1/stats", one, "").expect(200);
    // Whether it is there is not said either.
    for foreign in ["a", "none"] {
        let path = format!("{pipelines}/{foreign}");
        send("GET", &path, one, "").expect_problem(403, "forbidden");
        send("DELETE", &path, one, "").expect_problem(403, "forbidden");
        send("PATCH", &path, one, "").expect_problem(403, "forbidden");
        send("POST", &format!("/whip/{foreign}/p"), one, "").expect_problem(403, "forbidden");
        send("GET", &format!("{path}/events"), one, "").expect_problem(403, "forbidden");
    }
    send("DELETE", "/api/v1/pipelines/a", viewer, "").expect_problem(403, "forbidden");
    send("POST", "/whip/a/p", viewer, "").expect_problem(403, "forbidden");
    send("POST", "/whep/camera-1/p", one, "").expect_problem(403, "forbidden");
    let query = format!("/api/v1/events?access_token={all}");
    Request::new("GET", &query).send(server.address).expect_problem(401, "unauthorized");
    let mut stream = Request::new("GET", &query).header("Accept", "text/event-stream").open(server.address);
    assert_eq!(stream.head().status, 200, "browsers send no headers with event streams");
}

#[test]
fn it_listens_elsewhere_only_with_a_token_or_the_flag() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::new().unwrap();
        let open = Config { listen: "0.0.0.0:0".parse().unwrap(), ..Config::default() };
        let bind = |config: Config| Server::bind(App::new(engine.clone(), config));
        let error = bind(open.clone()).await.err().unwrap();
        assert!(matches!(error, ServeError::Insecure(_)), "{error}");
        assert!(error.to_string().contains("--insecure-listen"), "{error}");
        assert!(bind(Config { listen: "[::]:0".parse().unwrap(), ..open.clone() }).await.is_err());
        assert!(bind(Config { insecure_listen: true, ..open.clone() }).await.is_ok());
        let tokens = Config::parse("/t.toml".as_ref(), TOKENS).unwrap().tokens;
        assert!(bind(Config { tokens, ..open }).await.is_ok());
    });
}

#[test]
fn pages_of_other_origins_and_other_names_of_the_host_are_refused() {
    let server =
        Running::start("[browser]\norigins = [\"https://good.example\"]\nhosts = [\"media.local\"]\n");
    let own = format!("http://{}", server.address);
    let with = |name: &str, value: &str| {
        Request::new("GET", "/api/v1/pipelines").header(name, value).send(server.address)
    };
    for good in [own.as_str(), "https://good.example", "http://localhost:3000", "http://127.0.0.1:5500"] {
        with("Origin", good).expect(200);
    }
    for bad in [
        "https://evil.example",
        "null",
        "https://good.example.evil.org",
        "http://good.example",
        "http://127.0.0.1.evil.org",
        "",
    ] {
        with("Origin", bad).expect_problem(403, "origin-not-allowed");
    }
    for good in ["127.0.0.1", "localhost:1", "[::1]:8", "media.local", "MEDIA.local:9"] {
        with("Host", good).expect(200);
    }
    for bad in ["evil.example", "evil.example:8888", "127.0.0.1.evil.org", "localhost.evil.org"] {
        with("Host", bad).expect_problem(421, "host-not-allowed");
    }
    let preflight = Request::new("OPTIONS", "/api/v1/pipelines")
        .header("Origin", "https://good.example")
        .header("Access-Control-Request-Method", "POST")
        .send(server.address)
        .expect(204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://good.example"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
    let shown = with("Origin", "https://good.example");
    assert!(shown.header("access-control-expose-headers").unwrap().contains("Location"));
    Request::new("OPTIONS", "/api/v1/pipelines")
        .header("Origin", "https://evil.example")
        .header("Access-Control-Request-Method", "POST")
        .send(server.address)
        .expect_problem(403, "origin-not-allowed");
}

#[test]
fn what_clients_may_not_name_is_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("media")).unwrap();
    std::fs::write(root.join("secret.mp4"), "x").unwrap();
    std::os::unix::fs::symlink(root.join("secret.mp4"), root.join("media/link.mp4")).unwrap();
    let config = format!("[files]\nread = [\"{0}/media\"]\nwrite = [\"{0}/media\"]\n", root.display());
    let server = Running::start(&config);
    // Nobody may come to this address.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let trapped = format!("http://{}/a.mp4", trap.local_addr().unwrap());
    let bad = [
        "/etc/passwd",
        "file:///etc/passwd",
        "../../../etc/passwd",
        "FILE:///etc/passwd",
        "secret.mp4",
        "../secret.mp4",
        "link.mp4",
        "/proc/self/environ",
        "http://localhost/",
        "http://169.254.169.254/",
        "http://[::1]/",
        "http://0/",
        "rtsp://1.1.1.1/",
        "udp://127.0.0.1:1",
        "ftp://1.1.1.1/",
        trapped.as_str(),
    ];
    for uri in bad {
        let description = format!(
            "elements:\n  p: {{type: player, uri: {}}}\n  n: {{type: null-sink}}\nlinks: [p -> n]\n",
            Value::from(uri)
        );
        let problem = server.create(&description).expect_problem(403, "not-allowed-by-policy");
        let refused = &problem["refused"][0];
        assert_eq!((&refused["element"], &refused["property"]), (&"p".into(), &"uri".into()), "{problem}");
        assert_eq!(refused["line"], 2, "{problem}");
        server.post("/api/v1/check", "", description).expect_problem(403, "not-allowed-by-policy");
    }
    for location in ["/etc/x.webm", "../x.webm", "http://1.1.1.1/x", "/dev/null", "link.mp4"] {
        let description = format!(
            "elements:\n  p: {{type: test-source}}\n  r: {{type: recorder, location: {location}}}\nlinks: [p -> r]\n"
        );
        server.create(&description).expect_problem(403, "not-allowed-by-policy");
    }
    let good = "name: good\nelements:\n  p: {type: test-source, width: 160, height: 120}\n  r: {type: recorder, location: new.webm}\nlinks: [p -> r]\n";
    let view = server.create(good).expect(201).json();
    let place = root.join("media/new.webm").to_string_lossy().into_owned();
    assert_eq!(view["spec"]["nodes"]["r"]["properties"]["location"], place.as_str());
    // Neither by a change, nor by a property.
    let changed = good.replace("new.webm", "/etc/x.webm");
    let patch = Request::new("PATCH", "/api/v1/pipelines/good").body("application/yaml", changed);
    patch.send(server.address).expect_problem(403, "not-allowed-by-policy");
    Request::new("PUT", "/api/v1/pipelines/good/elements/r/properties/location")
        .body("application/json", "\"/etc/x.webm\"")
        .send(server.address)
        .expect_problem(403, "not-allowed-by-policy");
    let came = trap.accept();
    assert!(came.is_err(), "somebody connected: {came:?}");
    server.delete("/api/v1/pipelines/good").expect(200);
}
