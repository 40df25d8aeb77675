//! Regions of a picture, such as detected faces, as buffer metadata.
//!
//! They ride on buffers as `GstVideoRegionOfInterestMeta`, so other programs' elements see them. Its rectangle is in
//! pixels and clipped to the picture; the exact values are in its parameter structures, relative to the picture, so
//! that scaling the video leaves them true: `detection` {`x_min`, `y_max`, ..., `confidence`}, `object_id` {`id`},
//! `keypoints` {`points`: x and y in turn}, `attributes` {`json`}.

use std::ops::ControlFlow;

use gst::buffer::BufferMetaForeachAction as Action;
use gst::prelude::*;
use gst_video::VideoRegionOfInterestMeta;

/// A region of a picture. All coordinates are relative to the picture: 0 is left or top, 1 is right or bottom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Region {
    /// What it is: `face`.
    pub label: String,
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// The number that follows this thing from picture to picture.
    pub track: Option<u64>,
    /// Points of interest, in an order that the label implies. For a face: the eye on the left of the picture, the
    /// other eye, nose, mouth corners left and right.
    pub keypoints: Vec<[f32; 2]>,
    /// What else is known of it: the text of a plate, the type of a code.
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

impl Region {
    /// The centre.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// How much of the two regions' union is common to both, 0 to 1.
    pub fn overlap(&self, other: &Region) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let common = width * height;
        let union = self.width * self.height + other.width * other.height - common;
        if union > 0.0 { common / union } else { 0.0 }
    }
}

/// Puts a region on a buffer of `width` x `height` pixels.
pub fn attach(buffer: &mut gst::BufferRef, region: &Region, width: u32, height: u32) {
    let pixel = |v: f32, size: u32| (v.clamp(0.0, 1.0) * size as f32).round() as u32;
    let (left, top) = (pixel(region.x, width), pixel(region.y, height));
    let right = pixel(region.x + region.width, width).max(left);
    let bottom = pixel(region.y + region.height, height).max(top);
    let mut meta =
        VideoRegionOfInterestMeta::add(buffer, &region.label, (left, top, right - left, bottom - top));
    if let Some(track) = region.track {
        meta.set_id(i32::try_from(track & 0x7fff_ffff).unwrap_or(0));
        meta.add_param(gst::Structure::builder("object_id").field("id", track).build());
    }
    meta.add_param(
        gst::Structure::builder("detection")
            .field("x_min", f64::from(region.x))
            .field("y_min", f64::from(region.y))
            .field("x_max", f64::from(region.x + region.width))
            .field("y_max", f64::from(region.y + region.height))
            .field("confidence", f64::from(region.score))
            .build(),
    );
    if !region.keypoints.is_empty() {
        let points =
            gst::Array::new(region.keypoints.iter().flatten().map(|v| f64::from(*v).to_send_value()));
        meta.add_param(gst::Structure::builder("keypoints").field("points", points).build());
    }
    if !region.attributes.is_empty() {
        // As text, because a structure has no place for nested values.
        let json = serde_json::to_string(&region.attributes).unwrap_or_default();
        meta.add_param(gst::Structure::builder("attributes").field("json", json).build());
    }
}

/// Takes all regions off a buffer: for who puts on better ones, such as a tracker.
pub fn clear(buffer: &mut gst::BufferRef) {
    buffer.foreach_meta_mut(|mut meta| {
        let is_region = meta.downcast_ref::<VideoRegionOfInterestMeta>().is_some();
        ControlFlow::Continue(if is_region { Action::Remove } else { Action::Keep })
    });
}

/// The regions on a buffer of `width` x `height` pixels, whoever put them there.
pub fn read(buffer: &gst::BufferRef, width: u32, height: u32) -> Vec<Region> {
    buffer.iter_meta::<VideoRegionOfInterestMeta>().map(|meta| from_meta(&meta, width, height)).collect()
}

fn from_meta(meta: &VideoRegionOfInterestMeta, width: u32, height: u32) -> Region {
    let (x, y, w, h) = meta.rect();
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    let mut region = Region {
        label: meta.roi_type().to_owned(),
        x: x as f32 / width,
        y: y as f32 / height,
        width: w as f32 / width,
        height: h as f32 / height,
        score: 1.0,
        ..Region::default()
    };
    if let Some(detection) = meta.param("detection") {
        let get = |name: &str| detection.get::<f64>(name).ok().map(|v| v as f32).filter(|v| v.is_finite());
        if let (Some(left), Some(top), Some(right), Some(bottom)) =
            (get("x_min"), get("y_min"), get("x_max"), get("y_max"))
        {
            (region.x, region.y, region.width, region.height) = (left, top, right - left, bottom - top);
        }
        region.score = get("confidence").unwrap_or(region.score);
    }
    region.track = meta.param("object_id").and_then(|s| {
        s.get::<u64>("id").ok().or_else(|| s.get::<i32>("id").ok().and_then(|id| u64::try_from(id).ok()))
    });
    if let Some(points) = meta.param("keypoints").and_then(|s| s.get::<gst::Array>("points").ok()) {
        let flat: Vec<f32> = points.iter().filter_map(|v| v.get::<f64>().ok()).map(|v| v as f32).collect();
        region.keypoints = flat.as_chunks::<2>().0.to_vec();
    }
    if let Some(json) = meta.param("attributes").and_then(|s| s.get::<&str>("json").ok()) {
        region.attributes = serde_json::from_str(json).unwrap_or_default();
    }
    region
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face() -> Region {
        Region {
            label: "face".into(),
            x: -0.1,
            y: 0.25,
            width: 0.5,
            height: 0.125,
            score: 0.75,
            track: Some(7),
            keypoints: vec![[0.25, 0.5], [0.5, 0.5]],
            attributes: serde_json::from_str(r#"{"text": "B-AN 1", "corners": [[0.1, 0.2]]}"#).unwrap(),
        }
    }

    #[test]
    fn regions_survive_the_buffer() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        attach(buffer.make_mut(), &face(), 160, 120);
        let back = read(&buffer, 160, 120);
        assert_eq!(back.len(), 1);
        assert!((back[0].width - 0.5).abs() < 1e-6);
        assert_eq!(Region { width: 0.5, ..back[0].clone() }, face());
        let meta = buffer.meta::<VideoRegionOfInterestMeta>().unwrap();
        assert_eq!(meta.rect(), (0, 30, 64, 15), "clipped to the picture");
        clear(buffer.make_mut());
        assert!(read(&buffer, 160, 120).is_empty());
        clear(buffer.make_mut());
        assert!(read(&buffer, 160, 120).is_empty());
    }

    #[test]
    fn plain_regions_of_other_elements_are_read() {
        gst::init().unwrap();
        let mut buffer = gst::Buffer::new();
        VideoRegionOfInterestMeta::add(buffer.make_mut(), "car", (10, 20, 30, 40));
        let region = &read(&buffer, 100, 200)[0];
        assert_eq!((region.label.as_str(), region.x, region.height), ("car", 0.1, 0.2));
        assert!(read(&buffer, 0, 0)[0].x.is_finite());
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = Region { width: 0.2, height: 0.2, ..Region::default() };
        let b = Region { x: 0.1, width: 0.2, height: 0.2, ..Region::default() };
        assert!((a.overlap(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.overlap(&Region { x: 0.5, width: 0.1, height: 0.1, ..Region::default() }), 0.0);
        assert_eq!(Region::default().overlap(&Region::default()), 0.0);
    }
}
