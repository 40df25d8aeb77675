//! Paints over what elements upstream have found.

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use gst_video::{VideoFormat, VideoInfo};

/// The properties.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The brightness of the paint, 0 to 255.
    #[schemars(extend("x-live" = true))]
    level: u8,
}

/// The filter.
pub struct Veil;

impl VideoFilter for Veil {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] = &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Gray8];

    fn new(_: &Params, _: &VideoInfo) -> Result<Self, FilterError> {
        Ok(Veil)
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        let pixel = |part: f32, side: usize| (part.clamp(0.0, 1.0) * side as f32) as usize;
        let (width, height) = (frame.width(), frame.height());
        for r in ctx.regions() {
            let (top, bottom) = (pixel(r.y, height), pixel(r.y + r.height, height));
            for row in frame.rows_mut(0).take(bottom).skip(top) {
                row[pixel(r.x, width)..pixel(r.x + r.width, width)].fill(params.level);
            }
        }
        Ok(())
    }
}

register_filter!(Veil, name: "veil", type_name: "AbVeil", summary: "Hides what was found", author: "You");
