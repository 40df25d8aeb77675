//! What the crowd detector draws on wish.

use anabranch_kit::frame::Frame;

use crate::motion::mask::Mask;
use crate::motion::paint::{Brush, Canvas, Ramp};
use crate::motion::polygon::{Line, Polygon};

const WHITE: [u8; 3] = [255, 255, 255];
const RED: [u8; 3] = [230, 30, 30];
const BLUE: [u8; 3] = [40, 80, 255];
const YELLOW: [u8; 3] = [255, 215, 0];
/// How much of a tint covers the picture, of 255.
const TINT: u8 = 110;

/// One look, as it is drawn.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The outlines of the regions.
    pub outlines: Vec<Polygon>,
    /// The lines.
    pub lines: Vec<Line>,
    /// What moves in the regions.
    pub moving: Mask,
    /// What stands in them.
    pub still: Mask,
    /// The heat map with its width and height, if that is wanted instead.
    pub heat: Option<(Vec<u8>, usize, usize)>,
}

impl View {
    /// Draws it: who moves in blue, who stands in red, regions in white, lines in yellow.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let brush = |rgb| Brush::new(frame.info(), rgb);
        let (white, red, blue, yellow) = (brush(WHITE), brush(RED), brush(BLUE), brush(YELLOW));
        let ramp = self.heat.is_some().then(|| Ramp::new(frame.info()));
        let mut canvas = Canvas::new(frame);
        match (&self.heat, ramp) {
            (Some((map, width, height)), Some(ramp)) => canvas.heat(map, *width, *height, &ramp),
            _ => {
                canvas.tint(&self.moving, &blue, TINT);
                canvas.tint(&self.still, &red, TINT);
            }
        }
        let thick = canvas.line_width();
        self.outlines.iter().for_each(|polygon| canvas.outline(polygon, &white));
        self.lines.iter().for_each(|line| canvas.line(line.from, line.to, thick, &yellow, 255));
    }
}
