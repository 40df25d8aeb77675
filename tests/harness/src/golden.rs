//! Golden pictures: what a filter makes is compared with a picture that a person has looked at.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::RgbaImage;

/// Mean of the squared differences of all channels, 0.0..=65025.0. None if the sizes differ.
pub fn mean_square_error(a: &RgbaImage, b: &RgbaImage) -> Option<f64> {
    if a.dimensions() != b.dimensions() {
        return None;
    }
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2)).sum();
    Some(sum as f64 / a.as_raw().len().max(1) as f64)
}

/// Compares a picture with the golden one at `path` (PNG). With `UPDATE_GOLDEN=1` the golden one is written instead.
///
/// # Errors
/// If they differ by more than `limit` (mean square error), with the place where actual, expected and difference lie.
pub fn assert_golden(actual: &RgbaImage, path: impl AsRef<Path>, limit: f64) -> Result<()> {
    let path = path.as_ref();
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        return actual.save(path).with_context(|| format!("cannot write {}", path.display()));
    }
    let expected = image::open(path)
        .with_context(|| format!("no golden picture {}: UPDATE_GOLDEN=1 makes it", path.display()))?
        .to_rgba8();
    let error = mean_square_error(actual, &expected);
    if error.is_some_and(|e| e <= limit) {
        return Ok(());
    }
    let folder = report_folder(path)?;
    actual.save(folder.join("actual.png"))?;
    expected.save(folder.join("expected.png"))?;
    let verdict = match error {
        Some(error) => {
            difference(actual, &expected).save(folder.join("diff.png"))?;
            format!("mean square error {error:.2}, at most {limit} is allowed")
        }
        None => format!("size {:?} instead of {:?}", actual.dimensions(), expected.dimensions()),
    };
    bail!("{} is not what it was: {verdict}; see {}", path.display(), folder.display())
}

/// Differences made visible: brighter is worse.
fn difference(a: &RgbaImage, b: &RgbaImage) -> RgbaImage {
    RgbaImage::from_fn(a.width(), a.height(), |x, y| {
        let (p, q) = (a.get_pixel(x, y), b.get_pixel(x, y));
        let channel = |i: usize| p[i].abs_diff(q[i]).saturating_mul(4);
        image::Rgba([channel(0).max(channel(3)), channel(1).max(channel(3)), channel(2).max(channel(3)), 255])
    })
}

fn report_folder(golden: &Path) -> Result<PathBuf> {
    let name = golden.file_stem().and_then(|s| s.to_str()).unwrap_or("unnamed");
    let folder = crate::binary::target_folder()?.join("golden").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_have_no_error_and_other_sizes_none_at_all() {
        let a = RgbaImage::from_pixel(4, 4, image::Rgba([10, 20, 30, 255]));
        let b = RgbaImage::from_pixel(4, 4, image::Rgba([12, 20, 30, 255]));
        assert_eq!(mean_square_error(&a, &a), Some(0.0));
        assert_eq!(mean_square_error(&a, &b), Some(1.0));
        assert_eq!(mean_square_error(&a, &RgbaImage::new(3, 4)), None);
    }
}
