//! Draws a picture over the video: a logo, a frame, a watermark.

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sprite::{self, Painter, Placement, Sprite};

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The picture: a PNG (with transparency) or JPEG file.
    #[schemars(extend("x-required" = true))]
    pub image: Option<String>,
    /// Left edge of the picture relative to the frame's width: 0 is left, 1 is right.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub x: f64,
    /// Upper edge of the picture relative to the frame's height: 0 is top, 1 is bottom.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub y: f64,
    /// Width of the picture relative to the frame's.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub width: f64,
    /// Height of the picture relative to the frame's.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub height: f64,
    /// Whether the picture keeps its shape: it is made as large as fits into width and height.
    #[schemars(extend("x-live" = true))]
    pub keep_aspect: bool,
    /// Whether x and y are the picture's centre instead of its left upper corner.
    #[schemars(extend("x-live" = true))]
    pub center: bool,
    /// 0 is invisible, 1 is as in the file.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub opacity: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            image: None,
            x: 0.03,
            y: 0.03,
            width: 0.25,
            height: 0.25,
            keep_aspect: true,
            center: false,
            opacity: 1.0,
        }
    }
}

/// The filter.
pub struct ImageOverlay {
    sprite: Sprite,
    painter: Painter,
}

impl VideoFilter for ImageOverlay {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];

    fn check(params: &Params) -> Result<(), FilterError> {
        sprite::check(params.image.as_deref())
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        Ok(ImageOverlay { sprite: Sprite::load(params.image.as_deref(), info)?, painter: Painter::default() })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, _: &mut Context) -> Result<(), FilterError> {
        let place = place(params, self.sprite.aspect(), frame.width() as f64, frame.height() as f64);
        self.painter.draw(&self.sprite, &place, frame);
        Ok(())
    }
}

fn place(params: &Params, aspect: f64, frame_width: f64, frame_height: f64) -> Placement {
    let (mut width, mut height) = (params.width * frame_width, params.height * frame_height);
    if params.keep_aspect {
        // A side of 0 means: whatever the other side makes it.
        if width == 0.0 || (height > 0.0 && width > height * aspect) {
            width = height * aspect;
        } else {
            height = width / aspect;
        }
    }
    let (mut x, mut y) = (params.x * frame_width, params.y * frame_height);
    if !params.center {
        x += width / 2.0;
        y += height / 2.0;
    }
    Placement { x, y, width, height, angle: 0.0, opacity: params.opacity }
}

register_filter!(
    ImageOverlay,
    name: "image-overlay",
    type_name: "AbImageOverlay",
    summary: "Draws a picture over the video",
    author: "The Anabranch developers",
    doc: "Draws a PNG or JPEG file over the video, with its transparency: a logo, a frame, a watermark. Place and size \
          are relative to the frame, so they hold for every resolution, and can be changed while video runs.",
    example: "test-source -> image-overlay image=logo.png x=0.7 y=0.05 opacity=0.8 -> null-sink",
);

#[cfg(test)]
mod tests {
    use super::*;

    anabranch_kit::filter_tests!(
        super::ImageOverlay,
        image = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png")
    );

    #[test]
    fn the_picture_is_placed_relative_to_the_frame() {
        let params = Params { x: 0.5, y: 0.25, width: 0.5, height: 0.5, ..Params::default() };
        let placed = place(&params, 2.0, 640.0, 480.0);
        assert_eq!((placed.width, placed.height), (320.0, 160.0));
        assert_eq!((placed.x, placed.y), (320.0 + 160.0, 120.0 + 80.0));
        let stretched = place(&Params { keep_aspect: false, center: true, ..params.clone() }, 2.0, 640.0, 480.0);
        assert_eq!((stretched.width, stretched.height, stretched.x), (320.0, 240.0, 320.0));
        let by_height = place(&Params { width: 0.0, ..params }, 2.0, 640.0, 480.0);
        assert_eq!((by_height.width, by_height.height), (480.0, 240.0));
    }

    #[test]
    fn it_looks_as_approved() {
        gst::init().unwrap();
        anabranch_kit::registry::register_all(None).unwrap();
        let element = gst::ElementFactory::make("abimageoverlay")
            .property("image", concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/hat.png"))
            .property("x", 0.4)
            .property("width", 0.5)
            .property("height", 0.8)
            .property("opacity", 0.75)
            .property("budget-ms", 20_000u32)
            .build()
            .unwrap();
        let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 160, 120, 1);
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/image-overlay.png");
        anabranch_kit::testing::check_golden(&samples[0], golden, 0.5);
    }
}
