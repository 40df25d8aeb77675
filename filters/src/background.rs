//! Replaces or blurs what is behind people.

use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::inference::{self, Backend};
use anabranch_kit::register_filter;
use anabranch_kit::sample::Sample;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mosaic::{Area, Grid, Style, channels};
use crate::nets::Net;
use crate::selfie::{self, Backdrop, MODEL, Mask};

/// What is put behind people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The background, out of focus.
    #[default]
    Blur,
    /// A colour.
    Colour,
    /// A picture.
    Image,
}

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// What is put behind people: blur, colour or image.
    pub effect: Effect,
    /// The picture for the effect image: a PNG or JPEG file. It fills the frame; what is too much is cut off.
    pub image: Option<String>,
    /// The colour for the effect colour: #rrggbb.
    pub colour: String,
    /// How much detail a blurred background keeps: cells across the frame; fewer blur more.
    #[schemars(range(min = 2, max = 160), extend("x-live" = true))]
    pub cells: u32,
    /// How sure the network must be of a person at the middle of the edge, 0 to 1; more cuts closer.
    #[schemars(range(min = 0.05, max = 0.95), extend("x-live" = true))]
    pub threshold: f64,
    /// How much of the last frame's outline is kept, 0 to 0.9; more is steadier and slower.
    #[schemars(range(min = 0.0, max = 0.9), extend("x-live" = true))]
    pub steadiness: f64,
    /// The engine that runs the neural network.
    pub backend: Backend,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            effect: Effect::Blur,
            image: None,
            colour: "#00b140".into(),
            cells: 24,
            threshold: 0.5,
            steadiness: 0.4,
            backend: Backend::Auto,
        }
    }
}

/// The filter.
pub struct Background {
    network: Net,
    mask: Mask,
    backdrop: Option<Backdrop>,
    last: Option<gst::ClockTime>,
}

impl VideoFilter for Background {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];

    fn check(params: &Params) -> Result<(), FilterError> {
        match params.effect {
            Effect::Blur => {}
            Effect::Colour => {
                selfie::colour(&params.colour).map_err(FilterError::Fatal)?;
            }
            Effect::Image => crate::sprite::check(params.image.as_deref())?,
        }
        inference::check(MODEL, params.backend).map_err(FilterError::fatal)
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        let mut network = Net::installed(MODEL, selfie::spec(), params.backend).map_err(FilterError::fatal)?;
        network.prepare(info.width() as usize, info.height() as usize).map_err(FilterError::fatal)?;
        let backdrop = match params.effect {
            Effect::Blur => None,
            Effect::Colour => {
                let colour = selfie::colour(&params.colour).map_err(FilterError::Fatal)?;
                Some(Backdrop::plain(colour, info))
            }
            Effect::Image => {
                let path = params.image.as_deref().unwrap_or_default();
                let path = path.strip_prefix("file://").unwrap_or(path);
                let picture = crate::nets::read_picture(path.as_ref()).map_err(FilterError::Fatal)?;
                Some(Backdrop::filled(&picture, info))
            }
        };
        Ok(Background { network, mask: Mask::default(), backdrop, last: None })
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, _: &mut Context) -> Result<(), FilterError> {
        let sample = Sample::take(&frame.picture(), selfie::LONGEST);
        let (_, outputs, _) = self.network.run(&sample).map_err(FilterError::failed)?;
        // Another round, or a jump: what was is not what is.
        let jumped = match (self.last, frame.pts()) {
            (Some(last), Some(now)) => now < last || now - last > gst::ClockTime::SECOND,
            _ => true,
        };
        self.last = frame.pts();
        let keep = if jumped { 0.0 } else { params.steadiness as f32 };
        let output = outputs.first().ok_or_else(|| FilterError::fatal("the model has no output"))?;
        if !self.mask.take(output, params.threshold as f32, keep) {
            return Err(FilterError::fatal(format!("the model {MODEL} has another output than expected")));
        }
        let (width, height) = (frame.width(), frame.height());
        for channel in channels(frame.format()) {
            let part = Area { left: 0, top: 0, right: width, bottom: height }.shrunk(channel.shrink);
            let mask = self.mask.scaled(part.right, part.bottom);
            let at = |x: usize, y: usize| mask[y * part.right + x];
            match &self.backdrop {
                Some(backdrop) => backdrop.mix(frame, channel, part, at),
                None => {
                    let columns = (params.cells as usize).min(part.right);
                    let rows = (columns * part.bottom / part.right.max(1)).clamp(1, part.bottom);
                    // People's own colours must not bleed into what is behind them.
                    let grid = Grid::of(frame, channel, part, columns, rows, |x, y| 1.0 - at(x, y));
                    grid.mix(frame, channel, part, Style::Blended, at);
                }
            }
        }
        Ok(())
    }
}

register_filter!(
    Background,
    name: "background",
    type_name: "AbBackground",
    summary: "Blurs what is behind people, or puts a picture or a colour there; needs no green screen",
    author: "The Anabranch developers",
    doc: "Tells people from what is behind them with MediaPipe's network for selfies, and blurs the background or replaces \
          it by a picture or a colour. It is made for people in front of a camera, as in a video conference; far away \
          people count as background. With a green screen `chroma` is more exact.\n\n\
          It looks at every frame, which takes some milliseconds, so that the outline belongs to the picture; a frame for \
          which it takes longer than `budget-ms` is left out, so that no background is shown by accident. But frames pass as \
          they are while the filter is in trouble (`filter-trouble`).\n\n\
          It needs a model: `anabranch models install selfie-segmentation`.",
    example: "player uri=people.mp4 -> background effect=blur cells=16 -> recorder location=blurred.webm",
    realtime: true,
);

#[cfg(test)]
mod tests {
    use super::*;

    anabranch_kit::filter_tests!(
        super::Background,
        [requires: anabranch_kit::inference::check(crate::selfie::MODEL, anabranch_kit::inference::Backend::Auto)]
    );

    #[test]
    fn what_an_effect_needs_is_asked_for() {
        let image = Params { effect: Effect::Image, ..Params::default() };
        assert!(Background::check(&image).unwrap_err().to_string().contains("'image'"));
        let colour = Params { effect: Effect::Colour, colour: "greenish".into(), ..Params::default() };
        assert!(Background::check(&colour).unwrap_err().to_string().contains("#rrggbb"));
    }

    #[test]
    fn people_stay_and_what_is_behind_them_goes() {
        gst::init().unwrap();
        let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/samples/sample4.jpg");
        let (Ok(photo), Ok(_)) = (crate::nets::read_picture(photo.as_ref()), anabranch_kit::models::path(MODEL)) else {
            eprintln!("skipped: the samples or the model are not there; run: make samples models");
            return;
        };
        let photo = crate::nets::input::resized(&photo, 640, 360).unwrap();
        let faces_path = anabranch_kit::models::path(crate::faces::MODEL).unwrap();
        let mut faces = Net::new(&faces_path, crate::faces::spec(640, 0.5), Backend::Auto);
        let faces = faces.look(&photo).unwrap();
        assert!(!faces.is_empty());
        let params = Params { effect: Effect::Colour, ..Params::default() };
        let info = VideoInfo::builder(VideoFormat::Rgba, 640, 360).build().unwrap();
        let rgba: Vec<u8> = photo.rgb.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect();
        let buffer = gst::Buffer::from_mut_slice(rgba);
        let mut mapped = gst_video::VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let mut frame = Frame::new(&mut mapped, None, 0);
        let mut filter = Background::new(&params, &info).unwrap();
        filter.process(&params, &mut frame, &mut Context::default()).unwrap();
        let after = Sample::take(&frame.picture(), 640);
        let green = after.rgb.as_chunks::<3>().0.iter().filter(|p| **p == [0, 0xb1, 0x40]).count();
        assert!(green > 640 * 360 / 10, "{green} pixels are background");
        // The largest face is that of a person.
        let face = faces.iter().max_by(|a, b| a.width.total_cmp(&b.width)).unwrap();
        let (x, y) = face.centre();
        let at = 3 * ((y * 360.0) as usize * 640 + (x * 640.0) as usize);
        let change: u32 = (0..3).map(|n| u32::from(after.rgb[at + n].abs_diff(photo.rgb[at + n]))).sum();
        assert!(change < 30, "the face at {x} {y} changed by {change}");
    }

    #[test]
    fn it_looks_as_approved() {
        gst::init().unwrap();
        if let Err(reason) = inference::check(MODEL, Backend::Auto) {
            eprintln!("skipped: {reason}");
            return;
        }
        anabranch_kit::registry::register_all(None).unwrap();
        let element = gst::ElementFactory::make("abbackground").property("cells", 8i64).property("budget-ms", 20_000u32).build().unwrap();
        let samples = anabranch_kit::testing::run_filter(&element, "RGBA", 160, 120, 1);
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/background.png");
        // The engines differ a little in where they see people in a test picture.
        anabranch_kit::testing::check_golden(&samples[0], golden, 4.0);
    }
}
