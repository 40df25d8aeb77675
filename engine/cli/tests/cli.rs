//! The binary as a person or a script uses it. Media is tested in `tests/`; here it is what the program says.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use anabranch_harness::binary::{Anabranch, project_root};

fn run(arguments: &[&str]) -> anabranch_harness::binary::Finished {
    Anabranch::new(arguments).current_dir(project_root()).finish().unwrap()
}

#[test]
fn every_command_has_help_with_an_example() {
    let help = run(&["--help"]).expect_code(0).unwrap().stdout;
    let commands = [
        "run",
        "serve",
        "check",
        "explain",
        "graph",
        "list",
        "show",
        "new-filter",
        "models",
        "eval",
        "doctor",
        "schema",
        "completions",
    ];
    for command in commands {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in --help:\n{help}");
        let own = run(&[command, "--help"]).expect_code(0).unwrap().stdout;
        assert!(own.contains("Example"), "{command} --help has no example:\n{own}");
    }
    let eval = run(&["eval", "--help"]).expect_code(0).unwrap().stdout;
    let words: Vec<&str> = eval.split_whitespace().collect();
    assert!(
        words.join(" ").contains("results.jsonl of --dump"),
        "eval takes more than a description:\n{eval}"
    );
}

#[test]
fn every_element_is_listed_and_shown() {
    let list = run(&["list"]).expect_code(0).unwrap().stdout;
    let json = run(&["list", "--json"]).expect_code(0).unwrap().stdout;
    let elements: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(!elements.is_empty());
    for element in elements {
        let name = element["name"].as_str().unwrap();
        assert!(list.contains(&format!("  {name} ")), "{name} is not in:\n{list}");
        let page = run(&["show", name]).expect_code(0).unwrap().stdout;
        for port in element["ports"].as_array().unwrap() {
            assert!(page.contains(port["name"].as_str().unwrap()), "{page}");
        }
        for property in element["properties"].as_array().unwrap() {
            assert!(page.contains(property["name"].as_str().unwrap()), "{page}");
        }
        assert!(page.lines().all(|l| l.chars().count() <= 200), "a long line in\n{page}");
        let shown: serde_json::Value =
            serde_json::from_str(&run(&["show", name, "--json"]).expect_code(0).unwrap().stdout).unwrap();
        assert_eq!(shown, element);
    }
}

#[test]
fn every_example_of_an_element_is_a_good_description() {
    let json = run(&["list", "--json"]).expect_code(0).unwrap().stdout;
    for element in serde_json::from_str::<Vec<serde_json::Value>>(&json).unwrap() {
        let example = element["example"].as_str().unwrap();
        if !example.is_empty() {
            run(&["check", example]).expect_code(0).unwrap();
        }
    }
}

#[test]
fn an_unknown_element_type_gets_a_hint() {
    let out = run(&["show", "test-sorce"]).expect_code(2).unwrap();
    assert!(out.stderr.contains("did you mean 'test-source'?"), "{}", out.stderr);
    assert_eq!(out.stdout, "");
}

#[test]
fn eight_mistakes_are_shown_at_once_with_their_lines() {
    let out = run(&["check", "engine/cli/tests/eight-mistakes.yaml"]).expect_code(2).unwrap();
    for (code, line) in [
        ("G0102", 5),
        ("G0201", 8),
        ("G0202", 9),
        ("G0203", 12),
        ("G0204", 13),
        ("G0105", 16),
        ("G0302", 19),
        ("G0303", 20),
    ] {
        assert!(out.stderr.contains(&format!("error[{code}]")), "{code} is missing in\n{}", out.stderr);
        assert!(
            out.stderr.contains(&format!("eight-mistakes.yaml:{line}:")),
            "line {line} is missing in\n{}",
            out.stderr
        );
    }
    assert!(out.stderr.contains("8 errors"), "{}", out.stderr);

    let json =
        run(&["check", "--format", "json", "engine/cli/tests/eight-mistakes.yaml"]).expect_code(2).unwrap();
    let found: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).unwrap();
    let lines: Vec<u64> = found.iter().filter_map(|d| d["line"].as_u64()).collect();
    assert_eq!(lines, [5, 8, 9, 12, 13, 16, 19, 20]);
    assert_eq!(json.stderr, "");
}

#[test]
fn several_descriptions_are_checked_in_one_go() {
    let out = run(&["check", "test-source -> null-sink", "no-such-file.yaml", "nonsense -> null-sink"]);
    let out = out.expect_code(2).unwrap();
    assert_eq!(out.stdout, "test-source -> null-sink: ok\n");
    assert!(out.stderr.contains("cannot read no-such-file.yaml: No such file"), "{}", out.stderr);
    assert!(out.stderr.contains("G0102"), "{}", out.stderr);
}

#[test]
fn a_wrong_description_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let out =
        Anabranch::run("test-source width=none -> null-sink").arg("--report").arg(&report).finish().unwrap();
    let out = out.expect_code(2).unwrap();
    assert_eq!(out.stdout, "");
    assert!(out.stderr.contains("G0202"), "{}", out.stderr);
}

#[test]
fn set_changes_a_property_before_the_check() {
    let good = [
        "run",
        "test-source width=none -> null-sink",
        "--set",
        "test-source.width=64",
        "--duration",
        "100ms",
    ];
    run(&good).expect_code(0).unwrap();
    let typo =
        run(&["run", "test-source -> null-sink", "--set", "test-sorce.width=64"]).expect_code(2).unwrap();
    assert!(typo.stderr.contains("did you mean `test-source`?"), "{}", typo.stderr);
    let form = run(&["run", "test-source -> null-sink", "--set", "width=64"]).expect_code(2).unwrap();
    assert!(form.stderr.contains("ID.PROPERTY=VALUE"), "{}", form.stderr);
    let range =
        run(&["run", "test-source -> null-sink", "--set", "test-source.width=-64"]).expect_code(2).unwrap();
    assert!(range.stderr.contains("G0203"), "{}", range.stderr);
}

#[test]
fn a_run_tells_events_and_writes_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let out =
        Anabranch::run("test-source frames=30 -> null-sink").arg("--report").arg(&report).finish().unwrap();
    let out = out.expect_code(0).unwrap();
    assert_eq!(out.events.len(), out.stdout.lines().count(), "stdout has events only:\n{}", out.stdout);
    let states: Vec<&str> = out.events_named("state-changed").filter_map(|e| e["state"].as_str()).collect();
    assert_eq!(states.first(), Some(&"starting"));
    assert_eq!(states.last(), Some(&"stopped"));
    let numbers: Vec<u64> = out.events.iter().filter_map(|e| e["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=out.events.len() as u64).collect::<Vec<_>>());

    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(report["result"], "done");
    assert_eq!(report["stats"]["elements"]["null-sink"]["inputs"]["video"]["frames"], 30);
    assert!(report["plan"]["nodes"]["null-sink"].is_object());
}

#[test]
fn a_report_that_cannot_be_written_is_bad_input() {
    let out = run(&["run", "test-source frames=1 -> null-sink", "--report", "/nowhere/report.json"]);
    let out = out.expect_code(2).unwrap();
    assert!(out.stderr.contains("/nowhere/report.json"), "{}", out.stderr);
}

#[test]
fn a_duration_ends_an_endless_run_and_a_time_limit_fails_it() {
    let endless = "test-source pace=realtime -> null-sink";
    let out = run(&["run", endless, "--duration", "300ms"]).expect_code(0).unwrap();
    assert!(out.took < Duration::from_secs(20));
    let out = run(&["run", endless, "--time-limit", "300ms"]).expect_code(4).unwrap();
    assert!(out.stderr.contains("time limit"), "{}", out.stderr);
    run(&["run", endless, "--duration", "3 parsecs"]).expect_code(2).unwrap();
}

#[test]
fn ctrl_c_drains() {
    let mut running = Anabranch::run("test-source pace=realtime -> null-sink").spawn().unwrap();
    let limit = Duration::from_secs(20);
    running.wait_for(limit, |e| e["state"] == "running").unwrap();
    running.signal("INT").unwrap();
    running.wait_for(limit, |e| e["state"] == "stopped").unwrap();
    let out = running.finish(limit).unwrap().expect_code(0).unwrap();
    assert!(out.stderr.contains("Ctrl-C again stops at once"), "{}", out.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = Anabranch::new(["list", "--json"])
        .command()
        .unwrap()
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success());
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]).expect_code(0).unwrap().stdout;
        assert!(script.contains("anabranch"), "{shell}");
    }
}

#[test]
fn the_doctor_knows_every_element_and_says_what_to_do() {
    let out = run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&out.stdout).unwrap();
    assert!(found["gstreamer"].as_str().unwrap().contains("1."));
    assert!(found["elements"].as_array().unwrap().iter().any(|e| e["name"] == "test-source"));
    let missing = found["missing"].as_array().unwrap();
    assert_eq!(out.code, Some(i32::from(!missing.is_empty())));
    assert!(missing.iter().all(|m| m["remedy"].as_str().is_some_and(|r| !r.is_empty())));
}

#[test]
fn models_are_listed_and_a_missing_one_names_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Anabranch::new(arguments).env("ANABRANCH_MODELS", folder.path()).finish().unwrap()
    };
    let list = run(&["models", "list"]).expect_code(0).unwrap().stdout;
    assert!(list.contains("retinaface-mnet025") && list.contains("MIT"), "{list}");
    let out = run(&["models", "verify", "retinaface-mnet025"]).expect_code(1).unwrap();
    assert!(out.stderr.contains("anabranch models install retinaface-mnet025"), "{}", out.stderr);
    run(&["models", "verify"]).expect_code(0).unwrap();
    run(&["models", "install", "no-such-model"]).expect_code(2).unwrap();
}

#[test]
fn the_schema_in_the_repository_is_the_catalogue_s() {
    let made = run(&["schema"]).expect_code(0).unwrap().stdout;
    let kept = std::fs::read_to_string(project_root().join("pipelines/schema.json")).unwrap();
    assert!(made == kept, "pipelines/schema.json is not what the catalogue says: make schema");
}

/// The page of the filters, with a picture after each heading for which there is one.
fn filters_page() -> String {
    let made = run(&["list", "--role", "filter", "--markdown"]).expect_code(0).unwrap().stdout;
    let introduction = "<!-- Made from the catalogue by `make pages`; a test holds it true. -->\n\n";
    let mut page = String::from(introduction);
    for line in made.lines() {
        page.push_str(line);
        page.push('\n');
        let picture = line.strip_prefix("## ").map(|name| format!("filters/{name}.jpg"));
        if let Some(picture) = picture.filter(|p| project_root().join("docs").join(p).exists()) {
            page.push_str(&format!("\n![{picture}]({picture})\n"));
        }
    }
    page
}

#[test]
fn the_page_of_the_filters_is_as_the_catalogue_says() {
    let path = project_root().join("docs/filters.md");
    let made = filters_page();
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == kept, "docs/filters.md is not what the catalogue says: make pages");
    for entry in std::fs::read_dir(project_root().join("docs/filters")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(made.contains(&format!("(filters/{name})")), "docs/filters/{name} shows no filter");
    }
}

/// A machine that has them already would hide that one is missing.
#[test]
fn what_installs_this_project_knows_the_packages_of_all_elements() {
    let script = project_root().join(".ci/install-packages");
    let listed = std::process::Command::new(script).arg("--list").output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let missing: Vec<_> = anabranch_graph::packages::debian_packages()
        .filter(|package| package.starts_with("gstreamer"))
        .filter(|package| !listed.split_whitespace().any(|word| word == *package))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_pipeline_is_a_good_description_with_a_header() {
    let mut count = 0;
    for entry in std::fs::read_dir(project_root().join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            count += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# "), "{} has no header comment", path.display());
            run(&["check", path.to_str().unwrap()]).expect_code(0).unwrap();
            let picture = run(&["graph", path.to_str().unwrap()]).expect_code(0).unwrap().stdout;
            assert!(picture.starts_with("<svg"), "{picture}");
        }
    }
    assert!(count >= 8);
}

#[test]
fn the_plan_says_where_media_is_transcoded_and_why() {
    let plan = |text: &str| run(&["explain", "--no-look", text]).expect_code(0).unwrap().stdout;
    let raw = plan("test-source -> recorder location=a.webm");
    assert!(raw.contains("vp8enc") && raw.contains("opusenc"), "{raw}");
    let none = plan("test-source -> null-sink");
    assert!(!none.contains("enc"), "{none}");
    let json = run(&["explain", "--json", "test-source -> null-sink"]).expect_code(0).unwrap().stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["nodes"]["null-sink"]["domain"], "null-sink");
    let page = run(&["explain", "g0201"]).expect_code(0).unwrap().stdout;
    assert!(page.starts_with("G0201: unknown property"), "{page}");
}

#[test]
fn a_graph_is_drawn_in_three_forms() {
    let folder = tempfile::tempdir().unwrap();
    let one_liner = "test-source -> null-sink";
    for (name, begin) in [("g.svg", "<svg"), ("g.dot", "digraph"), ("g.mmd", "flowchart")] {
        let path = folder.path().join(name);
        run(&["graph", one_liner, "-o", path.to_str().unwrap()]).expect_code(0).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(begin) && text.contains("null-sink"), "{text}");
    }
    run(&["graph", one_liner, "-o", "/nowhere/g.svg"]).expect_code(2).unwrap();
}

#[test]
fn a_new_filter_is_written_once_and_only_into_a_clone() {
    let folder = tempfile::tempdir().unwrap();
    let new = |name: &str| Anabranch::new(["new-filter", name]).current_dir(folder.path()).finish().unwrap();
    let out = new("wobble").expect_code(2).unwrap();
    assert!(out.stderr.contains("no clone of Anabranch"), "{}", out.stderr);
    std::fs::create_dir_all(folder.path().join("filters/src")).unwrap();
    std::fs::create_dir_all(folder.path().join("pipelines")).unwrap();
    let out = new("wobble").expect_code(0).unwrap();
    assert_eq!(out.stdout, "filters/src/wobble.rs\npipelines/wobble.yaml\n");
    assert!(folder.path().join("filters/src/wobble.rs").exists());
    let again = new("wobble").expect_code(2).unwrap();
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    new("Bad Name").expect_code(2).unwrap();
    new("face-overlay").expect_code(2).unwrap();
}

#[test]
fn a_path_that_cannot_be_read_is_bad_input() {
    for (argument, words) in
        [("nothing.yaml", "No such file"), ("/", "directory"), ("pipelines/hat.png", "not text")]
    {
        let out = run(&["check", argument]).expect_code(2).unwrap();
        assert!(out.stderr.contains(words), "{argument}: {}", out.stderr);
    }
}
