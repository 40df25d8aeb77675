//! WebM that grows: a segment of unknown size, and a cluster for each fragment (RFC 9559).

use anabranch_graph::format::Format;
use bytes::Bytes;

use super::cutter::Fragment;
use super::track::TrackFormat;

/// Of unknown size, in eight bytes.
const UNKNOWN: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// What Opus needs before a point to be right there, nanoseconds.
const OPUS_PREROLL: u64 = 80_000_000;

fn size(out: &mut Vec<u8>, size: usize) {
    let bytes = (1..8u32).find(|n| (size as u64) < (1 << (7 * n)) - 1).unwrap_or(8);
    let coded = size as u64 | 1 << (7 * bytes);
    out.extend_from_slice(&coded.to_be_bytes()[8 - bytes as usize..]);
}

fn id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

fn data(out: &mut Vec<u8>, name: u32, bytes: &[u8]) {
    id(out, name);
    size(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn number(out: &mut Vec<u8>, name: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let skip = (value.leading_zeros() as usize / 8).min(7);
    data(out, name, &bytes[skip..]);
}

fn master(out: &mut Vec<u8>, name: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inside = Vec::new();
    fill(&mut inside);
    data(out, name, &inside);
}

/// The header: EBML, and the segment up to its tracks.
pub fn header(tracks: &[Option<TrackFormat>; 2]) -> Bytes {
    let mut out = Vec::with_capacity(512);
    master(&mut out, 0x1a45_dfa3, |out| {
        for (name, value) in [(0x4286, 1), (0x42f7, 1), (0x42f2, 4), (0x42f3, 8)] {
            number(out, name, value);
        }
        data(out, 0x4282, b"webm");
        number(out, 0x4287, 4);
        number(out, 0x4285, 2);
    });
    id(&mut out, 0x1853_8067);
    out.extend_from_slice(&UNKNOWN);
    master(&mut out, 0x1549_a966, |out| {
        number(out, 0x2a_d7b1, 1_000_000);
        data(out, 0x4d80, b"Anabranch");
        data(out, 0x5741, b"Anabranch");
    });
    master(&mut out, 0x1654_ae6b, |out| {
        for (index, track) in tracks.iter().enumerate() {
            if let Some(track) = track {
                master(out, 0xae, |out| entry(out, index as u64 + 1, track));
            }
        }
    });
    out.into()
}

fn entry(out: &mut Vec<u8>, number_of: u64, track: &TrackFormat) {
    number(out, 0xd7, number_of);
    number(out, 0x73c5, number_of);
    number(out, 0x9c, 0);
    match track.format {
        Format::Opus => {
            number(out, 0x83, 2);
            data(out, 0x86, b"A_OPUS");
            number(out, 0x56bb, OPUS_PREROLL);
            data(out, 0x63a2, &opus_head(track));
            master(out, 0xe1, |out| {
                data(out, 0xb5, &f64::from(track.rate).to_be_bytes());
                number(out, 0x9f, u64::from(track.channels));
            });
        }
        ref format => {
            number(out, 0x83, 1);
            data(out, 0x86, if *format == Format::Vp9 { b"V_VP9" } else { b"V_VP8" });
            master(out, 0xe0, |out| {
                number(out, 0xb0, u64::from(track.width));
                number(out, 0xba, u64::from(track.height));
            });
        }
    }
}

fn opus_head(track: &TrackFormat) -> Vec<u8> {
    let mut head = b"OpusHead\x01".to_vec();
    head.push(track.channels as u8);
    head.extend_from_slice(&0u16.to_le_bytes());
    head.extend_from_slice(&track.rate.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// A cluster.
pub fn cluster(fragment: &Fragment) -> Bytes {
    let ms = |time: i64| time.max(0) / 1_000_000;
    let start = fragment.samples.iter().map(|s| ms(s.pts)).min().unwrap_or(0);
    let bytes: usize = fragment.samples.iter().map(|s| s.data.len() + 16).sum();
    let mut inside = Vec::with_capacity(bytes + 16);
    number(&mut inside, 0xe7, start as u64);
    for sample in &fragment.samples {
        id(&mut inside, 0xa3);
        size(&mut inside, sample.data.len() + 4);
        inside.push(0x81 + sample.track as u8);
        let relative = (ms(sample.pts) - start).min(i64::from(i16::MAX)) as i16;
        inside.extend_from_slice(&relative.to_be_bytes());
        inside.push(if sample.key { 0x80 } else { 0 });
        inside.extend_from_slice(&sample.data);
    }
    let mut out = Vec::with_capacity(inside.len() + 12);
    data(&mut out, 0x1f43_b675, &inside);
    out.into()
}
