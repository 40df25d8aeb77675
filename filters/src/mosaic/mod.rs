//! Pictures made coarse: a grid of cells, each the mean of its pixels. What is drawn from a grid has nothing else left of
//! the picture, whether as blocks or blended.

use anabranch_kit::frame::Frame;
use gst_video::VideoFormat;

/// One component plane of a frame: where its samples are.
#[derive(Clone, Copy, Debug)]
pub struct Channel {
    /// The plane.
    pub plane: usize,
    /// The first sample's place in a row.
    pub first: usize,
    /// From one sample to the next.
    pub step: usize,
    /// How many pixels of the picture one sample is, across and down.
    pub shrink: usize,
}

/// The channels that have colour or brightness; transparency is none of them.
pub fn channels(format: VideoFormat) -> Vec<Channel> {
    let channel = |plane, first, step, shrink| Channel { plane, first, step, shrink };
    match format {
        VideoFormat::I420 => vec![channel(0, 0, 1, 1), channel(1, 0, 1, 2), channel(2, 0, 1, 2)],
        VideoFormat::Nv12 => vec![channel(0, 0, 1, 1), channel(1, 0, 2, 2), channel(1, 1, 2, 2)],
        VideoFormat::Gray8 => vec![channel(0, 0, 1, 1)],
        _ => (0..3).map(|n| channel(0, n, 4, 1)).collect(),
    }
}

/// Part of a picture, in pixels: the right and lower edges are outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left edge.
    pub left: usize,
    /// Top edge.
    pub top: usize,
    /// Right edge.
    pub right: usize,
    /// Lower edge.
    pub bottom: usize,
}

impl Area {
    /// The same part in samples of a channel, which may be larger than pixels.
    pub fn shrunk(self, shrink: usize) -> Area {
        Area {
            left: self.left / shrink,
            top: self.top / shrink,
            right: self.right.div_ceil(shrink),
            bottom: self.bottom.div_ceil(shrink),
        }
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.left >= self.right || self.top >= self.bottom
    }
}

/// How coarse pictures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As blocks.
    Blocks,
    /// Blended into each other.
    Blended,
}

/// Makes a part of a frame coarse: `cells` blocks across its shorter side.
pub fn cover(frame: &mut Frame<'_>, area: Area, cells: usize, style: Style) {
    if area.is_empty() {
        return;
    }
    let side = (area.right - area.left).min(area.bottom - area.top);
    for channel in channels(frame.format()) {
        let part = area.shrunk(channel.shrink);
        let size = (side as f32 / cells.max(1) as f32 / channel.shrink as f32).max(1.0);
        let columns = (((part.right - part.left) as f32 / size).round() as usize).max(1);
        let rows = (((part.bottom - part.top) as f32 / size).round() as usize).max(1);
        let grid = Grid::of(frame, channel, part, columns, rows, |_, _| 1.0);
        grid.draw(frame, channel, part, style);
    }
}

/// Means of cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    columns: usize,
    rows: usize,
    means: Vec<f32>,
}

impl Grid {
    /// The means of a part of a channel, with a weight for each sample (column and row of the channel).
    pub fn of(
        frame: &Frame<'_>,
        channel: Channel,
        part: Area,
        columns: usize,
        rows: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Grid {
        let mut sums = vec![(0.0f32, 0.0f32); columns * rows];
        let (width, height) = (part.right - part.left, part.bottom - part.top);
        let lines = frame.rows(channel.plane).enumerate().skip(part.top).take(height);
        for (y, line) in lines {
            let row = &mut sums[(y - part.top) * rows / height * columns..][..columns];
            let samples = line.iter().skip(channel.first).step_by(channel.step).enumerate();
            for (x, value) in samples.skip(part.left).take(width) {
                let weight = weight(x, y);
                let sum = &mut row[(x - part.left) * columns / width];
                sum.0 += weight * f32::from(*value);
                sum.1 += weight;
            }
        }
        let mut grid = Grid { columns, rows, means: Vec::with_capacity(sums.len()) };
        let (all, weights) = sums.iter().fold((0.0, 0.0), |total, s| (total.0 + s.0, total.1 + s.1));
        let overall = if weights > 0.0 { all / weights } else { 128.0 };
        // A cell without weight takes over what is around it.
        let known: Vec<Option<f32>> = sums.iter().map(|(sum, n)| (*n > 1e-3).then(|| sum / n)).collect();
        for at in 0..known.len() {
            grid.means.push(known[at].unwrap_or_else(|| near(&known, columns, at).unwrap_or(overall)));
        }
        grid
    }

    /// The mean at a place, relative to the part: blended between the centres of cells.
    fn row_at(&self, y: f32, line: &mut Vec<f32>) {
        let at = (y * self.rows as f32 - 0.5).clamp(0.0, (self.rows - 1) as f32);
        let (above, share) = (at as usize, at.fract());
        let below = (above + 1).min(self.rows - 1);
        line.clear();
        let upper = &self.means[above * self.columns..][..self.columns];
        let lower = &self.means[below * self.columns..][..self.columns];
        line.extend(upper.iter().zip(lower).map(|(a, b)| a + (b - a) * share));
    }

    /// Draws the grid over the part that it was made of.
    pub fn draw(&self, frame: &mut Frame<'_>, channel: Channel, part: Area, style: Style) {
        self.mix(frame, channel, part, style, |_, _| 0.0);
    }

    /// Draws the grid where `keep` (0 to 1, by column and row of the channel) does not keep the picture.
    pub fn mix(
        &self,
        frame: &mut Frame<'_>,
        channel: Channel,
        part: Area,
        style: Style,
        keep: impl Fn(usize, usize) -> f32,
    ) {
        let (width, height) = (part.right - part.left, part.bottom - part.top);
        let places: Vec<(usize, usize, f32)> = (0..width)
            .map(|x| {
                let at = ((x as f32 + 0.5) / width as f32 * self.columns as f32 - 0.5)
                    .clamp(0.0, (self.columns - 1) as f32);
                let left = at as usize;
                (left, (left + 1).min(self.columns - 1), at.fract())
            })
            .collect();
        let mut means = Vec::with_capacity(self.columns);
        let lines = frame.rows_mut(channel.plane).enumerate().skip(part.top).take(height);
        for (y, line) in lines {
            match style {
                Style::Blocks => {
                    means.clear();
                    let row = (y - part.top) * self.rows / height;
                    means.extend_from_slice(&self.means[row * self.columns..][..self.columns]);
                }
                Style::Blended => self.row_at((y - part.top) as f32 / height as f32, &mut means),
            }
            let samples = line.iter_mut().skip(channel.first).step_by(channel.step).enumerate();
            for (x, value) in samples.skip(part.left).take(width) {
                let within = x - part.left;
                let coarse = match style {
                    Style::Blocks => means[within * self.columns / width],
                    Style::Blended => {
                        let (left, right, share) = places[within];
                        means[left] + (means[right] - means[left]) * share
                    }
                };
                let kept = keep(x, y);
                *value = (coarse + (f32::from(*value) - coarse) * kept).round() as u8;
            }
        }
    }
}

/// The mean of the known cells next to one, or in its row.
fn near(known: &[Option<f32>], columns: usize, at: usize) -> Option<f32> {
    let (x, y) = (at % columns, at / columns);
    let rows = known.len() / columns;
    for reach in 1..columns.max(rows) {
        let mut sum = (0.0, 0.0);
        for row in y.saturating_sub(reach)..(y + reach + 1).min(rows) {
            for column in x.saturating_sub(reach)..(x + reach + 1).min(columns) {
                if let Some(mean) = known[row * columns + column] {
                    sum = (sum.0 + mean, sum.1 + 1.0);
                }
            }
        }
        if sum.1 > 0.0 {
            return Some(sum.0 / sum.1);
        }
    }
    None
}
