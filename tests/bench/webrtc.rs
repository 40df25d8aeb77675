//! Echoes of a real Chromium: how soon the first picture is there, how old pictures are, how fast Chromium publishes;
//! over both transports, and the same with Janus's EchoTest in the same run, in turn. Prints Markdown.
//!
//! Needs what the browser tests need, and Debian's `janus`; without it the comparison is left out. Arguments: `--quick`,
//! and which parts: `first`, `ages`, `rates`, `cpu`; none: all.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anabranch_harness::browser::{Scenario, face_clip, hat};
use anabranch_harness::process::cpu_seconds;
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const TRANSPORTS: [&str; 2] = ["webrtcbin", "native"];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let asked: Vec<&String> = words.iter().filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| *word == part);
    let folder = tempfile::tempdir()?;
    let bench = Bench::start(folder.path(), quick)?;
    if wanted("first") {
        bench.first()?;
    }
    if wanted("ages") {
        bench.ages()?;
    }
    if wanted("rates") {
        bench.rates()?;
    }
    if wanted("cpu") {
        bench.cpu()?;
    }
    bench.server.stop(Duration::from_secs(20))?;
    Ok(())
}

/// What is measured, and with what.
struct Bench {
    server: Served,
    janus: Option<Janus>,
    clip: String,
    quick: bool,
}

impl Bench {
    fn start(folder: &Path, quick: bool) -> Result<Self> {
        let root = anabranch_harness::binary::project_root();
        let server = Served::start(&format!("[webrtc]\nloopback = true\n[files]\nread = [{root:?}]\n"))?;
        let janus = Janus::start(folder)?;
        if janus.is_none() {
            eprintln!("Janus is not installed (apt-get install janus): it is left out");
        }
        for transport in TRANSPORTS {
            for (kind, through) in [("pass", ""), ("transcode", "plain -> "), ("mirror", "mirror -> ")] {
                pipeline(&server, &format!("{kind}-{transport}"), transport, through)?;
            }
        }
        Ok(Self { server, janus, clip: face_clip()?.display().to_string(), quick })
    }

    /// Our pipelines of these kinds over both transports, and Janus.
    fn targets(&self, kinds: &[&str]) -> Vec<Value> {
        let names = TRANSPORTS.iter().flat_map(|t| kinds.iter().map(move |k| format!("{k}-{t}")));
        let url = |name: &str| format!("{}/whip/{name}/peer", self.server.url());
        let ours = names.map(|name| json!({"name": name, "kind": "whip", "url": url(&name)}));
        let theirs = self.janus.iter().map(|j| json!({"name": "janus", "kind": "janus", "url": j.url}));
        ours.chain(theirs).collect()
    }

    fn repeats(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    fn first(&self) -> Result<()> {
        let runs = if self.quick { 5 } else { 50 };
        println!(
            "### First picture: from POSTing the offer to the first decoded frame, {runs} runs each, in turn\n"
        );
        println!("| echo | median ms | p90 ms |\n|---|---|---|");
        let result = scenario("first", self.targets(&["pass", "transcode"]), runs).run()?;
        for (name, values) in rows(&result) {
            let values = numbers(values);
            println!("| {name} | {:.0} | {:.0} |", part(&values, 0.5), part(&values, 0.9));
        }
        Ok(())
    }

    fn ages(&self) -> Result<()> {
        println!("\n### Glass to glass: age of a picture when it is shown, 640x480, 30 fps\n");
        println!("| echo | source | median ms | p90 ms | unreadable |\n|---|---|---|---|---|");
        for (kinds, source) in [(["pass", "transcode"], "canvas"), (["pass", "mirror"], "face")] {
            let scenario = scenario("ages", self.targets(&kinds), self.repeats());
            let result = scenario.option("source", source).option("camera", &*self.clip).run()?;
            for (name, stretches) in rows(&result) {
                let each = || stretches.as_array().into_iter().flatten();
                let ages: Vec<f64> = each().flat_map(|stretch| numbers(&stretch["ages"])).collect();
                let unread: f64 = each().filter_map(|stretch| stretch["unread"].as_f64()).sum();
                println!(
                    "| {name} | {source} | {:.0} | {:.0} | {unread} |",
                    part(&ages, 0.5),
                    part(&ages, 0.9)
                );
            }
        }
        Ok(())
    }

    fn rates(&self) -> Result<()> {
        println!(
            "\n### What Chromium publishes: 640x480, 30 fps, grain, in the fifth second after it is connected\n"
        );
        println!("| echo | sent kbit/s | may send kbit/s |\n|---|---|---|");
        let scenario = scenario("rates", self.targets(&["pass", "transcode"]), self.repeats());
        for (name, series) in rows(&scenario.option("source", "noise").run()?) {
            let each = || series.as_array().into_iter().flatten();
            let fifth = |field: &str| -> Vec<f64> { each().filter_map(|s| s[4][field].as_f64()).collect() };
            println!("| {name} | {:.0} | {:.0} |", part(&fifth("sent"), 0.5), part(&fifth("may"), 0.5));
        }
        Ok(())
    }

    fn cpu(&self) -> Result<()> {
        println!("\n### The server's CPU during one echo, 640x480, 30 fps\n");
        println!("| echo | % of a core |\n|---|---|");
        for target in self.targets(&["pass", "transcode", "mirror"]) {
            let id = match &self.janus {
                Some(janus) if target["kind"] == "janus" => janus.child.id(),
                _ => self.server.id(),
            };
            let frames = if self.quick { 90 } else { 300 };
            let before = cpu_seconds(id)?;
            let one = scenario("ages", vec![target.clone()], 1).option("frames", frames).option("settle", 60);
            one.option("source", "face").option("camera", &*self.clip).run()?;
            // Two echoes, the one that warms up and the one that counts; the browser's start does not load the server.
            let seconds = 2.0 * f64::from(frames + 60) / 30.0;
            let share = 100.0 * (cpu_seconds(id)? - before) / seconds;
            println!("| {} | {share:.1} |", target["name"].as_str().unwrap_or_default());
        }
        Ok(())
    }
}

fn scenario(measure: &str, targets: Vec<Value>, runs: usize) -> Scenario {
    Scenario::new("bench")
        .option("measure", measure)
        .option("targets", targets)
        .option("runs", runs)
        .option("frames", 240)
        .limit(Duration::from_secs(900))
}

/// A pipeline with one peer whose video goes back to it, through what is named.
fn pipeline(server: &Served, name: &str, transport: &str, through: &str) -> Result<()> {
    let mut description = json!({
        "name": name,
        "elements": {
            "peer": {"type": "webrtc", "transport": transport},
            "plain": {"type": "image-overlay", "image": hat(), "width": 0.05},
            "mirror": {"type": "face-overlay", "image": hat()},
        },
        "links": [format!("peer.video -> {through}peer.video")],
    });
    let elements = description["elements"].as_object_mut().context("no elements")?;
    elements.retain(|id, _| id == "peer" || through.starts_with(id.as_str()));
    let out = Command::new("curl")
        .args(["-sS", "--fail-with-body", "-H", "Content-Type: application/json", "-d"])
        .arg(description.to_string())
        .arg(format!("{}/api/v1/pipelines", server.url()))
        .output()?;
    if !out.status.success() {
        bail!("{name}: {}\n{}", String::from_utf8_lossy(&out.stdout), server.log());
    }
    Ok(())
}

/// A Janus that runs with EchoTest alone, on 127.0.0.1.
struct Janus {
    child: Child,
    url: String,
}

impl Janus {
    /// None if it is not installed.
    fn start(folder: &Path) -> Result<Option<Self>> {
        if !Path::new("/usr/bin/janus").exists() {
            return Ok(None);
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let plugins = others("/usr/lib/x86_64-linux-gnu/janus/plugins", "libjanus_echotest.so");
        let transports = others("/usr/lib/x86_64-linux-gnu/janus/transports", "libjanus_http.so");
        std::fs::write(
            folder.join("janus.jcfg"),
            format!(
                "general: {{ debug_level = 2 }}\nmedia: {{ ipv6 = false }}\nnat: {{ ice_enforce_list = \"127.0.0.1\" }}\n\
                 plugins: {{ disable = \"{plugins}\" }}\ntransports: {{ disable = \"{transports}\" }}\n"
            ),
        )?;
        std::fs::write(
            folder.join("janus.transport.http.jcfg"),
            format!(
                "general: {{ json = \"compact\" base_path = \"/janus\" http = true port = {port} ip = \"127.0.0.1\" \
                 https = false }}\nadmin: {{ admin_http = false }}\ncors: {{ allow_origin = \"*\" }}\n"
            ),
        )?;
        let child = Command::new("/usr/bin/janus")
            .arg("-F")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let janus = Self { child, url: format!("http://127.0.0.1:{port}/janus") };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                bail!("Janus does not listen");
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(Some(janus))
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The names of the modules in a folder, but for one.
fn others(folder: &str, but: &str) -> String {
    let entries = std::fs::read_dir(PathBuf::from(folder)).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    names.filter(|n| n.ends_with(".so") && n != but).collect::<Vec<_>>().join(",")
}

fn rows(result: &Value) -> impl Iterator<Item = (&String, &Value)> {
    result.as_object().into_iter().flatten()
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// The value below which that part of the values lies.
fn part(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get(((sorted.len() as f64 * part) as usize).min(last)).copied().unwrap_or(f64::NAN)
}
