//! People before a green cloth, with exact truth.

use anabranch_kit::registry;
use gst_video::{VideoFrame, VideoFrameRef};

use super::*;

anabranch_kit::filter_tests!(
    super::Chroma,
    background = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/magic-mirror.jpg")
);

const HAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png");
const WIDTH: usize = 160;
const HEIGHT: usize = 120;
const CLOTHES: [u8; 3] = [200, 60, 50];

/// How much of a pixel somebody covers: a disc in the middle.
fn cover(x: usize, y: usize) -> f32 {
    (36.0 - (x as f32 - 79.5).hypot(y as f32 - 64.5) + 0.5).clamp(0.0, 1.0)
}

/// The scene in RGB: a cloth that is lit unevenly, with noise, and somebody on whom it throws green light.
fn scene(x: usize, y: usize) -> [u8; 3] {
    let light = 0.75 + 0.25 * (x as f32 / WIDTH as f32);
    let grain = ((x * 31 + y * 17) % 7) as f32 - 3.0;
    let cloth = [30.0 * light + grain, 170.0 * light + grain, 60.0 * light + grain];
    let part = cover(x, y);
    std::array::from_fn(|i| (f32::from(CLOTHES[i]) * part + cloth[i] * (1.0 - part)).clamp(0.0, 255.0) as u8)
}

/// The scene as a frame of a format, through GStreamer's own conversion.
fn frame(format: VideoFormat) -> (gst::Buffer, VideoInfo) {
    gst::init().unwrap();
    let rgba = VideoInfo::builder(VideoFormat::Rgba, WIDTH as u32, HEIGHT as u32).build().unwrap();
    let mut bytes = Vec::with_capacity(WIDTH * HEIGHT * 4);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let [r, g, b] = scene(x, y);
            bytes.extend([r, g, b, 255]);
        }
    }
    (convert(&gst::Buffer::from_slice(bytes), &rgba, format), info(format))
}

fn info(format: VideoFormat) -> VideoInfo {
    VideoInfo::builder(format, WIDTH as u32, HEIGHT as u32).build().unwrap()
}

fn convert(buffer: &gst::Buffer, from: &VideoInfo, to: VideoFormat) -> gst::Buffer {
    let sample = gst::Sample::builder().buffer(buffer).caps(&from.to_caps().unwrap()).build();
    let caps = info(to).to_caps().unwrap();
    let limit = Some(gst::ClockTime::from_seconds(10));
    gst_video::convert_sample(&sample, &caps, limit).unwrap().buffer_owned().unwrap()
}

/// Runs the filter on some of the frames and returns the last one as RGBA.
fn run(params: &Params, format: VideoFormat) -> Vec<u8> {
    let (buffer, info) = frame(format);
    let mut filter = Chroma::new(params, &info).unwrap();
    let mut last = buffer.clone();
    for number in 0..3 {
        let mut copy = buffer.copy_deep().unwrap();
        copy.make_mut();
        let mut mapped = VideoFrame::from_buffer_writable(copy, &info).unwrap();
        filter.process(params, &mut Frame::new(&mut mapped, None, number), &mut Context::default()).unwrap();
        last = mapped.into_buffer();
    }
    let rgba = convert(&last, &info, VideoFormat::Rgba);
    let out = self::info(VideoFormat::Rgba);
    let frame = VideoFrameRef::from_buffer_ref_readable(&rgba, &out).unwrap();
    frame.plane_data(0).unwrap().to_vec()
}

#[test]
fn the_cloth_is_black_and_the_person_as_before() {
    for format in Chroma::FORMATS {
        let picture = run(&Params { calibration_frames: 2, ..Params::default() }, *format);
        let (mut edge_error, mut edges) = (0.0, 0);
        for (at, pixel) in picture.as_chunks::<4>().0.iter().enumerate() {
            let (x, y) = (at % WIDTH, at / WIDTH);
            let part = cover(x, y);
            let near = |d: f32| {
                let distance = 36.0 - (x as f32 - 79.5).hypot(y as f32 - 64.5);
                if d > 0.0 { distance > d } else { distance < d }
            };
            if near(4.0) {
                let same = pixel.iter().zip(CLOTHES).all(|(a, b)| a.abs_diff(b) < 14);
                assert!(same, "{format:?} {x} {y}: {pixel:?}");
            } else if near(-4.0) {
                assert!(pixel[..3].iter().all(|v| *v < 12), "{format:?} {x} {y}: {pixel:?}");
            } else {
                // What is left of the red tells the opacity.
                edge_error += (f32::from(pixel[0]) / f32::from(CLOTHES[0]) - part).abs();
                edges += 1;
                let green = i32::from(pixel[1]) - i32::from(pixel[0].max(pixel[2]));
                assert!(green < 30, "{format:?} {x} {y}: green light is left: {pixel:?}");
            }
        }
        let mean = edge_error / edges as f32;
        assert!(mean < 0.15, "{format:?}: the edge is wrong by {mean}");
    }
}

#[test]
fn the_background_is_shown_and_taken_away_live() {
    let (buffer, info) = frame(VideoFormat::Rgba);
    let mut params = Params { calibration_frames: 1, background: Some(HAT.into()), ..Params::default() };
    let mut filter = Chroma::new(&params, &info).unwrap();
    let shown = |filter: &mut Chroma, params: &Params| -> bool {
        let mut mapped = VideoFrame::from_buffer_writable(buffer.copy_deep().unwrap(), &info).unwrap();
        let mut frame = Frame::new(&mut mapped, None, 0);
        filter.process(params, &mut frame, &mut Context::default()).unwrap();
        // The cloth is black unless the hat is there.
        frame.rows(0).take(HEIGHT).any(|row| row[..4 * 8].as_chunks::<4>().0.iter().any(|p| p[..3].iter().any(|v| *v > 40)))
            || frame.rows(0).skip(HEIGHT - 12).any(|row| row.as_chunks::<4>().0.iter().any(|p| p[0] > 60 && p[1] > 60))
    };
    assert!(shown(&mut filter, &params), "loaded before the first frame");
    params.background = None;
    assert!(!shown(&mut filter, &params));
    let answer = filter.command("set-background", &json!({ "image": HAT }), &mut Context::default());
    assert_eq!(answer.unwrap(), json!({}));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !shown(&mut filter, &params) {
        assert!(std::time::Instant::now() < deadline, "it was never loaded");
        std::thread::yield_now();
    }
    filter.command("unset-background", &json!({}), &mut Context::default()).unwrap();
    assert!(!shown(&mut filter, &params));
    let error = filter.command("set-background", &json!({ "image": "/nowhere.png" }), &mut Context::default());
    assert!(error.unwrap_err().text.contains("/nowhere.png"));
    assert!(filter.command("set-background", &json!({}), &mut Context::default()).is_err());
    assert!(filter.command("dance", &json!({}), &mut Context::default()).is_err());
}

#[test]
fn a_grey_region_is_refused_with_a_remedy() {
    gst::init().unwrap();
    let info = info(VideoFormat::Rgba);
    let buffer = gst::Buffer::from_mut_slice([120u8, 120, 120, 255].repeat(WIDTH * HEIGHT));
    let mut mapped = VideoFrame::from_buffer_writable(buffer, &info).unwrap();
    let params = Params { calibration_frames: 1, ..Params::default() };
    let mut filter = Chroma::new(&params, &info).unwrap();
    let error = filter.process(&params, &mut Frame::new(&mut mapped, None, 0), &mut Context::default());
    assert!(error.unwrap_err().to_string().contains("command 'calibrate'"));
}

#[test]
fn it_looks_as_approved() {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let element = gst::ElementFactory::make("abchroma")
        // The green bar of the test picture.
        .property("calibration", r#"{"x": 72, "y": 10, "width": 14, "height": 40}"#)
        .property("calibration-frames", 1i64)
        .property("background", HAT)
        .property("budget-ms", 20_000u32)
        .build()
        .unwrap();
    let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 160, 120, 1);
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/chroma.png");
    anabranch_kit::testing::check_golden(&samples[0], golden, 0.5);
}
