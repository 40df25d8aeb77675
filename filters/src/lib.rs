//! The filters, one file each.
//!
//! A new file here is a new filter; nothing else has to be touched. What several filters share, or one is made of, is in
//! folders: `nets` (neural networks: from a picture to their input, and what their outputs mean), `faces`, `people`,
//! `plates` and `selfie` (what is found with them), `motion` (seeing motion), `crowd`, `pointer` and `keying` (what is
//! made of it), `mosaic` (coarse pictures) and `sprite` (drawing pictures into pictures). The crate is a GStreamer plugin
//! as well: `GST_PLUGIN_PATH=target/release gst-inspect-1.0 gstanabranchfilters`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod crowd;
mod faces;
mod keying;
mod mosaic;
mod motion;
pub mod nets;
mod people;
mod plates;
mod pointer;
mod selfie;
mod sprite;
mod text;

automod::dir!("src");

anabranch_kit::plugin!(anabranchfilters, "2026-11-22");
