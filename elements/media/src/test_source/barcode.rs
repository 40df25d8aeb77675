//! The frame counter in the picture: a strip of black and white cells, painted and read on a luma plane.
//!
//! Layout: the strip lies at the top of the picture, is as wide as the picture and a tenth of its height, at least
//! [`MIN_STRIP`] rows. It has [`CELLS`] cells of equal width, each [`WHITE`] for 1 or [`BLACK`] for 0:
//!
//! | cells | meaning |
//! |---|---|
//! | 0, 1 | 1 0: start, and the levels to compare with |
//! | 2 to 25 | the counter modulo 2^24, most significant bit first |
//! | 26 to 29 | check: the counter's six nibbles and 0xA, all XORed |
//! | 30, 31 | 0 1: end |
//!
//! Only the middle half of each cell is read, so scaling and low bit rates may blur its edges. Pictures narrower than
//! [`MIN_WIDTH`] or lower than [`MIN_HEIGHT`] have no counter.

/// Cells in the strip.
pub const CELLS: usize = 32;
/// Narrowest picture that has a counter, pixels.
pub const MIN_WIDTH: usize = CELLS * 2;
/// Lowest picture that has a counter, pixels.
pub const MIN_HEIGHT: usize = 16;
/// Lowest strip, rows.
pub const MIN_STRIP: usize = 8;
/// Luma of a cell that says 1.
pub const WHITE: u8 = 235;
/// Luma of a cell that says 0.
pub const BLACK: u8 = 16;
/// Bits of the counter; it starts again at 2^24.
pub const COUNTER_BITS: u32 = 24;

const CHECK_BITS: u32 = 4;
/// White and black must differ by this much, or it is no strip.
const MIN_CONTRAST: u32 = 64;

/// Rows of the strip in a picture of this height.
pub fn strip_height(height: usize) -> usize {
    (height / 10).max(MIN_STRIP)
}

/// Whether a picture of this size has room for a counter.
pub fn fits(width: usize, height: usize) -> bool {
    width >= MIN_WIDTH && height >= MIN_HEIGHT
}

/// Paints the counter into a luma plane whose rows are `stride` bytes apart. Does nothing if the picture is too small
/// or the plane is shorter than its size says.
pub fn paint(luma: &mut [u8], stride: usize, width: usize, height: usize, counter: u64) {
    if !fits(width, height) || stride < width || luma.len() < stride * (height - 1) + width {
        return;
    }
    let code = code(counter);
    let (first, rest) = luma.split_at_mut(stride.min(luma.len()));
    for cell in 0..CELLS {
        let level = if code >> (CELLS - 1 - cell) & 1 == 1 { WHITE } else { BLACK };
        let (from, to) = columns(cell, width);
        first[from..to].fill(level);
    }
    for row in rest.chunks_mut(stride).take(strip_height(height) - 1) {
        row[..width].copy_from_slice(&first[..width]);
    }
}

/// Reads the counter from a luma plane; `None` if there is none, or it is too damaged to be trusted.
pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<u64> {
    if !fits(width, height) || stride < width || luma.len() < stride * (height - 1) + width {
        return None;
    }
    let levels: [u32; CELLS] = std::array::from_fn(|cell| level(luma, stride, width, height, cell));
    let white = (levels[0] + levels[CELLS - 1]) / 2;
    let black = (levels[1] + levels[CELLS - 2]) / 2;
    if white < black + MIN_CONTRAST {
        return None;
    }
    let (middle, doubt) = ((white + black) / 2, (white - black) / 10);
    let mut code = 0u32;
    for level in levels {
        if level.abs_diff(middle) < doubt {
            return None;
        }
        code = code << 1 | u32::from(level > middle);
    }
    let counter = u64::from(code >> (2 + CHECK_BITS) & ((1 << COUNTER_BITS) - 1));
    (code == self::code(counter)).then_some(counter)
}

/// The strip as 32 bits, the leftmost cell being the most significant one.
fn code(counter: u64) -> u32 {
    let counter = (counter & ((1 << COUNTER_BITS) - 1)) as u32;
    let check = (0..COUNTER_BITS / 4).fold(0xA, |check, i| check ^ (counter >> (4 * i) & 0xF));
    0b10 << 30 | counter << (2 + CHECK_BITS) | check << 2 | 0b01
}

fn columns(cell: usize, width: usize) -> (usize, usize) {
    (cell * width / CELLS, (cell + 1) * width / CELLS)
}

/// Mean luma of the middle of a cell.
fn level(luma: &[u8], stride: usize, width: usize, height: usize, cell: usize) -> u32 {
    let (from, to) = columns(cell, width);
    let (from, to) = middle(from, to);
    let (top, bottom) = middle(0, strip_height(height));
    let (mut sum, mut count) = (0u32, 0u32);
    for row in top..bottom {
        for value in &luma[row * stride + from..row * stride + to] {
            sum += u32::from(*value);
            count += 1;
        }
    }
    sum / count.max(1)
}

/// The middle half of a range, at least one long.
fn middle(from: usize, to: usize) -> (usize, usize) {
    let quarter = (to - from) / 4;
    (from + quarter, to - quarter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: usize, height: usize, counter: u64) -> Vec<u8> {
        let mut luma = vec![90u8; width * height];
        paint(&mut luma, width, width, height, counter);
        luma
    }

    #[test]
    fn what_is_painted_is_read() {
        for (width, height) in [(64, 16), (65, 17), (160, 90), (321, 241), (1920, 1080)] {
            for counter in [0, 1, 2, 255, 65_535, 1_000_000, (1 << 24) - 1] {
                let luma = picture(width, height, counter);
                assert_eq!(read(&luma, width, width, height), Some(counter), "{width}x{height}");
            }
        }
    }

    #[test]
    fn the_counter_starts_again_after_24_bits() {
        let luma = picture(320, 240, (1 << 24) + 7);
        assert_eq!(read(&luma, 320, 320, 240), Some(7));
    }

    #[test]
    fn small_pictures_have_none_and_short_planes_are_left_alone() {
        for (width, height) in [(1, 1), (63, 100), (100, 15)] {
            let luma = picture(width, height, 5);
            assert!(luma.iter().all(|v| *v == 90));
            assert_eq!(read(&luma, width, width, height), None);
        }
        paint(&mut [0; 10], 320, 320, 240, 1);
        assert_eq!(read(&[0; 10], 320, 320, 240), None);
    }

    #[test]
    fn pictures_without_a_strip_are_refused() {
        assert_eq!(read(&vec![90; 320 * 240], 320, 320, 240), None);
        let noise: Vec<u8> = (0..320 * 240u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(read(&noise, 320, 320, 240), None);
        let mut damaged = picture(320, 240, 77);
        for row in damaged.chunks_mut(320).take(24) {
            row[100..110].fill(BLACK);
            row[110..120].fill(WHITE);
        }
        assert_ne!(read(&damaged, 320, 320, 240), Some(78), "damage is never another number nearby");
    }

    #[test]
    fn half_the_size_and_less_contrast_still_read() {
        let (width, height) = (320, 240);
        let luma = picture(width, height, 123_456);
        let half: Vec<u8> = (0..height / 2)
            .flat_map(|y| (0..width / 2).map(move |x| (x * 2, y * 2)))
            .map(|(x, y)| {
                let sum: u32 = [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .iter()
                    .map(|(dx, dy)| u32::from(luma[(y + dy) * width + x + dx]))
                    .sum();
                (sum / 8 + 40) as u8
            })
            .collect();
        assert_eq!(read(&half, width / 2, width / 2, height / 2), Some(123_456));
    }
}
