//! MP4 in fragments, as HLS and media source extensions take it (ISO/IEC 14496-12, CMAF).

use anabranch_graph::format::Format;
use bytes::Bytes;

use super::boxes::Boxes;
use super::cutter::Fragment;
use super::track::{Sample, TrackFormat};

/// No rotation, no scaling.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
/// A sample that others depend on, and one that depends on others.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// The header: `ftyp` and `moov`.
pub fn init(tracks: &[Option<TrackFormat>; 2]) -> Bytes {
    let mut b = Boxes::default();
    b.add(b"ftyp", |b| {
        b.bytes(b"iso6");
        b.u32(0);
        b.bytes(b"iso6cmfcmp41");
    });
    let present = || tracks.iter().enumerate().filter_map(|(i, t)| Some((i as u32 + 1, t.as_ref()?)));
    b.add(b"moov", |b| {
        b.full(b"mvhd", 0, 0, |b| {
            for value in [0, 0, 1000, 0, 0x1_0000] {
                b.u32(value);
            }
            b.u16(0x100);
            b.zeros(10);
            MATRIX.iter().for_each(|m| b.u32(*m));
            b.zeros(24);
            b.u32(3);
        });
        present().for_each(|(id, track)| b.add(b"trak", |b| trak(b, id, track)));
        b.add(b"mvex", |b| {
            for (id, _) in present() {
                b.full(b"trex", 0, 0, |b| [id, 1, 0, 0, 0].into_iter().for_each(|v| b.u32(v)));
            }
        });
    });
    b.done().into()
}

fn trak(b: &mut Boxes, id: u32, track: &TrackFormat) {
    let video = track.rate == 0;
    b.full(b"tkhd", 0, 7, |b| {
        for value in [0, 0, id, 0, 0, 0, 0] {
            b.u32(value);
        }
        b.u32(0);
        b.u16(if video { 0 } else { 0x100 });
        b.u16(0);
        MATRIX.iter().for_each(|m| b.u32(*m));
        b.u32(track.width << 16);
        b.u32(track.height << 16);
    });
    b.add(b"mdia", |b| {
        b.full(b"mdhd", 0, 0, |b| {
            for value in [0, 0, track.timescale(), 0] {
                b.u32(value);
            }
            // Language: undetermined.
            b.u16(0x55c4);
            b.u16(0);
        });
        b.full(b"hdlr", 0, 0, |b| {
            b.u32(0);
            b.bytes(if video { b"vide" } else { b"soun" });
            b.zeros(12);
            b.bytes(if video { b"video\0" } else { b"audio\0" });
        });
        b.add(b"minf", |b| {
            match video {
                true => b.full(b"vmhd", 0, 1, |b| b.zeros(8)),
                false => b.full(b"smhd", 0, 0, |b| b.zeros(4)),
            }
            b.add(b"dinf", |b| {
                b.full(b"dref", 0, 0, |b| {
                    b.u32(1);
                    b.full(b"url ", 0, 1, |_| ());
                });
            });
            b.add(b"stbl", |b| {
                b.full(b"stsd", 0, 0, |b| {
                    b.u32(1);
                    entry(b, track);
                });
                for empty in [b"stts", b"stsc", b"stco"] {
                    b.full(empty, 0, 0, |b| b.u32(0));
                }
                b.full(b"stsz", 0, 0, |b| b.zeros(8));
            });
        });
    });
}

fn entry(b: &mut Boxes, track: &TrackFormat) {
    match track.format {
        Format::H265 => visual(b, b"hvc1", track, |b| b.add(b"hvcC", |b| b.bytes(&track.codec_data))),
        Format::Vp9 => visual(b, b"vp09", track, |b| {
            b.full(b"vpcC", 1, 0, |b| {
                b.u8(track.profile);
                b.u8(41);
                // Depth, 4:2:0 with the sample between, not full range; colours unspecified; no codec data.
                b.u8(track.depth << 4 | 1 << 1);
                b.bytes(&[2, 2, 2, 0, 0]);
            });
        }),
        Format::Aac => audio(b, b"mp4a", track, |b| {
            b.full(b"esds", 0, 0, |b| {
                let config = &track.codec_data;
                let size = config.len() as u8;
                b.bytes(&[3, 23 + size, 0, 0, 0]);
                b.bytes(&[4, 15 + size, 0x40, 0x15, 0, 0, 0]);
                b.zeros(8);
                b.bytes(&[5, size]);
                b.bytes(config);
                b.bytes(&[6, 1, 2]);
            });
        }),
        Format::Opus => audio(b, b"Opus", track, |b| {
            b.add(b"dOps", |b| {
                b.u8(0);
                b.u8(track.channels as u8);
                b.u16(0);
                b.u32(track.rate);
                b.u16(0);
                b.u8(0);
            });
        }),
        // Only formats of `Container::formats` come here.
        _ => visual(b, b"avc1", track, |b| b.add(b"avcC", |b| b.bytes(&track.codec_data))),
    }
}

fn visual(b: &mut Boxes, kind: &[u8; 4], track: &TrackFormat, config: impl FnOnce(&mut Boxes)) {
    b.add(kind, |b| {
        b.zeros(6);
        b.u16(1);
        b.zeros(16);
        b.u16(track.width as u16);
        b.u16(track.height as u16);
        b.u32(0x48_0000);
        b.u32(0x48_0000);
        b.u32(0);
        b.u16(1);
        b.zeros(32);
        b.u16(24);
        b.u16(0xffff);
        config(b);
    });
}

fn audio(b: &mut Boxes, kind: &[u8; 4], track: &TrackFormat, config: impl FnOnce(&mut Boxes)) {
    b.add(kind, |b| {
        b.zeros(6);
        b.u16(1);
        b.zeros(8);
        b.u16(track.channels as u16);
        b.u16(16);
        b.u32(0);
        b.u32(track.rate << 16);
        config(b);
    });
}

/// Nanoseconds in a track's ticks.
fn ticks(time: i64, track: &TrackFormat) -> i64 {
    (i128::from(time) * i128::from(track.timescale()) / 1_000_000_000) as i64
}

/// A fragment: `moof` and `mdat`. `number` counts them from 1.
pub fn fragment(number: u32, tracks: &[Option<TrackFormat>; 2], fragment: &Fragment) -> Bytes {
    let mut b = Boxes::default();
    let mut offsets = Vec::new();
    let of = |track: usize| fragment.samples.iter().filter(move |s| s.track == track);
    b.add(b"moof", |b| {
        b.full(b"mfhd", 0, 0, |b| b.u32(number));
        for (index, track) in tracks.iter().enumerate() {
            let (Some(track), Some(first)) = (track, of(index).next()) else { continue };
            b.add(b"traf", |b| {
                // Offsets count from the moof.
                b.full(b"tfhd", 0, 0x2_0000, |b| b.u32(index as u32 + 1));
                b.full(b"tfdt", 1, 0, |b| b.u64(ticks(first.dts, track).max(0) as u64));
                b.full(b"trun", 1, 0xf01, |b| {
                    b.u32(of(index).count() as u32);
                    offsets.push((b.length(), index));
                    b.u32(0);
                    for sample in of(index) {
                        run(b, sample, track);
                    }
                });
            });
        }
    });
    let mut at = b.length() as u32 + 8;
    for (place, index) in offsets {
        b.patch(place, at);
        at += of(index).map(|s| s.data.len() as u32).sum::<u32>();
    }
    b.add(b"mdat", |b| {
        for index in 0..tracks.len() {
            of(index).for_each(|sample| b.bytes(&sample.data));
        }
    });
    b.done().into()
}

fn run(b: &mut Boxes, sample: &Sample, track: &TrackFormat) {
    let (start, end) = (ticks(sample.dts, track), ticks(sample.dts + sample.duration, track));
    b.u32((end - start).max(0) as u32);
    b.u32(sample.data.len() as u32);
    b.u32(if sample.key { SYNC } else { NOT_SYNC });
    b.u32((ticks(sample.pts, track) - start) as i32 as u32);
}
