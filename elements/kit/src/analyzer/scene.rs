//! Noticing cuts, so that nothing found before a cut is shown after it.

use gst_video::VideoFormat;

use crate::frame::Picture;

const COLUMNS: usize = 16;
const ROWS: usize = 12;
/// The mean difference of brightness, of 255, that makes a cut. Pans and moving people stay well below.
const CUT: i32 = 28;

/// A few points of the last picture, and when its scene began.
#[derive(Debug, Default)]
pub(super) struct Scene {
    points: Vec<i32>,
    began: Option<gst::ClockTime>,
}

impl Scene {
    /// Whether this picture is the first one of a new scene.
    pub(super) fn is_new(&mut self, picture: &Picture<'_>, time: gst::ClockTime) -> bool {
        // Time ran backwards: another round of the film.
        self.began = self.began.filter(|began| time >= *began);
        let mut points = points(picture);
        // A light that goes on is no cut: only the pattern counts.
        let mean = points.iter().sum::<i32>() / points.len().max(1) as i32;
        points.iter_mut().for_each(|p| *p -= mean);
        let difference: i32 = points.iter().zip(&self.points).map(|(a, b)| (a - b).abs()).sum();
        let cut = self.points.len() == points.len() && difference > CUT * points.len() as i32;
        self.points = points;
        if cut {
            self.began = Some(time);
        }
        cut
    }

    /// Whether a time is before the last cut.
    pub(super) fn is_before(&self, time: gst::ClockTime) -> bool {
        self.began.is_some_and(|began| time < began)
    }
}

/// Luma (or green) at points that are spread evenly.
fn points(picture: &Picture<'_>) -> Vec<i32> {
    let (step, first) = match picture.format() {
        VideoFormat::I420 | VideoFormat::Nv12 | VideoFormat::Gray8 => (1, 0),
        _ => (4, 1),
    };
    let mut points = Vec::with_capacity(COLUMNS * ROWS);
    for row in 0..ROWS {
        let line = picture.row(0, (2 * row + 1) * picture.height() / (2 * ROWS));
        for column in 0..COLUMNS {
            let x = (2 * column + 1) * picture.width() / (2 * COLUMNS);
            points.push(i32::from(line.get(x * step + first).copied().unwrap_or_default()));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use gst_video::VideoInfo;

    use super::*;

    #[test]
    fn cuts_are_noticed_and_pans_and_lights_are_not() {
        gst::init().unwrap();
        let info = VideoInfo::builder(VideoFormat::Gray8, 64, 48).build().unwrap();
        let picture = |shade: &dyn Fn(usize, usize) -> usize| -> Vec<u8> {
            (0..48)
                .flat_map(|y| (0..64).map(move |x| (x, y)))
                .map(|(x, y)| shade(x, y).min(255) as u8)
                .collect()
        };
        let mut scene = Scene::default();
        let mut at = 0;
        let mut is_new = |bytes: &[u8]| {
            at += 40;
            scene.is_new(&Picture::new(&info, [bytes, &[], &[], &[]]), gst::ClockTime::from_mseconds(at))
        };
        assert!(!is_new(&picture(&|x, _| x * 3)), "the first picture is no cut");
        assert!(!is_new(&picture(&|x, _| (x + 4) * 3)), "a pan");
        assert!(!is_new(&picture(&|x, _| (x + 4) * 3 + 50)), "a light");
        assert!(is_new(&picture(&|x, y| (63 - x) * 3 + y)), "a cut");
        assert!(!is_new(&picture(&|x, y| (63 - x) * 3 + y)));
        assert!(scene.is_before(gst::ClockTime::from_mseconds(159)));
        assert!(!scene.is_before(gst::ClockTime::from_mseconds(160)));
    }
}
