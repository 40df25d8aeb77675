//! The pictures of the worst cases, as JPEG.

use std::collections::BTreeMap;

use anabranch_engine::Engine;
use anabranch_eval::Case;
use anabranch_eval::truth::Truth;
use anabranch_kit::frame::Picture;
use anabranch_kit::sample::Sample;
use anyhow::Result;
use gst_video::VideoFrameRef;
use gst_video::prelude::VideoFrameExt as _;
use image::codecs::jpeg::JpegEncoder;

use super::data::{Place, Still};

/// The longer side of the pictures in a report, in pixels.
const LONGEST: usize = 800;
const QUALITY: u8 = 80;

/// Goes through the data once more and takes the frames of these cases, by their numbers.
pub async fn take(
    engine: &Engine,
    place: &Place,
    truth: Option<&Truth>,
    rate: Option<f64>,
    cases: &[&Case],
) -> Result<BTreeMap<u64, Vec<u8>>> {
    let mut data = place.open(engine, truth, rate, &mut Vec::new()).await?;
    let mut pictures = BTreeMap::new();
    let mut number = 0;
    while pictures.len() < cases.len() {
        let wanted = cases.iter().any(|case| case.results.frame == number);
        let Some(still) = data.next().await? else { break };
        if wanted {
            pictures.insert(number, jpeg(&still)?);
        }
        number += 1;
    }
    data.close().await;
    Ok(pictures)
}

fn jpeg(still: &Still) -> Result<Vec<u8>> {
    let frame = VideoFrameRef::from_buffer_ref_readable(&still.buffer, &still.info)?;
    let sample = Sample::take(&Picture::new(frame.info(), frame.planes_data()), LONGEST);
    let mut bytes = Vec::new();
    let (width, height) = (sample.width as u32, sample.height as u32);
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode(
        &sample.rgb,
        width,
        height,
        image::ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}
