//! Faces in real photos and films, if the model and the samples are installed.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anabranch_kit::gst_video::VideoInfo;
use anabranch_kit::inference::{self, Backend};
use anabranch_kit::regions::{self, Region};
use anabranch_kit::{message, registry};
use gst::prelude::*;
use gstanabranchfilters as _;

/// The file, or the reason why the test is skipped.
fn sample(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/samples")).join(name);
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn backends() -> Vec<&'static str> {
    if let Err(reason) = inference::check("retinaface-mnet025", Backend::Auto) {
        eprintln!("skipped: {reason}");
        return Vec::new();
    }
    let name = |b: Backend| if b == Backend::Ort { "ort" } else { "tract" };
    inference::backends().into_iter().map(name).collect()
}

/// Runs a pipeline whose sink is called `s`, in real time, until `enough` says so or half a minute is over, and
/// returns what `enough` saw: the faces of each frame.
fn watch(description: &str, mut enough: impl FnMut(&[Region], usize) -> bool) -> Vec<Vec<Region>> {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
    let (sender, frames) = std::sync::mpsc::channel();
    pipeline.by_name("s").unwrap().connect("handoff", false, move |args| {
        let buffer = args[1].get::<gst::Buffer>().unwrap();
        let caps = args[2].get::<gst::Pad>().unwrap().current_caps().unwrap();
        let info = VideoInfo::from_caps(&caps).unwrap();
        let _ = sender.send(regions::read(&buffer, info.width(), info.height()));
        None
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let Ok(faces) = frames.recv_timeout(left) else { break };
        let done = enough(&faces, seen.len());
        seen.push(faces);
        if done {
            break;
        }
    }
    let error = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(error.is_none(), "{error:?}");
    seen
}

#[test]
fn every_face_in_the_group_photos_is_found() {
    for (number, count) in [(1, 3), (2, 3), (3, 3), (4, 4), (5, 5), (6, 4)] {
        let Some(photo) = sample(&format!("sample{number}.jpg")) else { return };
        for backend in backends() {
            let seen = watch(
                &format!(
                    "filesrc location={} ! jpegdec ! imagefreeze ! video/x-raw,framerate=30/1 ! clocksync ! \
                     videoconvert ! abfacedetector backend={backend} hold-ms=5000 ! fakesink name=s signal-handoffs=true sync=false",
                    photo.display()
                ),
                // Video in real time does not wait for a look, which may take long where others compute.
                |faces, n| n >= 20 && !faces.is_empty(),
            );
            let last = seen.last().unwrap();
            assert_eq!(last.len(), count, "sample{number}.jpg with {backend}: {last:#?}");
            for face in last {
                assert_eq!((face.label.as_str(), face.keypoints.len()), ("face", 5));
                assert!(face.track.is_some() && face.score > 0.6);
                let [left, right, ..] = face.keypoints.as_slice() else { unreachable!() };
                assert!(left[0] < right[0], "the eye on the left comes first");
            }
        }
    }
}

#[test]
fn a_talking_man_keeps_his_number_and_does_not_jump() {
    let Some(film) = sample("carphone.mp4") else { return };
    for backend in backends() {
        let seen = watch(
            &format!(
                "filesrc location={} ! decodebin ! videoconvert ! clocksync ! \
                 abfacedetector backend={backend} ! fakesink name=s signal-handoffs=true sync=false",
                film.display()
            ),
            |_, n| n >= 110,
        );
        let first = seen.iter().position(|faces| !faces.is_empty()).unwrap();
        assert!(first <= 15, "the first face came with frame {first}");
        let with_face = seen[first..].iter().filter(|faces| faces.len() == 1).count();
        assert!(with_face * 100 >= (seen.len() - first) * 97, "{with_face} of {}", seen.len());
        let track = seen[first][0].track;
        let centres: Vec<(f32, f32)> = seen[first..]
            .iter()
            .flat_map(|faces| faces.iter().filter(|f| f.track == track).map(Region::centre))
            .collect();
        assert!(centres.len() * 100 >= with_face * 97, "it is the same face all along");
        let jump = centres.windows(2).map(|w| (w[1].0 - w[0].0).hypot(w[1].1 - w[0].1)).fold(0.0, f32::max);
        assert!(jump < 0.05, "moved by {jump} of the picture from one frame to the next");
    }
}

#[test]
fn an_overlay_uses_the_detector_upstream() {
    let Some(photo) = sample("sample1.jpg") else { return };
    let Some(backend) = backends().pop() else { return };
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    let hat = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png");
    let pipeline = gst::parse::launch(&format!(
        "filesrc location={} ! jpegdec ! imagefreeze num-buffers=30 ! video/x-raw,framerate=30/1 ! clocksync ! \
         videoconvert ! videoscale ! video/x-raw,format=I420,width=640,height=426 ! \
         abfacedetector backend={backend} mode=inline every=10 budget-ms=20000 name=d ! \
         abfaceoverlay image={hat} budget-ms=20000 name=o ! fakesink sync=false",
        photo.display()
    ))
    .unwrap()
    .downcast::<gst::Pipeline>()
    .unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let mut from = Vec::new();
    for message in bus.iter_timed(gst::ClockTime::from_seconds(30)) {
        if let Some((name, data)) = message::decode(&message) {
            from.push((message.src().unwrap().name().to_string(), name, data["count"].as_u64()));
        }
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(e) => panic!("{}", e.error()),
            _ => {}
        }
    }
    let stats = pipeline.by_name("o").unwrap().property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(stats.get::<u64>("frames").unwrap(), 30);
    assert_eq!(stats.get::<u64>("dropped").unwrap(), 0);
    assert!(from.iter().all(|(source, name, _)| source == "d" && name == "faces"), "{from:?}");
    assert!(from.iter().any(|(_, _, count)| *count == Some(3)), "{from:?}");
}

#[test]
fn what_is_missing_is_said_at_the_start() {
    gst::init().unwrap();
    registry::register_all(None).unwrap();
    for (element, part) in [
        ("abfaceoverlay", "set the property 'image'"),
        (
            "abimageoverlay image=/nowhere/logo.png",
            "cannot read the image /nowhere/logo.png: there is no such file",
        ),
    ] {
        let pipeline = gst::parse::launch(&format!("videotestsrc ! {element} ! fakesink")).unwrap();
        assert!(pipeline.set_state(gst::State::Playing).is_err());
        let message = pipeline.bus().unwrap().pop_filtered(&[gst::MessageType::Error]).unwrap();
        let gst::MessageView::Error(error) = message.view() else { unreachable!() };
        assert!(error.error().to_string().contains(part), "{}", error.error());
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
