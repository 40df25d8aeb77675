//! Feeds frames from the application into a graph and takes them out again, encoded and decoded on the way.
//!
//!     cargo run --release -p anabranch-engine --example app_frames
//!
//! Grey frames that grow brighter go in raw, leave as VP8 through one consumer and raw through another.

use anabranch_engine::gst;
use anabranch_engine::{Engine, graph::Document};
use anyhow::{Context, ensure};
use gstanabranchelements as _;
use serde_json::json;

const WIDTH: usize = 64;
const HEIGHT: usize = 48;
const FRAMES: u64 = 50;
const CAPS: &str = "video/x-raw, format=GRAY8, width=64, height=48, framerate=25/1";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let engine = Engine::new()?;
    let document = Document::new("app-frames")
        .element("mine", "app-source", json!({"caps": CAPS}))
        .element("raw", "app-sink", json!({"accept": "raw"}))
        .element("coded", "app-sink", json!({"accept": "video/x-vp8"}))
        .link("mine.video -> raw")
        .link("mine.video -> coded");
    let pipeline = engine.create(engine.check(&document)?)?;
    pipeline.start().await?;
    let element = |id: &str| pipeline.element(id).context("no such element");
    let source = element("mine")?.app_source().await?;
    let mut raw = element("raw")?.app_sink().await?;
    let mut coded = element("coded")?.app_sink().await?;

    let feeder = tokio::task::spawn_blocking(move || -> anyhow::Result<()> {
        for number in 0..FRAMES {
            let mut frame = gst::Buffer::from_mut_slice(vec![number as u8 * 4; WIDTH * HEIGHT]);
            let times = frame.get_mut().context("a new buffer is writable")?;
            times.set_pts(gst::ClockTime::from_mseconds(number * 40));
            times.set_duration(gst::ClockTime::from_mseconds(40));
            source.push(frame)?;
        }
        source.end()?;
        Ok(())
    });

    let takers = async {
        let (mut in_order, mut packets, mut bytes) = (0, 0, 0);
        while let Some(frame) = raw.next().await {
            let data = frame.buffer.map_readable()?;
            ensure!(data[0] == in_order as u8 * 4, "frame {in_order} has brightness {}", data[0]);
            in_order += 1;
        }
        while let Some(packet) = coded.next().await {
            packets += 1;
            bytes += packet.buffer.size();
        }
        Ok((in_order, packets, bytes))
    };
    let (in_order, packets, bytes) = takers.await?;
    feeder.await??;
    println!("{in_order} raw frames came out in order, {packets} VP8 packets of {bytes} bytes in all");
    ensure!(in_order == FRAMES && packets == FRAMES, "frames were lost");
    pipeline.wait().await;
    Ok(())
}
