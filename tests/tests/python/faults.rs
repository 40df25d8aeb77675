//! Every way to fail.

use serde_json::{Value, json};

use super::scene::{Scene, is_alive, wait_for_end};

/// Finds one thing in each frame.
const GOOD: &str = "class Good(Filter):\n    size = 160\n    def process(self, frame):\n        \
                    yield Detection('thing', 0.25, 0.25, 0.5, 0.5)\n";

/// The one trouble that there was.
fn only_trouble(scene: &Scene, reason: &str) -> Value {
    let troubles = scene.named("filter-trouble");
    assert_eq!(troubles.len(), 1, "{troubles:#?}");
    assert_eq!(troubles[0]["reason"], reason, "{troubles:#?}");
    assert_eq!(troubles[0]["filter"], "python-filter");
    troubles[0].clone()
}

/// Whether the newest frame has something with that label on it.
fn sees(label: &'static str) -> impl Fn(&Scene) -> bool {
    move |scene| scene.newest().is_some_and(|seen| seen.regions.iter().any(|region| region.label == label))
}

#[test]
fn a_killed_worker_is_started_anew() {
    let mut scene = Scene::new(GOOD, &[]);
    scene.looks(10);
    let first = scene.stat("worker-pid");
    assert!(is_alive(first));
    let killed = std::process::Command::new("kill").args(["-9", &first.to_string()]).status().unwrap();
    assert!(killed.success());
    scene.wait_for("filter-recovered");
    let trouble = only_trouble(&scene, "crash");
    assert!(trouble["detail"].as_str().unwrap().contains("SIGKILL"), "{trouble}");
    let second = scene.stat("worker-pid");
    assert!(second != first && is_alive(second));
    assert_eq!(scene.stat("restarts"), 1);
    scene.until("things again", sees("thing"));
    scene.end();
    wait_for_end(second);
}

#[test]
fn an_endless_loop_is_ended_and_its_place_is_told() {
    // After so many looks, not frames: a busy machine skips frames, and the first looks are waited for.
    let text = "class Stuck(Filter):\n    def process(self, frame):\n        \
                self.looks = getattr(self, 'looks', 0) + 1\n        \
                mark = __file__ + '.mark'\n        if self.looks > 30 and not os.path.exists(mark):\n            \
                open(mark, 'w').close()\n            while True:\n                pass\n        \
                yield Detection('thing', 0, 0, 1, 1)\n";
    let mut scene = Scene::new(text, &[("hang-ms", json!(1500))]);
    scene.looks(5);
    let first = scene.stat("worker-pid");
    scene.wait_for("filter-recovered");
    let trouble = only_trouble(&scene, "hang");
    let detail = trouble["detail"].as_str().unwrap();
    assert!(detail.contains("busy with one frame for 1.5 s"), "{detail}");
    assert!(detail.contains("my_filter.py") && detail.contains("in process"), "the traceback: {detail}");
    assert_eq!(scene.stat("restarts"), 1);
    wait_for_end(first);
    scene.end();
}

#[test]
fn an_exception_in_each_frame_is_told_once_and_a_saved_file_ends_it() {
    let text = "class Broken(Filter):\n    def process(self, frame):\n        \
                yield Detection('thing', 0, 0, 1, 1)\n        raise ValueError(f'no {frame.width}')\n";
    let mut scene = Scene::new(text, &[("rate", json!(0))]);
    let trouble = scene.wait_for("filter-trouble");
    scene.frames(90);
    assert_eq!(only_trouble(&scene, "error"), trouble);
    let detail = trouble["detail"].as_str().unwrap();
    assert!(detail.contains("Traceback") && detail.contains("ValueError: no 320"), "{detail}");
    assert!(detail.contains("line 9, in process"), "{detail}");
    assert!(scene.newest().unwrap().regions.is_empty(), "a frame that failed has no results");
    scene.save(GOOD);
    scene.wait_for("filter-recovered");
    assert_eq!(scene.named("filter-reloaded")[0]["class"], "Good");
    scene.until("things", sees("thing"));
    scene.end();
}

#[test]
fn a_gigabyte_is_refused_and_told_once() {
    let text = "class Greedy(Filter):\n    def process(self, frame):\n        \
                self.hoard = np.ones(1 << 30, np.uint8)\n";
    let mut scene = Scene::new(text, &[("memory-mb", json!(512))]);
    let trouble = scene.wait_for("filter-trouble");
    scene.frames(60);
    assert_eq!(only_trouble(&scene, "error"), trouble);
    let detail = trouble["detail"].as_str().unwrap();
    assert!(detail.contains("MemoryError") && detail.contains("in process"), "{detail}");
    let pid = scene.stat("worker-pid");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 512 * 1024, "{kilobytes} kB");
    scene.save(GOOD);
    scene.wait_for("filter-recovered");
    scene.end();
}

#[test]
fn results_that_are_not_valid_are_told_once_with_the_remedy() {
    for (yielded, words) in [
        ("Detection('thing', 120, 40, 50, 60)", "divide pixels by frame.width"),
        ("Detection('thing', float('nan'), 0, 1, 1)", "not finite"),
        ("42", "yield Detection, Event, Scalar or an array"),
        ("Event('Not A Name')", "small letters, digits and dashes"),
        ("Event('filter-recovered')", "belongs to the engine"),
        ("np.zeros((3, 3), np.uint8)", "it must be as frame.image"),
    ] {
        let text = format!("class Odd(Filter):\n    def process(self, frame):\n        yield {yielded}\n");
        let mut scene = Scene::new(&text, &[]);
        let trouble = scene.wait_for("filter-trouble");
        scene.frames(30);
        assert_eq!(only_trouble(&scene, "error"), trouble, "{yielded}");
        let detail = trouble["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{yielded}: {detail}");
        assert_eq!(scene.stat("restarts"), 0, "the worker itself is well");
        scene.end();
    }
}

#[test]
fn a_worker_that_cannot_start_is_told_and_a_saved_file_helps() {
    let mut scene = Scene::new("class Broken(Filter)\n    pass\n", &[]);
    let trouble = scene.wait_for("filter-trouble");
    assert_eq!(trouble["reason"], "start");
    assert!(trouble["detail"].as_str().unwrap().contains("SyntaxError"), "{trouble}");
    scene.frames(10);
    scene.save(GOOD);
    scene.wait_for("filter-recovered");
    scene.end();
}

#[test]
fn a_crash_at_every_start_has_pauses_that_grow() {
    let mut scene = Scene::new("os.kill(os.getpid(), 11)\n", &[]);
    scene.wait_for("filter-trouble");
    scene.frames(75);
    let trouble = only_trouble(&scene, "start");
    assert!(trouble["detail"].as_str().unwrap().contains("SIGSEGV"), "{trouble}");
    scene.save(GOOD);
    scene.wait_for("filter-recovered");
    scene.end();
}

#[test]
fn a_saved_file_that_does_not_load_leaves_the_version_before_at_work() {
    let mut scene = Scene::new(GOOD, &[]);
    scene.looks(5);
    let pid = scene.stat("worker-pid");
    scene.save("import no_such_module\n");
    let trouble = scene.wait_for("filter-trouble");
    assert_eq!(trouble["reason"], "reload");
    assert!(trouble["detail"].as_str().unwrap().contains("no_such_module"), "{trouble}");
    scene.looks(10);
    assert_eq!(scene.stat("worker-pid"), pid);
    scene.save(&GOOD.replace("'thing'", "'other'"));
    scene.wait_for("filter-reloaded");
    scene.until("the new label", sees("other"));
    wait_for_end(pid);
    scene.end();
}

#[test]
fn a_slow_filter_holds_nothing_up() {
    let text = "class Slow(Filter):\n    def process(self, frame):\n        time.sleep(0.3)\n        \
                yield Detection('thing', 0.25, 0.25, 0.5, 0.5)\n";
    let mut scene = Scene::new(text, &[("hold-ms", json!(2000))]);
    scene.looks(1);
    let (frames, looks, begun) = (scene.count(), scene.stat("analyses"), std::time::Instant::now());
    scene.frames(90);
    let took = begun.elapsed().as_secs_f64();
    // Frame by frame it would be 27 s.
    assert!(took < 9.0, "90 frames at 30 a second took {took} s");
    let looks = scene.stat("analyses") - looks;
    assert!(looks >= 3 && (looks as f64) < took / 0.3 + 3.0, "{looks} looks in {took} s");
    assert!(scene.named("filter-trouble").is_empty(), "slow is no trouble");
    let seen = scene.end();
    assert!(seen[frames + 10..].iter().all(|s| s.regions.len() == 1), "results are held between looks");
}
