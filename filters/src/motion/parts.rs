//! Connected parts of a mask.

use super::mask::Mask;

/// Pixels of a mask that touch each other, also diagonally.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part {
    /// How many pixels.
    pub area: usize,
    /// The leftmost column.
    pub left: usize,
    /// The uppermost row.
    pub top: usize,
    /// The column after the rightmost one.
    pub right: usize,
    /// The row after the lowest one.
    pub bottom: usize,
    /// The mean place of its pixels, of pixel centres.
    pub centre: [f32; 2],
}

/// A stretch of a row that belongs to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The row.
    pub y: usize,
    /// The first column.
    pub start: usize,
    /// The column after the last one.
    pub end: usize,
    /// Which part, an index.
    pub part: usize,
}

/// All parts of a mask, from the top down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// The parts.
    pub parts: Vec<Part>,
    /// Their pixels.
    pub runs: Vec<Run>,
}

/// The parts of a mask.
pub fn parts(mask: &Mask) -> Parts {
    let mut runs: Vec<Run> = Vec::new();
    // Which group a group was found to be one with; a group that is the first of its kind names itself.
    let mut groups: Vec<usize> = Vec::new();
    let mut above = 0..0;
    for y in 0..mask.height {
        let first = runs.len();
        let mut candidate = above.start;
        for (start, end) in stretches(&mask.bits[y * mask.width..(y + 1) * mask.width]) {
            let mut group = None;
            // Runs above that touch it end after `start - 1` and start before `end + 1`.
            while candidate < above.end && runs[candidate].end < start {
                candidate += 1;
            }
            let mut other = candidate;
            while other < above.end && runs[other].start <= end {
                let root = root(&mut groups, runs[other].part);
                match group {
                    None => group = Some(root),
                    Some(mine) if mine != root => {
                        let (low, high) = (mine.min(root), mine.max(root));
                        groups[high] = low;
                        group = Some(low);
                    }
                    Some(_) => {}
                }
                other += 1;
            }
            let part = group.unwrap_or_else(|| {
                groups.push(groups.len());
                groups.len() - 1
            });
            runs.push(Run { y, start, end, part });
        }
        above = first..runs.len();
    }
    collect(runs, groups)
}

fn root(groups: &mut [usize], mut group: usize) -> usize {
    while groups[group] != group {
        groups[group] = groups[groups[group]];
        group = groups[group];
    }
    group
}

fn collect(mut runs: Vec<Run>, mut groups: Vec<usize>) -> Parts {
    let mut names = vec![usize::MAX; groups.len()];
    let mut parts: Vec<Part> = Vec::new();
    let mut sums: Vec<[f64; 2]> = Vec::new();
    for run in &mut runs {
        let root = root(&mut groups, run.part);
        if names[root] == usize::MAX {
            names[root] = parts.len();
            parts.push(Part { left: run.start, top: run.y, ..Part::default() });
            sums.push([0.0; 2]);
        }
        run.part = names[root];
        let (part, sum) = (&mut parts[run.part], &mut sums[run.part]);
        let length = run.end - run.start;
        part.area += length;
        part.left = part.left.min(run.start);
        part.right = part.right.max(run.end);
        part.bottom = run.y + 1;
        sum[0] += length as f64 * (run.start + run.end - 1) as f64 / 2.0;
        sum[1] += (length * run.y) as f64;
    }
    for (part, sum) in parts.iter_mut().zip(sums) {
        part.centre = sum.map(|s| (s / part.area as f64) as f32);
    }
    Parts { parts, runs }
}

/// Where ones begin and end.
fn stretches(row: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + row[at..].iter().position(|bit| *bit != 0)?;
        let end = row[start..].iter().position(|bit| *bit == 0).map_or(row.len(), |length| start + length);
        at = end;
        Some((start, end))
    })
}

impl Parts {
    /// Takes the parts for which `drop` says so out of a mask.
    pub fn erase(&self, mask: &mut Mask, drop: impl Fn(usize, &Part) -> bool) {
        let gone: Vec<bool> = self.parts.iter().enumerate().map(|(i, part)| drop(i, part)).collect();
        for run in self.runs.iter().filter(|run| gone[run.part]) {
            mask.bits[run.y * mask.width + run.start..run.y * mask.width + run.end].fill(0);
        }
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
    fn parts_touch_diagonally_and_across_detours() {
        let found = parts(&mask(&["#.#..#", "#.#.#.", "###...", "....##"]));
        let areas: Vec<usize> = found.parts.iter().map(|p| p.area).collect();
        assert_eq!(areas, [7, 2, 2]);
        let first = found.parts[0];
        assert_eq!((first.left, first.top, first.right, first.bottom), (0, 0, 3, 3));
        assert_eq!(first.centre, [1.0, 8.0 / 7.0]);
        assert_eq!(found.runs.iter().map(|r| r.end - r.start).sum::<usize>(), 11);
    }

    #[test]
    fn a_spiral_and_a_comb_are_one() {
        let spiral = mask(&["#######", "......#", "#####.#", "#...#.#", "#.###.#", "#.....#", "#######"]);
        assert_eq!(parts(&spiral).parts.len(), 1);
        let comb = mask(&["#.#.#.#", "#.#.#.#", "#######"]);
        assert_eq!(parts(&comb).parts.len(), 1);
        assert_eq!(parts(&Mask::empty(5, 4)), Parts::default());
        assert_eq!(parts(&Mask::default()).parts.len(), 0);
    }

    #[test]
    fn small_parts_can_be_taken_out() {
        let mut speckled = mask(&["#...##", "....##", "#.....", "......"]);
        parts(&speckled.clone()).erase(&mut speckled, |_, part| part.area < 3);
        assert_eq!(speckled, mask(&["....##", "....##", "......", "......"]));
    }

    #[test]
    fn it_agrees_with_a_flood_fill() {
        // A picture without any order to it: every bit from a small generator.
        let mut state = 7u32;
        let bits = (0..60 * 40).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::from(state >> 24 < 110)
        });
        let mask = Mask { width: 60, height: 40, bits: bits.collect() };
        let mut left = mask.bits.clone();
        let mut areas = Vec::new();
        for start in 0..left.len() {
            let mut stack = vec![start];
            let mut area = 0;
            while let Some(at) = stack.pop() {
                if std::mem::take(&mut left[at]) == 0 {
                    continue;
                }
                area += 1;
                let (x, y) = (at as i32 % 60, at as i32 / 60);
                for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
                    let (x, y) = (x + dx, y + dy);
                    if (0..60).contains(&x) && (0..40).contains(&y) {
                        stack.push((y * 60 + x) as usize);
                    }
                }
            }
            areas.extend((area > 0).then_some(area));
        }
        let mut found: Vec<i32> = parts(&mask).parts.iter().map(|p| p.area as i32).collect();
        found.sort_unstable();
        areas.sort_unstable();
        assert_eq!(found, areas);
    }
}
