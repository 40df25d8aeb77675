//! Golden pictures: what a filter made once and a person approved of.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// Where pictures that differ are written: `target/golden`.
pub fn golden_dir() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let target = exe.ancestors().find(|p| p.file_name().is_some_and(|n| n == "target"));
    target.unwrap_or(Path::new("target")).join("golden")
}

/// Compares a picture (of format RGBA) with the PNG file `golden`. `tolerance` is the mean square error per component
/// that is allowed; 0 means that every byte must be the same. With `UPDATE_GOLDEN=1` the file is written instead. On a
/// difference `actual`, `expected` and `diff` pictures are written under `target/golden`.
///
/// # Panics
///
/// If the pictures differ: this is for tests.
pub fn check_golden(sample: &gst::Sample, golden: impl AsRef<Path>, tolerance: f64) {
    let golden = golden.as_ref();
    let info = gst_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    assert_eq!(info.format(), gst_video::VideoFormat::Rgba, "golden pictures are RGBA");
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info).unwrap();
    let (width, height) = (info.width(), info.height());
    let stride = info.stride()[0] as usize;
    let rows = frame.plane_data(0).unwrap().chunks(stride).take(height as usize);
    let bytes = rows.flat_map(|row| &row[..4 * width as usize]).copied().collect();
    let actual = image::RgbaImage::from_raw(width, height, bytes).unwrap();
    if std::env::var("UPDATE_GOLDEN").is_ok_and(|v| v == "1") {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        actual.save(golden).unwrap();
        return;
    }
    let out = golden_dir();
    let name = golden.file_stem().unwrap().to_string_lossy().into_owned();
    let save = |what: &str, picture: &image::RgbaImage| {
        std::fs::create_dir_all(&out).unwrap();
        picture.save(out.join(format!("{name}.{what}.png"))).unwrap();
    };
    let Ok(expected) = image::open(golden) else {
        save("actual", &actual);
        panic!(
            "there is no {}; look at {}/{name}.actual.png and run with UPDATE_GOLDEN=1",
            golden.display(),
            out.display()
        );
    };
    let expected = expected.into_rgba8();
    let same_size = expected.dimensions() == actual.dimensions();
    let error = if same_size { mean_square_error(&actual, &expected) } else { f64::INFINITY };
    if error > tolerance {
        save("actual", &actual);
        save("expected", &expected);
        if same_size {
            let differ = |(a, b): (&u8, &u8)| a.abs_diff(*b).saturating_mul(8);
            let mut bytes: Vec<u8> = actual.as_raw().iter().zip(expected.as_raw()).map(differ).collect();
            bytes.chunks_mut(4).for_each(|pixel| pixel[3] = 255);
            save("diff", &image::RgbaImage::from_raw(width, height, bytes).unwrap());
        }
        panic!("differs from {} (error {error:.3}); see {}/{name}.*.png", golden.display(), out.display());
    }
}

fn mean_square_error(a: &image::RgbaImage, b: &image::RgbaImage) -> f64 {
    let squares = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| {
        let difference = f64::from(a.abs_diff(*b));
        difference * difference
    });
    squares.sum::<f64>() / a.as_raw().len().max(1) as f64
}
