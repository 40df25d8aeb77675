//! One declaration makes a filter known everywhere: `anabranch list`, the plugin as `gst-inspect-1.0` sees it, the
//! server's list, the schema, the examples.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anabranch_graph::catalog::{ElementDescriptor, Role};
use anabranch_harness::binary::{Anabranch, project_root};
use anabranch_harness::serve::Served;
use anyhow::{Context, Result, ensure};
use gstanabranchfilters as _;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// What the crate of filters declares.
fn declared() -> Vec<ElementDescriptor> {
    gst::init().unwrap();
    let all = anabranch_kit::registry::catalog();
    let filters: Vec<_> = all.iter().filter(|d| d.role == Role::Filter).cloned().collect();
    assert!(filters.len() >= 5, "{} filters", filters.len());
    filters
}

fn names(descriptors: &[ElementDescriptor]) -> BTreeSet<String> {
    descriptors.iter().map(|d| d.name.clone()).collect()
}

#[test]
fn anabranch_list_has_all_of_them() -> Result<()> {
    let declared = declared();
    let listed = Anabranch::new(["list", "--json"]).finish()?.expect_code(0)?;
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout)?;
    for filter in &declared {
        let entry = listed.iter().find(|e| e["name"] == filter.name.as_str());
        let entry = entry.with_context(|| format!("{} is not listed", filter.name))?;
        assert_eq!(*entry, serde_json::to_value(filter)?, "all that is declared, and nothing else");
    }
    let table = Anabranch::new(["list"]).finish()?.expect_code(0)?;
    // Long cells go on in the next line.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(&table.stdout);
    for filter in &declared {
        assert!(table.stdout.contains(&format!("  {} ", filter.name)), "{}", filter.name);
        assert!(said.contains(&words(&filter.summary)), "{}", filter.summary);
    }
    Ok(())
}

/// The plugins that have filters.
const PLUGINS: [&str; 2] = ["anabranchfilters", "anabranchelements"];

/// A plugin's shared library, which cargo builds beside the tests.
fn library(plugin: &str) -> Result<PathBuf> {
    let deps = std::env::current_exe()?.parent().context("no folder")?.to_owned();
    let file = deps.join(format!("libgst{plugin}.so"));
    ensure!(file.exists(), "{} is missing", file.display());
    Ok(file)
}

#[test]
fn gst_inspect_sees_all_of_them_in_the_plugin() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for plugin in PLUGINS {
        std::fs::copy(library(plugin)?, folder.path().join(format!("libgst{plugin}.so")))?;
    }
    let inspect = |what: &str| -> Result<String> {
        let out = Command::new("gst-inspect-1.0")
            .arg(what)
            .env("GST_PLUGIN_PATH", folder.path())
            .env("GST_REGISTRY", folder.path().join("registry.bin"))
            .output()?;
        ensure!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    };
    let listed = format!("{}{}", inspect(PLUGINS[0])?, inspect(PLUGINS[1])?);
    for filter in declared() {
        ensure!(listed.contains(&format!("  {}: ", filter.factory)), "{} in {listed}", filter.factory);
        let page = inspect(&filter.factory)?;
        for property in &filter.properties {
            let name = property.name.replace('_', "-");
            let is_its = |line: &str| {
                line.strip_prefix("  ").is_some_and(|l| l.split([' ', ':']).next() == Some(&name))
            };
            ensure!(page.lines().any(is_its), "{} {name} in {page}", filter.name);
        }
        for layout in filter.ports.iter().flat_map(|port| &port.layouts) {
            ensure!(page.contains(layout), "{} {layout} in {page}", filter.name);
        }
    }
    Ok(())
}

#[test]
fn the_server_lists_all_of_them() -> Result<()> {
    let served = Served::start("")?;
    let to: SocketAddr = served.url().trim_start_matches("http://").parse()?;
    let mut stream = TcpStream::connect_timeout(&to, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET /api/v1/elements HTTP/1.0\r\nHost: {to}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the head")?;
    ensure!(head.starts_with("HTTP/1.0 200") || head.starts_with("HTTP/1.1 200"), "{head}");
    let listed: Value = serde_json::from_str(body)?;
    let listed = listed["elements"].as_array().context("a list")?;
    for filter in declared() {
        let entry = listed.iter().find(|e| e["name"] == filter.name.as_str());
        let entry = entry.with_context(|| format!("the server does not list {}", filter.name))?;
        assert_eq!(*entry, serde_json::to_value(&filter)?);
    }
    served.stop(LIMIT)?;
    Ok(())
}

#[test]
fn each_of_them_has_an_example_that_other_tests_run() -> Result<()> {
    let mut shown = BTreeSet::new();
    for entry in std::fs::read_dir(project_root().join("pipelines"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path)?;
            for filter in declared() {
                let uses = |line: &str| {
                    let line = line.trim().trim_start_matches("- ");
                    line == format!("type: {}", filter.name)
                        || line.contains(&format!("{{type: {},", filter.name))
                        || line.contains(&format!("type: {}}}", filter.name))
                };
                if text.lines().any(uses) {
                    shown.insert(filter.name);
                }
            }
        }
    }
    // `pipelines.rs` runs these under the leak tracer.
    // It changes nothing: there is nothing to show.
    shown.insert("pass-through".to_owned());
    assert_eq!(names(&declared()).difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new());
    Ok(())
}
