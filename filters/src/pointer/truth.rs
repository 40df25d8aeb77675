//! A ball that goes through windows, with exact truth.

use anabranch_kit::gst_video::VideoFrame;
use anabranch_kit::registry;

use super::*;

anabranch_kit::filter_tests!(super::PointerDetector);

const WIDTH: usize = 160;
const HEIGHT: usize = 120;

/// A grey room with a blue ball.
fn room(ball: [f32; 2]) -> gst::Buffer {
    let mut bytes = Vec::with_capacity(WIDTH * HEIGHT * 4);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let inside = (x as f32 - ball[0]).hypot(y as f32 - ball[1]) <= 8.0;
            let grain = ((x * 37 + y * 61) % 9) as u8;
            let [r, g, b]: [u8; 3] = if inside { [30, 60, 200] } else { [130, 125, 120] };
            bytes.extend([r + grain, g + grain, b + grain, 255]);
        }
    }
    gst::Buffer::from_mut_slice(bytes)
}

fn window(id: &str, x: u32, y: u32) -> PointerWindow {
    PointerWindow { id: id.into(), x, y, width: 30, height: 30, ..PointerWindow::default() }
}

struct Bench {
    filter: PointerDetector,
    info: VideoInfo,
    number: u64,
}

impl Bench {
    fn new(params: &Params) -> Self {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Rgba, WIDTH as u32, HEIGHT as u32).build().unwrap();
        Bench { filter: PointerDetector::new(params, &info).unwrap(), info, number: 0 }
    }

    /// The events of one picture, with the windows that they are about, and the error if there was one.
    fn look(&mut self, params: &Params, ball: [f32; 2]) -> (Vec<String>, Result<(), FilterError>) {
        let mut mapped = VideoFrame::from_buffer_writable(room(ball), &self.info).unwrap();
        let pts = Some(gst::ClockTime::from_mseconds(40 * self.number));
        let mut ctx = Context::default();
        let done = self.filter.process(params, &mut Frame::new(&mut mapped, pts, self.number), &mut ctx);
        self.number += 1;
        let events = ctx.take_events().into_iter();
        (events.map(|(name, data)| format!("{name} {}", data["window"].as_str().unwrap_or_default())).collect(), done)
    }
}

#[test]
fn the_ball_goes_in_and_out() {
    let params = Params {
        calibration: Some(Rectangle { x: 12, y: 52, width: 16, height: 16 }),
        windows: vec![window("a", 50, 45), window("b", 110, 45)],
        ..Params::default()
    };
    let mut bench = Bench::new(&params);
    let mut told = Vec::new();
    for n in 0..70 {
        let x = 20.0 + 2.0 * n as f32;
        let (events, done) = bench.look(&params, [x, 60.0]);
        done.unwrap();
        told.extend(events.into_iter().map(|event| (event, x)));
    }
    let names: Vec<&str> = told.iter().map(|(event, _)| event.as_str()).collect();
    let expected = ["pointer-calibrated ", "window-in a", "window-out a", "window-in b", "window-out b"];
    assert_eq!(names, expected);
    // The middle is in from 50 to 80 and from 110 to 140; two looks, of two pixels each, make it sure.
    for ((_, x), border) in told[1..].iter().zip([50.0, 80.0, 110.0, 140.0]) {
        assert!((border..border + 5.0).contains(x), "{told:?}");
    }
}

#[test]
fn windows_come_and_go_by_command_and_property() {
    let mut params = Params {
        calibration: Some(Rectangle { x: 52, y: 52, width: 16, height: 16 }),
        calibrate_after_ms: -1,
        ..Params::default()
    };
    let mut bench = Bench::new(&params);
    let still = [60.0, 60.0];
    let mut ctx = Context::default();
    let add = json!({ "id": "a", "x": 45, "y": 45, "width": 30, "height": 30 });
    assert_eq!(bench.filter.command("add-window", &add, &mut ctx).unwrap(), json!({}));
    assert!((0..5).all(|_| bench.look(&params, still).0.is_empty()), "the colour is not known yet");
    bench.filter.command("calibrate", &json!({}), &mut ctx).unwrap();
    let events: Vec<String> = (0..4).flat_map(|_| bench.look(&params, still).0).collect();
    assert_eq!(events, ["pointer-calibrated ", "window-in a"]);
    assert!(bench.filter.command("add-window", &add, &mut ctx).unwrap_err().text.contains("'a' already"));
    let nameless = json!({ "x": 1, "y": 1, "width": 9, "height": 9 });
    assert!(bench.filter.command("add-window", &nameless, &mut ctx).unwrap_err().text.contains("wants an id"));
    bench.filter.command("remove-window", &json!({ "id": "a" }), &mut ctx).unwrap();
    assert_eq!(ctx.take_events().len(), 1, "the pointer was inside");
    assert!(bench.filter.command("remove-window", &json!({ "id": "a" }), &mut ctx).is_err());
    params.windows = vec![window("b", 50, 50), window("c", 0, 0)];
    let events: Vec<String> = (0..4).flat_map(|_| bench.look(&params, still).0).collect();
    assert_eq!(events, ["window-in b"]);
    bench.filter.command("clear-windows", &json!({}), &mut ctx).unwrap();
    assert_eq!(bench.filter.windows.len(), 0);
    // What cannot be is told, and the video goes on.
    params.windows = vec![window("b", 0, 0), window("b", 9, 9)];
    assert!(bench.look(&params, still).1.unwrap_err().to_string().contains("'b' is there twice"));
    bench.look(&params, still).1.unwrap();
    params.calibration = Some(Rectangle { x: 500, y: 500, width: 5, height: 5 });
    assert!(bench.look(&params, still).1.unwrap_err().to_string().contains("outside of the picture"));
}

#[test]
fn a_new_size_keeps_what_was_learnt() {
    let params = Params {
        calibration: Some(Rectangle { x: 52, y: 52, width: 16, height: 16 }),
        ..Params::default()
    };
    let mut bench = Bench::new(&params);
    bench.look(&params, [60.0, 60.0]).1.unwrap();
    let add = json!({ "id": "a", "x": 5, "y": 5, "width": 30, "height": 30 });
    bench.filter.command("add-window", &add, &mut Context::default()).unwrap();
    let mut new = PointerDetector::new(&params, &bench.info).unwrap();
    new.take_over(bench.filter);
    assert!(new.search.is_calibrated() && new.windows.len() == 1);
}

#[test]
fn who_is_in_a_window_stays_in_it_until_it_goes() {
    let mut params = Params {
        calibration: Some(Rectangle { x: 52, y: 52, width: 16, height: 16 }),
        windows: vec![window("a", 45, 45)],
        ..Params::default()
    };
    let mut bench = Bench::new(&params);
    let still = [60.0, 60.0];
    let events: Vec<String> = (0..4).flat_map(|_| bench.look(&params, still).0).collect();
    assert_eq!(events, ["pointer-calibrated ", "window-in a"]);
    // As for pictures of another size.
    let mut new = PointerDetector::new(&params, &bench.info).unwrap();
    new.take_over(bench.filter);
    bench.filter = new;
    assert!((0..4).all(|_| bench.look(&params, still).0.is_empty()), "it was told already");
    params.windows = vec![window("b", 0, 0)];
    assert_eq!(bench.look(&params, still).0, ["window-out a"]);
    let clear = json!({ "id": "c", "x": 1, "y": 1, "width": 9, "height": 9, "transparency": 2.0 });
    let refused = bench.filter.command("add-window", &clear, &mut Context::default()).unwrap_err();
    assert!(refused.text.contains("from 0 to 1"), "{}", refused.text);
}

#[test]
fn it_looks_as_approved() {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let hat = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png");
    let windows = json!([
        { "id": "magenta", "x": 85, "y": 20, "width": 50, "height": 40 },
        { "id": "hat", "x": 10, "y": 10, "width": 40, "height": 30, "image": hat, "transparency": 0.3 },
    ]);
    let element = gst::ElementFactory::make("abpointerdetector")
        // The magenta bar of the test picture.
        .property("calibration", r#"{"x": 94, "y": 10, "width": 14, "height": 40}"#)
        .property("windows", windows.to_string())
        .property("budget-ms", 20_000u32)
        .build()
        .unwrap();
    let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 160, 120, 4);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pointer-detector.png");
    anabranch_kit::testing::check_golden(&samples[3], golden, 0.5);
}
