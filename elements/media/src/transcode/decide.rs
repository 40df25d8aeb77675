//! From caps to formats, and the bit rate of an encoder that several consumers share.

use anabranch_graph::format::Format;
use anabranch_kit::caps::format_of_structure;

use super::BitratePolicy;
use super::pad::Wish;

/// The formats in caps, most wanted first; empty means any.
pub(super) fn formats_of(caps: &gst::CapsRef) -> Vec<Format> {
    let mut formats = Vec::new();
    if caps.is_any() {
        return formats;
    }
    for structure in caps.iter() {
        let found = if structure.name() == "audio/mpeg" {
            // Muxers list several versions at once: `mpegversion={2,4}`.
            [Format::Aac, Format::Mp3]
                .into_iter()
                .filter(|format| {
                    let wanted = format.caps().parse::<gst::Caps>().ok();
                    let given = gst::Caps::from(structure.to_owned());
                    wanted.is_some_and(|wanted| wanted.can_intersect(&given))
                })
                .collect()
        } else {
            vec![format_of_structure(structure)]
        };
        for format in found {
            if !formats.contains(&format) {
                formats.push(format);
            }
        }
    }
    formats
}

/// The bit rate of a shared encoder in kbit/s from what its consumers ask for, in the order in which they came
/// (0: no wish); `None` leaves it to the encoder's default.
pub(super) fn bitrate(policy: BitratePolicy, asked: &[u32]) -> Option<u32> {
    if policy == BitratePolicy::Fixed {
        return asked.first().copied().filter(|rate| *rate > 0);
    }
    let mut rates: Vec<u32> = asked.iter().copied().filter(|rate| *rate > 0).collect();
    rates.sort_unstable();
    match policy {
        BitratePolicy::Lowest => rates.first().copied(),
        BitratePolicy::Median => rates.get(rates.len().saturating_sub(1) / 2).copied(),
        BitratePolicy::Fixed => None,
    }
}

/// The least and the most that a shared encoder may make, kbit/s: within what each of its consumers allows. Where they
/// contradict each other, the most holds.
pub(super) fn limits(wishes: &[Wish]) -> (Option<u32>, Option<u32>) {
    let given = |limit: fn(&Wish) -> u32| wishes.iter().map(limit).filter(|rate| *rate > 0);
    (given(|wish| wish.min_bitrate).max(), given(|wish| wish.max_bitrate).min())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_keep_their_order() {
        gst::init().unwrap();
        let caps: gst::Caps = "video/x-vp9; video/x-h264, stream-format=avc; video/x-h264".parse().unwrap();
        assert_eq!(formats_of(&caps), [Format::Vp9, Format::H264]);
        let caps: gst::Caps =
            "audio/mpeg, mpegversion=(int){2,4}; audio/mpeg, mpegversion=1, layer=[1,3]".parse().unwrap();
        assert_eq!(formats_of(&caps), [Format::Aac, Format::Mp3]);
        assert_eq!(formats_of(&gst::Caps::new_any()), []);
    }

    #[test]
    fn bitrates_follow_the_policy() {
        let asked = [0, 900, 300, 600];
        assert_eq!(bitrate(BitratePolicy::Lowest, &asked), Some(300));
        assert_eq!(bitrate(BitratePolicy::Median, &asked), Some(600));
        assert_eq!(bitrate(BitratePolicy::Median, &[400, 800]), Some(400));
        assert_eq!(bitrate(BitratePolicy::Fixed, &asked), None);
        assert_eq!(bitrate(BitratePolicy::Fixed, &asked[1..]), Some(900));
        assert_eq!(bitrate(BitratePolicy::Lowest, &[0]), None);
        assert_eq!(bitrate(BitratePolicy::Median, &[]), None);
    }

    #[test]
    fn limits_hold_for_all_consumers() {
        let wish = |min_bitrate, max_bitrate| Wish { min_bitrate, max_bitrate, ..Wish::default() };
        assert_eq!(limits(&[wish(0, 0)]), (None, None));
        assert_eq!(limits(&[wish(100, 900), wish(300, 0), wish(0, 700)]), (Some(300), Some(700)));
    }
}
