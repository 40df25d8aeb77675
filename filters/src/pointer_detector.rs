//! Follows a pointer of a calibrated colour, and tells when it goes into and out of windows.

use std::collections::BTreeMap;

use anabranch_kit::command::{CommandError, CommandErrorKind, CommandResult};
use anabranch_kit::filter::{Context, FilterError, VideoFilter};
use anabranch_kit::frame::Frame;
use anabranch_kit::register_filter;
use anabranch_kit::regions::Region;
use anabranch_kit::sample::Sample;
use gst_video::{VideoFormat, VideoInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::motion::paint::{Brush, Canvas};
use crate::motion::polygon::{Polygon, Rectangle};
use crate::pointer::windows::{PointerWindow, Presence};
use crate::pointer::{Found, Search};
use crate::sprite::{self, Painter, Placement, Sprite};

/// The longer side of the picture that is looked at, in pixels.
const LONGEST: usize = 320;

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// Where the pointer is held while its colour is learnt, in pixels; without it, the middle of the picture.
    #[schemars(extend("x-live" = true))]
    pub calibration: Option<Rectangle>,
    /// How long after the start the colour is learnt, in milliseconds; -1 waits for the command `calibrate`.
    #[schemars(range(min = -1, max = 3600000), extend("x-live" = true))]
    pub calibrate_after_ms: i64,
    /// The windows, each with an id, x, y, width and height in pixels, and pictures if wanted.
    #[schemars(extend("x-live" = true))]
    pub windows: Vec<PointerWindow>,
    /// Whether windows and pointer are drawn into the video.
    #[schemars(extend("x-live" = true))]
    pub draw: bool,
}

impl Default for Params {
    fn default() -> Self {
        Params { calibration: None, calibrate_after_ms: 0, windows: Vec::new(), draw: true }
    }
}

/// The pointer went into a window.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WindowIn {
    /// The window's id.
    window: String,
}

/// The pointer went out of a window, or was lost in it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WindowOut {
    /// The window's id.
    window: String,
}

/// The pointer's colour has been learnt.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PointerCalibrated {
    /// The mean colour of the calibration region, `#rrggbb`.
    color: String,
}

/// The filter.
pub struct PointerDetector {
    info: VideoInfo,
    search: Search,
    /// Calibrate with the next picture.
    due: bool,
    started: Option<gst::ClockTime>,
    windows: Vec<Window>,
    /// The properties' last values: what commands did stays until they change.
    property: Vec<PointerWindow>,
    calibration: Option<Rectangle>,
}

struct Window {
    window: PointerWindow,
    presence: Presence,
    /// The picture and the one for when the pointer is inside, with what draws them.
    pictures: [Option<(Sprite, Painter)>; 2],
}

impl Window {
    fn new(window: PointerWindow, info: &VideoInfo) -> Result<Self, FilterError> {
        let load = |path: &Option<String>| -> Result<Option<(Sprite, Painter)>, FilterError> {
            let path = path.as_deref().filter(|path| !path.is_empty());
            path.map(|path| Ok((Sprite::load(Some(path), info)?, Painter::default()))).transpose()
        };
        let pictures = [load(&window.image)?, load(&window.active_image)?];
        Ok(Window { window, presence: Presence::default(), pictures })
    }

    fn polygon(&self, width: f64, height: f64) -> Polygon {
        let [x, y, w, h] = [self.window.x, self.window.y, self.window.width, self.window.height].map(f64::from);
        rectangle([x / width, y / height, w / width, h / height])
    }
}

fn rectangle([x, y, width, height]: [f64; 4]) -> Polygon {
    Polygon::new(vec![[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
}

fn check_windows(windows: &[PointerWindow]) -> Result<(), FilterError> {
    for (i, window) in windows.iter().enumerate() {
        if windows[..i].iter().any(|other| other.id == window.id) {
            let text = format!("the window '{}' is there twice; give each window an id of its own", window.id);
            return Err(FilterError::fatal(text));
        }
        for image in [&window.image, &window.active_image].into_iter().flatten().filter(|path| !path.is_empty()) {
            sprite::check(Some(image))?;
        }
    }
    Ok(())
}

impl PointerDetector {
    /// Takes over windows; who is in one that stays, stays in it. Returns those that are gone with the pointer inside.
    fn set_windows(&mut self, windows: &[PointerWindow]) -> Result<Vec<String>, FilterError> {
        let new = windows.iter().map(|window| Window::new(window.clone(), &self.info));
        let new: Vec<Window> = new.collect::<Result<_, _>>()?;
        let old = std::mem::replace(&mut self.windows, new);
        let mut old: BTreeMap<String, Presence> = old.into_iter().map(|w| (w.window.id, w.presence)).collect();
        for window in &mut self.windows {
            window.presence = old.remove(&window.window.id).unwrap_or_default();
        }
        Ok(old.into_iter().filter(|(_, presence)| presence.inside).map(|(id, _)| id).collect())
    }

    /// The calibration region, relative to the picture: left, top, right, bottom.
    fn region(&self, params: &Params) -> [f32; 4] {
        let (width, height) = (self.info.width() as f32, self.info.height() as f32);
        match params.calibration {
            Some(r) => {
                let [x, y, w, h] = [r.x, r.y, r.width, r.height].map(|v| v as f32);
                [x / width, y / height, (x + w) / width, (y + h) / height]
            }
            None => [0.45, 0.45, 0.55, 0.55],
        }
    }

    fn calibrate(&mut self, params: &Params, sample: &Sample, ctx: &mut Context) -> Result<(), FilterError> {
        self.due = false;
        let region = self.region(params);
        let Some([r, g, b]) = self.search.calibrate(sample, region) else {
            return Err(FilterError::failed(
                "the calibration region is outside of the picture; set 'calibration' to a part of it",
            ));
        };
        ctx.emit(PointerCalibrated { color: format!("#{r:02x}{g:02x}{b:02x}") });
        Ok(())
    }

    fn draw(&mut self, params: &Params, frame: &mut Frame<'_>, found: Option<&Found>) {
        let brush = |rgb| Brush::new(frame.info(), rgb);
        let (white, yellow, blue) = (brush([255, 255, 255]), brush([255, 215, 0]), brush([60, 120, 255]));
        let (width, height) = (frame.width() as f64, frame.height() as f64);
        for window in &mut self.windows {
            let w = &window.window;
            let place = Placement {
                x: f64::from(w.x) + f64::from(w.width) / 2.0,
                y: f64::from(w.y) + f64::from(w.height) / 2.0,
                width: f64::from(w.width),
                height: f64::from(w.height),
                angle: 0.0,
                opacity: 1.0 - w.transparency,
            };
            let [picture, active] = &mut window.pictures;
            let picture = if window.presence.inside { active.as_mut().or(picture.as_mut()) } else { picture.as_mut() };
            if let Some((sprite, painter)) = picture {
                painter.draw(sprite, &place, frame);
            }
        }
        let region = (!self.search.is_calibrated()).then(|| self.region(params).map(f64::from));
        let mut canvas = Canvas::new(frame);
        for window in &self.windows {
            let inside = window.presence.inside;
            canvas.outline(&window.polygon(width, height), if inside { &yellow } else { &white });
        }
        if let Some([left, top, right, bottom]) = region {
            canvas.outline(&rectangle([left, top, right - left, bottom - top]), &blue);
        }
        if let Some(found) = found {
            canvas.outline(&rectangle(found.area.map(f64::from)), &blue);
        }
    }
}

impl VideoFilter for PointerDetector {
    type Params = Params;
    const FORMATS: &'static [VideoFormat] =
        &[VideoFormat::I420, VideoFormat::Nv12, VideoFormat::Rgba, VideoFormat::Bgra];
    const COMMANDS: &'static [&'static str] = &["calibrate", "add-window", "remove-window", "clear-windows"];

    fn check(params: &Params) -> Result<(), FilterError> {
        check_windows(&params.windows)
    }

    fn new(params: &Params, info: &VideoInfo) -> Result<Self, FilterError> {
        check_windows(&params.windows)?;
        let mut filter = PointerDetector {
            info: info.clone(),
            search: Search::default(),
            due: false,
            started: None,
            windows: Vec::new(),
            property: params.windows.clone(),
            calibration: params.calibration,
        };
        filter.set_windows(&params.windows)?;
        Ok(filter)
    }

    fn process(&mut self, params: &Params, frame: &mut Frame<'_>, ctx: &mut Context) -> Result<(), FilterError> {
        if self.property != params.windows {
            self.property.clone_from(&params.windows);
            let gone = check_windows(&params.windows)
                .and_then(|()| self.set_windows(&params.windows))
                .map_err(FilterError::failed)?;
            gone.into_iter().for_each(|window| ctx.emit(WindowOut { window }));
        }
        let sample = Sample::take(&frame.picture(), LONGEST);
        let now = frame.pts().unwrap_or_default();
        let began = *self.started.get_or_insert(now);
        let after = u64::try_from(params.calibrate_after_ms).ok().map(gst::ClockTime::from_mseconds);
        let first = !self.search.is_calibrated() && after.is_some_and(|after| now.saturating_sub(began) >= after);
        let moved = self.calibration != params.calibration;
        self.calibration = params.calibration;
        let again = moved && self.search.is_calibrated();
        let calibrated = match first || again || self.due {
            true => self.calibrate(params, &sample, ctx),
            false => Ok(()),
        };
        let found = self.search.look(&sample);
        let at = found.map(|found| {
            let [x, y] = found.at.map(f64::from);
            [x * frame.width() as f64, y * frame.height() as f64]
        });
        for window in &mut self.windows {
            let id = || window.window.id.clone();
            match window.presence.update(&window.window, at) {
                Some(true) => ctx.emit(WindowIn { window: id() }),
                Some(false) => ctx.emit(WindowOut { window: id() }),
                None => {}
            }
        }
        if let Some(Found { area: [x, y, width, height], score, .. }) = found {
            let label = "pointer".into();
            ctx.add_region(Region { label, x, y, width, height, score, ..Region::default() });
        }
        if params.draw {
            self.draw(params, frame, found.as_ref());
        }
        calibrated
    }

    fn command(&mut self, name: &str, arguments: &Value, ctx: &mut Context) -> CommandResult {
        let wrong = |code: &str, text: String| CommandError::new(CommandErrorKind::InvalidInput, code, text);
        match name {
            "calibrate" => self.due = true,
            "add-window" => {
                let window: PointerWindow = serde_json::from_value(arguments.clone())
                    .map_err(|e| wrong("bad-window", format!("that is no window: {e}")))?;
                if window.id.is_empty() || window.width == 0 || window.height == 0 {
                    let text = "a window wants an id, x, y, width and height".to_owned();
                    return Err(wrong("bad-window", text));
                }
                if !(0.0..=1.0).contains(&window.transparency) {
                    let text = format!("a window's transparency is from 0 to 1, not {}", window.transparency);
                    return Err(wrong("bad-window", text));
                }
                if self.windows.iter().any(|w| w.window.id == window.id) {
                    return Err(wrong("window-exists", format!("there is a window '{}' already", window.id)));
                }
                let new = Window::new(window, &self.info).map_err(|e| wrong("bad-image", e.to_string()))?;
                self.windows.push(new);
            }
            "remove-window" => {
                let id = arguments.get("id").and_then(Value::as_str).unwrap_or_default();
                let at = self.windows.iter().position(|w| w.window.id == id);
                let at = at.ok_or_else(|| wrong("no-window", format!("there is no window '{id}'")))?;
                let gone = self.windows.remove(at);
                if gone.presence.inside {
                    ctx.emit(WindowOut { window: gone.window.id });
                }
            }
            "clear-windows" => {
                for gone in self.windows.drain(..).filter(|w| w.presence.inside) {
                    ctx.emit(WindowOut { window: gone.window.id });
                }
            }
            _ => return Err(CommandError::unknown(name)),
        }
        Ok(json!({}))
    }

    fn take_over(&mut self, old: Self) {
        self.search = old.search;
        (self.started, self.due) = (old.started, old.due);
        // If it has changed meanwhile, the colour is learnt anew.
        self.calibration = old.calibration;
        if old.property == self.property {
            // They were read before; one that cannot be read any more is left out.
            let again = |old: Window| {
                let new = Window::new(old.window, &self.info).ok()?;
                Some(Window { presence: old.presence, ..new })
            };
            self.windows = old.windows.into_iter().filter_map(again).collect();
        }
    }
}

register_filter!(
    PointerDetector,
    name: "pointer-detector",
    type_name: "AbPointerDetector",
    summary: "Follows a pointer by its colour, and tells when it goes into and out of windows",
    author: "The Anabranch developers",
    doc: "Somebody holds a thing of a colour of its own into the region `calibration` (drawn in blue until then), and its \
          colour is learnt: how often each hue and saturation is in the region, as opposed to the rest of the picture. From \
          then on the thing is followed wherever it goes: the largest compact part of that colour, rather where it was \
          than elsewhere. `window-in` and `window-out` tell when its middle goes into and out of one of the `windows`.\n\n\
          The colour is learnt `calibrate_after_ms` after the start, again with the command `calibrate`, and whenever \
          `calibration` changes. Windows are set by the property `windows`, or by the commands `add-window` {id, x, y, \
          width, height, image?, active_image?, transparency?}, `remove-window` {id} and `clear-windows`.\n\n\
          The pointer is put on the frames as a region with the label `pointer`. With `draw`, windows are outlined in \
          white, in yellow while the pointer is inside, with their pictures.",
    events: [WindowIn, WindowOut, PointerCalibrated],
    example: "test-source -> pointer-detector draw=true -> null-sink",
);

#[cfg(test)]
#[path = "pointer/truth.rs"]
mod truth;
