//! Which pixels belong to something, and cleaning that up.

/// A picture of yes and no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 or 0 for each pixel, row by row.
    pub bits: Vec<u8>,
}

impl Mask {
    /// Nothing.
    pub fn empty(width: usize, height: usize) -> Self {
        Mask { width, height, bits: vec![0; width * height] }
    }

    /// How many pixels belong to it.
    pub fn count(&self) -> usize {
        // Sums of bytes in chunks that cannot overflow: the compiler adds many at once.
        self.bits.chunks(255).map(|chunk| usize::from(chunk.iter().sum::<u8>())).sum()
    }

    /// How many pixels belong to both.
    pub fn common(&self, other: &Mask) -> usize {
        let pairs = self.bits.chunks(255).zip(other.bits.chunks(255));
        pairs.map(|(a, b)| usize::from(a.iter().zip(b).map(|(a, b)| a & b).sum::<u8>())).sum()
    }

    /// What belongs to both.
    pub fn and(&self, other: &Mask) -> Mask {
        let bits = self.bits.iter().zip(&other.bits).map(|(a, b)| a & b).collect();
        Mask { bits, ..*self }
    }

    /// What belongs to this and not to the other.
    pub fn without(&self, other: &Mask) -> Mask {
        let bits = self.bits.iter().zip(&other.bits).map(|(a, b)| a & (b ^ 1)).collect();
        Mask { bits, ..*self }
    }

    /// With everything that is at most so many pixels away, across, down, or both.
    pub fn dilate(&self, radius: usize) -> Mask {
        self.by_neighbours(radius, |count, _| count > 0)
    }

    /// Only what has nothing but its own within so many pixels; beyond the picture's edge it goes on.
    pub fn erode(&self, radius: usize) -> Mask {
        self.by_neighbours(radius, |count, of| count == of)
    }

    /// Fills gaps and holes that are narrower than twice the radius.
    pub fn close(&self, radius: usize) -> Mask {
        self.dilate(radius).erode(radius)
    }

    /// Follows the majority around each pixel: drops specks, fills pinholes, and leaves straight edges where they are.
    pub fn smooth(&self, radius: usize) -> Mask {
        self.by_neighbours(radius, |count, of| 2 * count > of)
    }

    /// Each pixel by how many of its neighbours within a square belong to it, of how many.
    fn by_neighbours(&self, radius: usize, belongs: impl Fn(u32, u32) -> bool) -> Mask {
        let (width, height) = (self.width, self.height);
        if radius == 0 || self.bits.is_empty() {
            return self.clone();
        }
        let mut out = Mask::empty(width, height);
        // How many of each column are within the rows around y.
        let mut columns = vec![0u16; width];
        let row = |y: usize| &self.bits[y * width..(y + 1) * width];
        for y in 0..radius.min(height) {
            columns.iter_mut().zip(row(y)).for_each(|(sum, bit)| *sum += u16::from(*bit));
        }
        let mut sums = vec![0u32; width + 1];
        for y in 0..height {
            if y + radius < height {
                columns.iter_mut().zip(row(y + radius)).for_each(|(sum, bit)| *sum += u16::from(*bit));
            }
            if y > radius {
                columns.iter_mut().zip(row(y - radius - 1)).for_each(|(sum, bit)| *sum -= u16::from(*bit));
            }
            let tall = ((y + radius + 1).min(height) - y.saturating_sub(radius)) as u32;
            let mut sum = 0;
            for (total, column) in sums[1..].iter_mut().zip(&columns) {
                sum += u32::from(*column);
                *total = sum;
            }
            for (x, bit) in out.bits[y * width..(y + 1) * width].iter_mut().enumerate() {
                let (from, to) = (x.saturating_sub(radius), (x + radius + 1).min(width));
                *bit = u8::from(belongs(sums[to] - sums[from], tall * (to - from) as u32));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let bits = rows.concat().bytes().map(|b| u8::from(b == b'#')).collect();
        Mask { width: rows[0].len(), height: rows.len(), bits }
    }

    #[test]
    fn counts_are_right_beyond_a_byte() {
        let full = Mask { width: 40, height: 30, bits: vec![1; 1200] };
        assert_eq!((full.count(), full.common(&full)), (1200, 1200));
        assert_eq!(full.without(&full).count(), 0);
        assert_eq!(full.and(&full), full);
    }

    #[test]
    fn dilation_and_erosion_are_squares() {
        let dot = mask(&[".....", ".....", "..#..", ".....", "....."]);
        let block = mask(&[".....", ".###.", ".###.", ".###.", "....."]);
        assert_eq!(dot.dilate(1), block);
        assert_eq!(block.erode(1), dot);
        assert_eq!(dot.dilate(9).count(), 25);
        assert_eq!(dot.dilate(9).erode(9).count(), 25, "it goes on beyond the edge");
        assert_eq!(dot.dilate(0), dot);
    }

    #[test]
    fn closing_fills_and_smoothing_drops() {
        let torn = mask(&["........", ".##.##..", ".##.##..", "........", "......#."]);
        assert_eq!(torn.close(1).bits[11], 1, "the gap is filled");
        assert_eq!(torn.erode(1).count(), 0);
        let square = mask(&["######", "######", "##.###", "######"]);
        assert_eq!(square.smooth(1).count(), 24);
        assert_eq!(mask(&["...", ".#.", "..."]).smooth(1).count(), 0);
    }

    #[test]
    fn a_straight_edge_stays() {
        let half = Mask { width: 12, height: 8, bits: (0..96).map(|i| u8::from(i % 12 < 5)).collect() };
        assert_eq!(half.smooth(1), half);
        assert_eq!(half.close(2), half);
    }
}
