//! Writes a text over the video: a title, a camera's name, a clock.

use std::time::Duration;

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sprite::{Painter, Placement, Sprite};
use crate::text::{self, Fonts, Moment, Side, Style};

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// The text, of one or more lines. `{clock}` in it is the time of day, `{time}` the picture's time in the film,
    /// `{frame}` its number.
    #[schemars(extend("x-live" = true))]
    pub text: String,
    /// How `{clock}` is written, as by strftime: `%H:%M:%S`.
    #[schemars(extend("x-live" = true))]
    pub clock: String,
    /// Whether `{clock}` is the time in UTC instead of the machine's zone.
    #[schemars(extend("x-live" = true))]
    pub utc: bool,
    /// Height of a line relative to the frame's height.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub size: f64,
    /// Where the anchor is relative to the frame's width: 0 is left, 1 is right.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub x: f64,
    /// Where the anchor is relative to the frame's height: 0 is top, 1 is bottom.
    #[schemars(range(min = -10.0, max = 10.0), extend("x-live" = true))]
    pub y: f64,
    /// The point of the text that is put at x and y; lines are aligned to its side.
    #[schemars(extend("x-live" = true))]
    pub anchor: Anchor,
    /// Lines that would be wider than this part of the frame are broken at spaces; 0 breaks none.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub wrap: f64,
    /// Colour of the letters: `#rrggbb`, `#rrggbbaa` with transparency, or a name such as `white`.
    #[schemars(extend("x-live" = true))]
    pub color: String,
    /// Colour of the line around the letters; `none` leaves it out.
    #[schemars(extend("x-live" = true))]
    pub outline_color: String,
    /// Width of that line relative to a line's height.
    #[schemars(range(min = 0.0, max = 0.5), extend("x-live" = true))]
    pub outline: f64,
    /// Colour of the box behind the text; `none` leaves it out.
    #[schemars(extend("x-live" = true))]
    pub background_color: String,
    /// From the letters to the box's edge, relative to a line's height.
    #[schemars(range(min = 0.0, max = 10.0), extend("x-live" = true))]
    pub padding: f64,
    /// 0 is invisible, 1 is as the colours say.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub opacity: f64,
    /// A TrueType or OpenType file. Without one, and for letters that it lacks, DejaVu Sans.
    pub font: Option<String>,
}

/// A point of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// The left upper corner.
    TopLeft,
    /// The middle of the upper edge.
    Top,
    /// The right upper corner.
    TopRight,
    /// The middle of the left edge.
    Left,
    /// The middle.
    Center,
    /// The middle of the right edge.
    Right,
    /// The left lower corner.
    BottomLeft,
    /// The middle of the lower edge.
    Bottom,
    /// The right lower corner.
    BottomRight,
}

impl Anchor {
    /// The side of its lines, and its place from the top, 0 to 1.
    fn parts(self) -> (Side, f64) {
        match self {
            Anchor::TopLeft => (Side::Left, 0.0),
            Anchor::Top => (Side::Middle, 0.0),
            Anchor::TopRight => (Side::Right, 0.0),
            Anchor::Left => (Side::Left, 0.5),
            Anchor::Center => (Side::Middle, 0.5),
            Anchor::Right => (Side::Right, 0.5),
            Anchor::BottomLeft => (Side::Left, 1.0),
            Anchor::Bottom => (Side::Middle, 1.0),
            Anchor::BottomRight => (Side::Right, 1.0),
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        Params {
            text: "{clock}".into(),
            clock: "%Y-%m-%d %H:%M:%S".into(),
            utc: false,
            size: 0.06,
            x: 0.03,
            y: 0.03,
            anchor: Anchor::TopLeft,
            wrap: 0.0,
            color: "#ffffff".into(),
            outline_color: "#000000".into(),
            outline: 0.06,
            background_color: "none".into(),
            padding: 0.2,
            opacity: 1.0,
            font: None,
        }
    }
}

/// The filter.
pub struct TextOverlay {
    fonts: Fonts,
    info: VideoInfo,
    /// What was painted last, for which properties and text.
    painted: Option<(Params, String, Picture)>,
}

struct Picture {
    sprite: Sprite,
    width: f64,
    height: f64,
    painter: Painter,
}

impl VideoFilter for TextOverlay {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];

    fn check(params: &Params) -> Result<(), FilterError> {
        style(params, 1.0)?;
        text::check_clock(&params.clock)?;
        Fonts::load(params.font.as_deref()).map(|_| ())
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        Ok(TextOverlay { fonts: Fonts::load(params.font.as_deref())?, info: info.clone(), painted: None })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, _: &mut Context) -> Result<(), FilterError> {
        let said = said(params, frame)?;
        if self.painted.as_ref().is_none_or(|(of, text, _)| of != params || *text != said) {
            let picture = self.paint(params, &said)?;
            self.painted = Some((params.clone(), said, picture));
        }
        let Some((_, _, picture)) = &mut self.painted else { return Ok(()) };
        let place = place(params, picture.width, picture.height, frame.width() as f64, frame.height() as f64);
        picture.painter.draw(&picture.sprite, &place, frame);
        Ok(())
    }
}

impl TextOverlay {
    fn paint(&self, params: &Params, said: &str) -> Result<Picture, FilterError> {
        let size = (params.size * f64::from(self.info.height())) as f32;
        let widest = (params.wrap > 0.0).then(|| (params.wrap * f64::from(self.info.width())) as f32);
        let layout = text::lay(&self.fonts, said, size, params.anchor.parts().0, widest);
        // What is wrong with a colour that was set while video runs is said, and the video goes on.
        let style = style(params, size).map_err(FilterError::failed)?;
        let painted = text::paint(&self.fonts, &layout, &style);
        Ok(Picture {
            sprite: Sprite::new(painted.width, painted.height, &painted.pixels, &self.info),
            width: painted.width as f64,
            height: painted.height as f64,
            painter: Painter::default(),
        })
    }
}

/// What the text says on this frame.
fn said(params: &Params, frame: &Frame<'_>) -> Result<String, FilterError> {
    let mut clock = String::new();
    if params.text.contains("{clock}") {
        let now = if params.utc { glib::DateTime::now_utc() } else { glib::DateTime::now_local() };
        clock = now.and_then(|now| now.format(&params.clock)).map_err(FilterError::failed)?.into();
    }
    let time = Duration::from(frame.pts().unwrap_or_default());
    Ok(text::expand(&params.text, &Moment { clock, time, frame: frame.number() }))
}

fn style(params: &Params, size: f32) -> Result<Style, FilterError> {
    let background = text::colour("background_color", &params.background_color)?;
    Ok(Style {
        color: text::colour("color", &params.color)?,
        outline: text::colour("outline_color", &params.outline_color)?,
        outline_width: params.outline as f32 * size,
        background,
        // Without a box the letters themselves are at x and y.
        padding: if background[3] > 0 { params.padding as f32 * size } else { 0.0 },
    })
}

fn place(params: &Params, width: f64, height: f64, frame_width: f64, frame_height: f64) -> Placement {
    let (side, down) = params.anchor.parts();
    let across = match side {
        Side::Left => 0.0,
        Side::Middle => 0.5,
        Side::Right => 1.0,
    };
    // On whole pixels, so that letters are as sharp as they were painted.
    let left = (params.x * frame_width - across * width).round();
    let top = (params.y * frame_height - down * height).round();
    Placement {
        x: left + width / 2.0,
        y: top + height / 2.0,
        width,
        height,
        angle: 0.0,
        opacity: params.opacity,
    }
}

register_filter!(
    TextOverlay,
    name: "text-overlay",
    type_name: "AbTextOverlay",
    summary: "Writes a text or a clock over the video",
    author: "The Anabranch developers",
    doc: "Writes a text over the video: a title, a camera's name, a clock. Text, place, size and colours can be changed \
          while video runs; size and place are relative to the frame, so they hold for every resolution. Letters have an \
          outline, so that they can be read on any picture, or a box behind them.\n\n\
          Fields in the text: `{clock}` is the time of day, written as `clock` says (strftime); `{time}` is the picture's \
          time in the film; `{frame}` its number.\n\n\
          Any text in UTF-8: DejaVu Sans, which is in the program, has the Latin, Greek and Cyrillic letters and many signs; \
          for others name a `font`. Letters are set one after the other from left to right: scripts that join letters \
          (Arabic, Devanagari) are not shaped.",
    example: "test-source -> text-overlay text='Cam 1 {clock}' x=0.97 y=0.95 anchor=bottom-right -> null-sink",
);

#[cfg(test)]
mod tests {
    use super::*;
    use gst::prelude::*;

    anabranch_kit::filter_tests!(super::TextOverlay);

    #[test]
    fn the_anchor_is_at_x_and_y() {
        let params = Params { x: 0.5, y: 1.0, ..Params::default() };
        let at = |anchor| {
            let placed = place(&Params { anchor, ..params.clone() }, 100.0, 20.0, 640.0, 480.0);
            (placed.x, placed.y)
        };
        assert_eq!(at(Anchor::TopLeft), (370.0, 490.0));
        assert_eq!(at(Anchor::Center), (320.0, 480.0));
        assert_eq!(at(Anchor::BottomRight), (270.0, 470.0));
    }

    #[test]
    fn what_is_wrong_is_said_before_video_runs() {
        let said = |params: Params| TextOverlay::check(&params).unwrap_err().to_string();
        assert!(said(Params { color: "purplish".into(), ..Params::default() }).contains("'color'"));
        assert!(said(Params { clock: "%".into(), ..Params::default() }).contains("'clock'"));
        assert!(said(Params { font: Some("/no/such.ttf".into()), ..Params::default() }).contains("/no/such.ttf"));
    }

    fn golden(name: &str, properties: &[(&str, &str)]) {
        gst::init().unwrap();
        anabranch_kit::registry::register_all(None).unwrap();
        let element = gst::ElementFactory::make("abtextoverlay").build().unwrap();
        element.set_property("budget-ms", 20_000u32);
        for (name, value) in properties {
            element.set_property_from_str(name, value);
        }
        let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 320, 240, 3);
        let file = format!("{}/tests/golden/{name}.png", env!("CARGO_MANIFEST_DIR"));
        anabranch_kit::testing::check_golden(&samples[2], file, 0.5);
    }

    #[test]
    fn it_looks_as_approved() {
        golden("text-overlay", &[("text", "Grüße, Κόσμε!\nПривет ½ €"), ("size", "0.12"), ("color", "#ffe040")]);
        golden(
            "text-overlay-box",
            &[
                ("text", "frame {frame} at {time}, and more that is too long for one line"),
                ("x", "0.5"),
                ("y", "0.95"),
                ("anchor", "bottom"),
                ("wrap", "0.8"),
                ("size", "0.08"),
                ("background-color", "#000080c0"),
                ("outline-color", "none"),
            ],
        );
    }

    #[test]
    fn the_clock_goes_on() {
        gst::init().unwrap();
        anabranch_kit::registry::register_all(None).unwrap();
        let element = gst::ElementFactory::make("abtextoverlay").build().unwrap();
        element.set_property("budget-ms", 20_000u32);
        // Microseconds: no two frames have the same.
        element.set_property_from_str("clock", "%S.%f");
        element.set_property_from_str("size", "0.3");
        let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 320, 240, 2);
        let bytes = |n: usize| samples[n].buffer().unwrap().map_readable().unwrap().to_vec();
        assert_ne!(bytes(0), bytes(1));
    }
}
