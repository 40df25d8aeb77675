//! The command line, the server, and filters in Python.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anabranch_harness::binary::{Anabranch, path, project_root};
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::scene::wait_for_end;

fn new_filter(folder: &std::path::Path, template: &str) -> Result<String> {
    let name = format!("my-{template}");
    let done = Command::new(path()?)
        .args(["new-filter", &name, "--python", template])
        .current_dir(folder)
        .output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

#[test]
fn every_template_is_short_and_works() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (template, option) in [("blobs", ""), ("edges", " mode=inline"), ("tracker", "")] {
        let file = new_filter(folder.path(), template)?;
        let lines = std::fs::read_to_string(folder.path().join(&file))?.lines().count();
        ensure!(lines < 40, "{file} has {lines} lines");
        let line = format!("test-source frames=60 -> python-filter file={file}{option} -> null-sink");
        let done = Anabranch::run(line).current_dir(folder.path()).finish()?.expect_code(0)?;
        let troubles: Vec<_> = done.events_named("filter-trouble").collect();
        ensure!(troubles.is_empty(), "{template}: {troubles:?}");
    }
    Ok(())
}

#[test]
fn show_lists_the_parameters_of_a_file() -> Result<()> {
    let file = project_root().join("pipelines/python-filter.py");
    let run = |more: &[&str]| -> Result<String> {
        let done = Command::new(path()?).args(["show", "--python"]).arg(&file).args(more).output()?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?)
    };
    let page = run(&[])?;
    ensure!(page.contains("threshold") && page.contains("a whole number from 0 to 255"), "{page}");
    let json: Value = serde_json::from_str(&run(&["--json"])?)?;
    ensure!(json["params"][0]["max"] == 255.0, "{json}");
    let done = Command::new(path()?).args(["show", "--python", "/none.py"]).output()?;
    ensure!(done.status.code() == Some(2), "{done:?}");
    Ok(())
}

/// The numbers of the workers that a process has started.
fn workers_of(parent: u32) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{parent}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for pid in children.split_whitespace() {
            let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if line.contains("anabranch.worker") {
                found.push(pid.parse()?);
            }
        }
    }
    Ok(found)
}

#[test]
fn a_worker_dies_with_the_program() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let text = "from anabranch import Event, Filter\nclass Stuck(Filter):\n    \
                def process(self, frame):\n        \
                if frame.number == 0:\n            yield Event('here')\n            return\n        \
                while True: pass\n";
    std::fs::write(folder.path().join("stuck.py"), text)?;
    let line = "test-source -> python-filter file=stuck.py hang_ms=600000 -> null-sink";
    let mut running = Anabranch::run(line).current_dir(folder.path()).spawn()?;
    running.wait_for(Duration::from_secs(30), |event| event["name"] == "here")?;
    let workers = workers_of(running.id())?;
    ensure!(workers.len() == 1, "{workers:?}");
    running.signal("KILL")?;
    wait_for_end(workers[0]);
    Ok(())
}

/// Asks a server for a pipeline with a filter: status and body.
fn create(served: &Served, properties: &Value) -> Result<(u16, String)> {
    let mut filter = json!({"type": "python-filter"});
    for (name, value) in properties.as_object().context("properties")? {
        filter[name] = value.clone();
    }
    let body = json!({
        "elements": {"in": {"type": "test-source"}, "filter": filter, "out": {"type": "null-sink"}},
        "links": ["in -> filter -> out"],
    })
    .to_string();
    let to = served.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = body.len();
    write!(
        stream,
        "POST /api/v1/pipelines HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no answer")?;
    Ok((status, text))
}

#[test]
fn clients_of_a_server_cannot_choose_what_is_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for name in ["filters", "open", "films"] {
        std::fs::create_dir(folder.path().join(name))?;
        std::fs::copy(
            project_root().join("pipelines/python-filter.py"),
            folder.path().join(name).join("blobs.py"),
        )?;
    }
    let at = |name: &str| folder.path().join(name).join("blobs.py").display().to_string();
    let files = format!("[files]\nread = ['{0}/open']\nwrite = ['{0}/films']\n", folder.path().display());
    // Whoever may read and write files may not run them.
    let served = Served::start(&files)?;
    for name in ["filters", "open", "films"] {
        let (status, text) = create(&served, &json!({"file": at(name)}))?;
        ensure!(status == 403 && text.contains("files.code"), "{name}: {text}");
    }
    served.stop(Duration::from_secs(30))?;
    let code = format!("{files}code = ['{0}/filters', '{0}/films']\n", folder.path().display());
    let served = Served::start(&code)?;
    for (properties, words) in [
        (json!({"file": at("open")}), "does not lie below the folders with filters"),
        (json!({"file": at("films")}), "nothing there is run"),
        (json!({"file": "../open/blobs.py"}), "does not lie below the folders with filters"),
        (json!({"file": at("filters"), "python": "/bin/sh"}), "clients may not name programs"),
    ] {
        let (status, text) = create(&served, &properties)?;
        ensure!(status == 403 && text.contains(words), "{properties}: {text}");
    }
    for file in [at("filters"), "blobs.py".to_owned()] {
        let (status, text) = create(&served, &json!({"file": file, "params": {"threshold": 180}}))?;
        ensure!(status == 201, "{file}: {text}");
    }
    served.stop(Duration::from_secs(30))?;
    Ok(())
}

#[test]
fn the_package_passes_its_own_tests() -> Result<()> {
    let file = project_root().join("elements/python/package/tests/test_package.py");
    let python = gstanabranchpython::program::find("python3");
    let done = Command::new(python).arg(file).env("PYTHONDONTWRITEBYTECODE", "1").output()?;
    let text = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success() && text.contains("OK"), "{text}");
    Ok(())
}
