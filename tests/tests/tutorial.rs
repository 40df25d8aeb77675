//! `docs/tutorial.md`, as a reader follows it: every file that it shows is written, every `sh` block is run, in order and in
//! one shell. The filter in Rust is compiled into this test ([`veil`], held to be what the page shows) and run in a pipeline.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anabranch_engine::{Engine, OutcomeKind, graph::Document};
use anabranch_harness::binary::{path, project_root};
use anabranch_harness::oracle;
use anyhow::{Context, Result, ensure};
use gstanabranchelements as _;
use gstanabranchfilters as _;
use gstanabranchpython as _;

#[path = "tutorial/veil.rs"]
#[rustfmt::skip]
pub mod veil;

const FILM: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";

/// A block of the page: what stands behind the fence, and its lines.
struct Block {
    language: String,
    title: Option<String>,
    text: String,
}

fn page() -> Result<String> {
    std::fs::read_to_string(project_root().join("docs/tutorial.md")).context("docs/tutorial.md")
}

fn blocks(page: &str) -> Vec<Block> {
    let mut all = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace();
                open = Some(Block {
                    language: words.next().unwrap_or_default().to_owned(),
                    title: words.find_map(|word| word.strip_prefix("title=")).map(str::to_owned),
                    text: String::new(),
                });
            }
            (Some(_), Some(_)) => all.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    all
}

/// A folder that looks like the project to a reader, with an `out` of its own.
fn stage() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    let root = project_root();
    for name in ["pipelines", ".cache", "docs"] {
        std::os::unix::fs::symlink(root.join(name), folder.path().join(name))?;
    }
    // Installing the package writes into its folder: it gets a copy.
    let package = folder.path().join("elements/python");
    std::fs::create_dir_all(&package)?;
    let copied =
        Command::new("cp").arg("-r").arg(root.join("elements/python/package")).arg(&package).status()?;
    ensure!(copied.success(), "cannot copy the package");
    std::fs::create_dir_all(folder.path().join("target/release"))?;
    std::os::unix::fs::symlink(path()?, folder.path().join("target/release/anabranch"))?;
    std::fs::create_dir(folder.path().join("out"))?;
    Ok(folder)
}

/// The page's files and commands as one script.
fn script(blocks: &[Block]) -> String {
    let mut script =
        "set -eu\nserver=\ntrap '[ -z \"$server\" ] || kill $server 2>/dev/null || true' EXIT\n".to_owned();
    for (number, block) in blocks.iter().enumerate() {
        match (&block.title, block.language.as_str()) {
            (Some(title), language) if language != "rust" => {
                let end = format!("END_OF_FILE_{number}");
                script.push_str(&format!("cat > {title} <<'{end}'\n{}{end}\n", block.text));
            }
            (None, "sh") => script.push_str(&format!("echo '== block {number}' >&2\n{}", block.text)),
            _ => {}
        }
    }
    script
}

#[test]
fn heavy_every_block_of_the_page_works() -> Result<()> {
    let stage = stage()?;
    let blocks = blocks(&page()?);
    ensure!(blocks.iter().filter(|b| b.language == "sh").count() >= 8, "where are the blocks?");
    let script = script(&blocks);
    let file = stage.path().join("tutorial.sh");
    std::fs::write(&file, &script)?;
    let done = Command::new("timeout").args(["300", "bash"]).arg(&file).current_dir(stage.path()).output()?;
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "{}\n{out}\n{err}", done.status);
    let read = |name: &str| std::fs::read_to_string(stage.path().join("out/tutorial").join(name));
    let crossed = read("events.jsonl")?.lines().filter(|line| line.contains("\"person-crossed\"")).count();
    ensure!((10..=80).contains(&crossed), "{crossed} people crossed the line");
    ensure!(read("events.jsonl")?.lines().all(|line| !line.contains("filter-trouble")));
    let seen = read("people.jsonl")?.lines().filter(|line| line.contains("\"label\":\"person\"")).count();
    ensure!(seen > 20, "{seen} events with people");
    ensure!(read("element.json")?.contains("0.6"), "{}", read("element.json")?);
    ensure!(read("report.html")?.contains("<html"));
    ensure!(read("found.jsonl")?.lines().count() == 200);
    Ok(())
}

#[test]
fn what_the_page_shows_is_short() -> Result<()> {
    for block in blocks(&page()?).iter().filter(|block| block.title.is_some()) {
        let lines = block.text.lines().filter(|line| !line.is_empty()).count();
        ensure!(lines < 40, "{:?} has {lines} lines", block.title);
    }
    Ok(())
}

#[test]
fn the_filter_in_rust_hides_people() -> Result<()> {
    let blocks = blocks(&page()?);
    let rust = blocks.iter().find(|block| block.language == "rust").context("no Rust")?;
    ensure!(
        rust.text == include_str!("tutorial/veil.rs"),
        "tests/tests/tutorial/veil.rs is not what the page shows"
    );
    let people = blocks.iter().find(|block| block.language == "python").context("no Python")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("people.py"), &people.text)?;
    let cut = Command::new("ffmpeg")
        .args(["-v", "error", "-i", FILM, "-frames:v", "120", "-c", "copy"])
        .arg(folder.path().join("first.avi"))
        .status()?;
    ensure!(cut.success(), "ffmpeg");
    let bright = brightness(folder.path(), "", "plain.webm")?;
    let veiled = brightness(folder.path(), "  veil: {type: veil, level: 255}\n", "veiled.webm")?;
    let lit = bright.iter().zip(&veiled).filter(|(a, b)| **b > **a + 0.5).count();
    ensure!(lit > bright.len() / 2, "{lit} of {} frames have paint on them", bright.len());
    Ok(())
}

/// The mean brightness of each of the film's first frames.
fn brightness(folder: &Path, veil: &str, name: &str) -> Result<Vec<f64>> {
    let film = folder.join(name);
    let text = format!(
        "name: tutorial\nelements:\n  camera: {{type: player, uri: {}, pace: fastest}}\n  \
         people: {{type: python-filter, file: {}, mode: inline, budget_ms: 0}}\n{veil}  \
         film: {{type: recorder, location: {}}}\nlinks:\n  - camera -> people -> {}film\n",
        folder.join("first.avi").display(),
        folder.join("people.py").display(),
        film.display(),
        if veil.is_empty() { "" } else { "veil -> " }
    );
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(async {
        let engine = Engine::new()?;
        let pipeline = engine.create(engine.check(&Document::yaml("tutorial.yaml", text))?)?;
        pipeline.start().await?;
        anyhow::Ok(tokio::time::timeout(Duration::from_secs(120), pipeline.wait()).await?)
    })?;
    ensure!(outcome.result == OutcomeKind::Done, "{outcome:?}");
    Ok(oracle::decode(&film)?.frames.iter().map(|frame| frame.brightness).collect())
}
