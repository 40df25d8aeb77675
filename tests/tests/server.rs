//! `anabranch serve` as its user runs it: over real sockets, with real files, to the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anabranch_harness::binary::Anabranch;
use anabranch_harness::oracle;
use anabranch_harness::process::Holdings;
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The longest that anything here may take.
const LIMIT: Duration = Duration::from_secs(30);

fn address(served: &Served) -> Result<SocketAddr> {
    Ok(served.url().trim_start_matches("http://").parse()?)
}

/// One request on a connection of its own: status and body.
fn ask(to: SocketAddr, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no answer")?;
    let (_, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    Ok((status, body.to_owned()))
}

fn json_of(answer: (u16, String), status: u16) -> Result<Value> {
    ensure!(answer.0 == status, "{} instead of {status}: {}", answer.0, answer.1);
    Ok(serde_json::from_str(&answer.1)?)
}

/// A web server that answers every request in the same way; whoever comes is counted.
fn web(answer: String) -> Result<(SocketAddr, std::sync::mpsc::Receiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (sender, came) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap_or(0);
            let line = String::from_utf8_lossy(&buffer[..read]).lines().next().unwrap_or_default().to_owned();
            sender.send(line).ok();
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    Ok((address, came))
}

#[test]
fn the_printed_configuration_is_taken_back() -> Result<()> {
    let printed = Anabranch::new(["serve", "--print-config"]).finish()?.expect_code(0)?;
    let served = Served::start(&printed.stdout)?;
    let health = json_of(ask(address(&served)?, "GET", "/health", "")?, 200)?;
    ensure!(health["status"] == "ok", "{health}");
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn what_cannot_be_served_is_said_before_anything_listens() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("server.toml");
    let open = Anabranch::new(["serve", "--listen", "0.0.0.0:0"]).finish()?.expect_code(2)?;
    ensure!(open.stderr.contains("--insecure-listen"), "{}", open.stderr);
    let cases = [
        ("listn = \"x\"", "listn"),
        ("[limits]\nbody_bytes = 0", "limits.body_bytes"),
        ("[tls]\ncert = \"none.pem\"\nkey = \"none.key\"", "none.pem"),
        ("[webrtc]\nnonsense = 1", "webrtc.nonsense"),
        ("pipelines = [\"none.yaml\"]", "none.yaml"),
        ("[files]\nread = [\"none\"]", "files.read[0]"),
    ];
    for (text, key) in cases {
        std::fs::write(&file, text)?;
        let serve = Anabranch::new(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file);
        let done = serve.finish()?.expect_code(2)?;
        ensure!(done.stderr.contains(key), "{text}: {}", done.stderr);
        ensure!(done.stdout.is_empty(), "{text}: {}", done.stdout);
    }
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let place = taken.local_addr()?.to_string();
    let done = Anabranch::new(["serve", "--listen", &place]).finish()?.expect_code(1)?;
    ensure!(done.stderr.contains(&place), "{}", done.stderr);
    Ok(())
}

#[test]
fn a_redirect_leads_nowhere_that_a_client_may_not_name() -> Result<()> {
    // A page that may be named sends on to one that may not.
    let (trap, trapped) = web("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned())?;
    let (page, asked) = web(format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{trap}/secret.mp4\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))?;
    let served = Served::start(&format!("[network]\nhosts = [\"{page}\"]\n"))?;
    let to = address(&served)?;
    let description = |uri: String| {
        json!({
            "name": "fetch",
            "elements": { "p": { "type": "player", "uri": uri }, "n": { "type": "null-sink" } },
            "links": ["p.video -> n"],
        })
        .to_string()
    };
    let refused = json_of(
        ask(to, "POST", "/api/v1/pipelines", &description(format!("http://{trap}/secret.mp4")))?,
        403,
    )?;
    ensure!(refused["code"] == "not-allowed-by-policy", "{refused}");
    json_of(ask(to, "POST", "/api/v1/pipelines", &description(format!("http://{page}/film.mp4")))?, 201)?;
    let line = asked.recv_timeout(LIMIT)?;
    ensure!(line.starts_with("GET /film.mp4 "), "{line}");
    let deadline = Instant::now() + LIMIT;
    let failure = loop {
        let history = json_of(ask(to, "GET", "/api/v1/pipelines/fetch/history", "")?, 200)?;
        let events = history["events"].as_array().context("no events")?;
        if let Some(failed) = events.iter().find(|e| e["event"] == "element-failed") {
            break failed.clone();
        }
        ensure!(Instant::now() < deadline, "no failure: {history}");
        std::thread::park_timeout(Duration::from_millis(20));
    };
    ensure!(failure["element"] == "p", "{failure}");
    ensure!(trapped.try_recv().is_err(), "the redirect was followed");
    served.wait_for_log("not connected", LIMIT)?;
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn a_stop_finalises_recordings_and_systemd_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("notify");
    let notified = UnixDatagram::bind(&socket)?;
    notified.set_read_timeout(Some(LIMIT))?;
    let said = || -> Result<String> {
        let mut buffer = [0; 256];
        let length = notified.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    let out = folder.path().canonicalize()?;
    let configuration = format!("[files]\nwrite = [\"{}\"]\n", out.display());
    let served = Served::start_with(&configuration, |command| {
        command.env("NOTIFY_SOCKET", &socket);
    })?;
    ensure!(said()? == "READY=1", "systemd was not told that it is ready");
    let to = address(&served)?;
    let description = json!({
        "name": "tape",
        "elements": {
            "p": { "type": "test-source", "width": 160, "height": 120, "fps": 30 },
            "r": { "type": "recorder", "location": "tape.webm" },
        },
        "links": ["p -> r"],
    });
    json_of(ask(to, "POST", "/api/v1/pipelines", &description.to_string())?, 201)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let stats = json_of(ask(to, "GET", "/api/v1/pipelines/tape/stats", "")?, 200)?;
        if stats["elements"]["r"]["inputs"]["video"]["frames"].as_u64().is_some_and(|n| n >= 30) {
            break;
        }
        ensure!(Instant::now() < deadline, "{stats}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    served.stop(LIMIT)?;
    ensure!(said()? == "STOPPING=1", "systemd was not told that it stops");
    let probe = oracle::probe(out.join("tape.webm"))?;
    ensure!(probe.duration.is_some_and(|d| d > 0.5), "the recording was not finalised: {probe:?}");
    Ok(())
}

#[test]
fn connections_are_encrypted_with_the_given_certificate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let served =
        Served::start(&format!("[tls]\ncert = \"{}\"\nkey = \"{}\"\n", cert.display(), key.display()))?;
    let url = served.url().replace("http://", "https://") + "/health";
    let curl = |trust: &[&str]| -> Result<(bool, String)> {
        let done = Command::new("curl").args(["-sS", "--max-time", "20"]).args(trust).arg(&url).output()?;
        Ok((done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned()))
    };
    let cert = cert.display().to_string();
    let (good, body) = curl(&["--cacert", &cert])?;
    ensure!(good && body.contains("\"ok\""), "{body} {}", served.log());
    ensure!(!curl(&[])?.0, "a certificate that nobody knows was trusted");
    let plain = ask(address(&served)?, "GET", "/health", "");
    ensure!(plain.is_err(), "{plain:?}");
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn a_message_of_100_mb_is_refused_and_forgotten() -> Result<()> {
    let served = Served::start("")?;
    let to = address(&served)?;
    // Plug-ins and threads that come with the first request are not what this is about.
    json_of(ask(to, "GET", "/health", "")?, 200)?;
    let before = Holdings::settled(served.id(), |_| true)?;
    let file = served.folder().join("large");
    std::fs::File::create(&file)?.set_len(100 << 20)?;
    for encoding in [&[][..], &["-H", "Transfer-Encoding: chunked"], &["-H", "Expect:"]] {
        let done = Command::new("curl")
            .args(["-sS", "--max-time", "30", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(encoding)
            .args(["-H", "Content-Type: application/yaml", "--data-binary"])
            .arg(format!("@{}", file.display()))
            .arg(format!("http://{to}/api/v1/pipelines"))
            .output()?;
        let status = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(status == "413" || !done.status.success(), "{encoding:?}: {status}");
    }
    json_of(ask(to, "GET", "/health", "")?, 200)?;
    let after = Holdings::settled(served.id(), |now| now.is_back_at(&before, 16 << 20))?;
    ensure!(after.is_back_at(&before, 16 << 20), "{before:?} {after:?}");
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn heavy_5000_idle_sockets_and_slow_heads_keep_nobody_out() -> Result<()> {
    let served =
        Served::start("[limits]\nconnections = 6000\nconnections_per_client = 5500\nheader_seconds = 20\n")?;
    let to = address(&served)?;
    let mut idle = Vec::with_capacity(5000);
    for number in 0..5000 {
        let mut stream = TcpStream::connect(to).with_context(|| format!("socket {number}"))?;
        if number % 2 == 0 {
            // A head that never ends.
            stream.write_all(b"GET /health HTTP/1.1\r\nX-Slow: ").ok();
        }
        idle.push(stream);
    }
    let began = Instant::now();
    for _ in 0..50 {
        json_of(ask(to, "GET", "/health", "")?, 200)?;
    }
    ensure!(began.elapsed() < Duration::from_secs(10), "50 requests took {:?}", began.elapsed());
    let created = json!({
        "name": "still",
        "elements": { "p": { "type": "test-source" }, "n": { "type": "null-sink" } },
        "links": ["p.video -> n"],
    });
    json_of(ask(to, "POST", "/api/v1/pipelines", &created.to_string())?, 201)?;
    let holdings = Holdings::of_process(served.id())?;
    println!("with 5,000 idle sockets: {holdings:?}");
    drop(idle);
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn a_standing_pipeline_that_fails_is_started_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("flaky.yaml");
    let film = folder.path().join("none.mp4");
    std::fs::write(&file, flaky(&film))?;
    let served = Served::start(&format!("pipelines = [{:?}]\n", file.display().to_string()))?;
    served.wait_for_log("started again in 2 s", LIMIT)?;
    let (status, body) = ask(address(&served)?, "GET", "/ready", "")?;
    ensure!(status == 503 || status == 200, "{body}");
    served.stop(LIMIT)?;
    Ok(())
}

/// A film that is not there.
fn flaky(film: &Path) -> String {
    format!(
        "elements:\n  film: {{type: player, uri: {}}}\n  nowhere: {{type: null-sink}}\nlinks: [film.video -> nowhere]\n",
        film.display()
    )
}
