//! Where people have been.

use std::time::Duration;

use crate::motion::mask::Mask;

/// A cell of the map is so many pixels wide and tall.
const CELL: usize = 4;

/// A map that warms up where somebody is and cools down with time.
#[derive(Clone, Debug, Default)]
pub struct Heat {
    width: usize,
    cells: Vec<f32>,
}

impl Heat {
    /// Takes one look. `half` is the time after which a place has half its heat.
    pub fn update(&mut self, occupied: &Mask, since: Duration, half: Duration) {
        let (width, height) = (occupied.width.div_ceil(CELL), occupied.height.div_ceil(CELL));
        if self.width != width || self.cells.len() != width * height {
            *self = Heat { width, cells: vec![0.0; width * height] };
        }
        let keep = 0.5f32.powf(since.as_secs_f32() / half.as_secs_f32().max(0.001));
        let warm = since.as_secs_f32().min(1.0) / (CELL * CELL) as f32;
        self.cells.iter_mut().for_each(|cell| *cell *= keep);
        for (y, row) in occupied.bits.chunks(occupied.width.max(1)).enumerate() {
            let cells = &mut self.cells[y / CELL * width..][..width];
            for (cell, bits) in cells.iter_mut().zip(row.chunks(CELL)) {
                *cell += warm * f32::from(bits.iter().sum::<u8>());
            }
        }
    }

    /// The map as bytes, the hottest cell 255, with its width and height.
    pub fn map(&self) -> (Vec<u8>, usize, usize) {
        let hottest = self.cells.iter().copied().fold(0.2f32, f32::max);
        let map = self.cells.iter().map(|cell| (cell / hottest * 255.0) as u8).collect();
        (map, self.width, self.cells.len() / self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warms_and_cools() {
        let mut heat = Heat::default();
        let tick = Duration::from_millis(100);
        let left = Mask { width: 10, height: 6, bits: (0..60).map(|i| u8::from(i % 10 < 4)).collect() };
        let right = Mask {
            width: 10,
            height: 6,
            bits: (0..60).map(|i| u8::from((4..8).contains(&(i % 10)))).collect(),
        };
        (0..50).for_each(|_| heat.update(&left, tick, Duration::from_secs(5)));
        let (map, width, height) = heat.map();
        assert_eq!((width, height, map.len()), (3, 2, 6));
        assert_eq!((map[0], map[1]), (255, 0));
        (0..50).for_each(|_| heat.update(&right, tick, Duration::from_secs(5)));
        let (map, ..) = heat.map();
        assert_eq!(map[1], 255);
        assert!((100..155).contains(&map[0]), "half is left: {}", map[0]);
        assert_eq!(Heat::default().map().0.len(), 0);
    }
}
