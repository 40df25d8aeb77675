//! Windows of the picture that the pointer goes into and out of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So many looks in a row must see the pointer inside, or outside.
const LOOKS: u32 = 2;

/// A window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PointerWindow {
    /// Its name in events.
    #[schemars(extend("x-required" = true))]
    pub id: String,
    /// Left edge, in pixels.
    #[schemars(range(min = 0, max = 100000), extend("x-required" = true))]
    pub x: u32,
    /// Upper edge, in pixels.
    #[schemars(range(min = 0, max = 100000), extend("x-required" = true))]
    pub y: u32,
    /// Width, in pixels.
    #[schemars(range(min = 1, max = 100000), extend("x-required" = true))]
    pub width: u32,
    /// Height, in pixels.
    #[schemars(range(min = 1, max = 100000), extend("x-required" = true))]
    pub height: u32,
    /// A PNG or JPEG file that is drawn in the window.
    pub image: Option<String>,
    /// A PNG or JPEG file that is drawn in it instead while the pointer is inside.
    pub active_image: Option<String>,
    /// How transparent the pictures are: 0 not at all, 1 invisible.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub transparency: f64,
}

impl Default for PointerWindow {
    fn default() -> Self {
        PointerWindow {
            id: String::new(),
            x: 0,
            y: 0,
            width: 1,
            height: 1,
            image: None,
            active_image: None,
            transparency: 0.0,
        }
    }
}

impl PointerWindow {
    /// Whether a point (in pixels) is inside.
    fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let inside = |v: f64, start: u32, size: u32| {
            (f64::from(start)..f64::from(start) + f64::from(size)).contains(&v)
        };
        inside(x, self.x, self.width) && inside(y, self.y, self.height)
    }
}

/// Whether the pointer is in a window.
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// Whether it is, as far as was told.
    pub inside: bool,
    held: u32,
}

impl Presence {
    /// Takes where the pointer is; whether it has gone in (`true`) or out, when that is to be told.
    pub fn update(&mut self, window: &PointerWindow, pointer: Option<[f64; 2]>) -> Option<bool> {
        let now = pointer.is_some_and(|at| window.contains(at));
        if now == self.inside {
            self.held = 0;
            return None;
        }
        self.held += 1;
        if self.held < LOOKS {
            return None;
        }
        (self.inside, self.held) = (now, 0);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_and_out_are_told_once_each() {
        let window = PointerWindow { x: 10, y: 10, width: 20, height: 10, ..PointerWindow::default() };
        let mut presence = Presence::default();
        let way = [5.0, 12.0, 15.0, 29.9, 30.0, 25.0, 31.0, 40.0, 40.0];
        let told: Vec<_> = way.iter().map(|x| presence.update(&window, Some([*x, 15.0]))).collect();
        assert_eq!(told, [None, None, Some(true), None, None, None, None, Some(false), None]);
        assert_eq!(
            [presence.update(&window, None), presence.update(&window, Some([20.0, 20.0]))],
            [None, None]
        );
    }
}
