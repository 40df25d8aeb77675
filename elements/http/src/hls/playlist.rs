//! Playlists as text: HLS (RFC 8216) with the low-latency parts of its second edition.

use std::fmt::Write;

use super::shelf::{Contents, Segment, bit_rate};

/// How a playlist is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// How long a segment is to be, nanoseconds.
    pub target: i64,
    /// How long a part is at most, nanoseconds; 0: no parts.
    pub part: i64,
    /// Segments; 0: all.
    pub window: usize,
    /// Whether old segments leave it.
    pub live: bool,
}

fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

/// The name of a header.
pub fn header(number: u32) -> String {
    format!("init-{number}.mp4")
}

/// The name of a segment.
pub fn segment(number: u64) -> String {
    format!("segment-{number}.m4s")
}

/// The name of a part.
pub fn part(segment: u64, part: usize) -> String {
    format!("segment-{segment}.{part}.m4s")
}

/// The playlist of the media.
pub fn media(contents: &Contents, style: &Style) -> String {
    let parts = style.part > 0 && !contents.ended;
    let all = &contents.segments;
    let done = all.iter().filter(|s| s.done).count();
    let skip = if style.window == 0 { 0 } else { done.saturating_sub(style.window) };
    let shown = || all.iter().skip(skip).filter(|s| s.done || parts);
    // It is not to fall again when the longest has left the window.
    let longest = shown().map(|s| s.duration).max().unwrap_or(0).max(style.target).max(contents.longest);
    let mut out = String::with_capacity(1024);
    // Writing to a string cannot fail.
    let mut line = |text: std::fmt::Arguments| {
        let _ = writeln!(out, "{text}");
    };
    line(format_args!("#EXTM3U"));
    line(format_args!("#EXT-X-VERSION:{}", if parts { 9 } else { 7 }));
    line(format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
    line(format_args!("#EXT-X-TARGETDURATION:{}", seconds(longest).round().max(1.0)));
    if parts {
        line(format_args!(
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3}",
            seconds(style.part) * 3.0
        ));
        line(format_args!("#EXT-X-PART-INF:PART-TARGET={:.3}", seconds(style.part)));
    }
    if style.window == 0 && style.live {
        line(format_args!("#EXT-X-PLAYLIST-TYPE:{}", if contents.ended { "VOD" } else { "EVENT" }));
    }
    line(format_args!("#EXT-X-MEDIA-SEQUENCE:{}", shown().next().map_or(0, |s| s.number)));
    let gone = contents.gone + changes(all.iter().take(skip + 1));
    if gone > 0 {
        line(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{gone}"));
    }
    let mut before = None;
    for (index, one) in shown().enumerate() {
        if before.is_some_and(|number| number != one.header) {
            line(format_args!("#EXT-X-DISCONTINUITY"));
        }
        if before != Some(one.header) {
            line(format_args!("#EXT-X-MAP:URI=\"{}\"", header(one.header)));
            before = Some(one.header);
        }
        // Parts of old segments are of no use to anybody.
        let recent = index + 3 >= shown().count();
        if parts && recent {
            for (number, piece) in one.parts.iter().enumerate() {
                let independent = if piece.independent { ",INDEPENDENT=YES" } else { "" };
                line(format_args!(
                    "#EXT-X-PART:DURATION={:.5},URI=\"{}\"{independent}",
                    seconds(piece.duration),
                    part(one.number, number)
                ));
            }
        }
        if one.done {
            line(format_args!("#EXTINF:{:.5},", seconds(one.duration)));
            line(format_args!("{}", segment(one.number)));
        }
    }
    if parts {
        let hint = match all.back() {
            Some(open) if !open.done => part(open.number, open.parts.len()),
            Some(last) => part(last.number + 1, 0),
            None => part(0, 0),
        };
        line(format_args!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\""));
    }
    if contents.ended {
        line(format_args!("#EXT-X-ENDLIST"));
    }
    out
}

/// How often the header changes.
fn changes<'a>(segments: impl Iterator<Item = &'a Segment>) -> u64 {
    let mut before = None;
    let mut count = 0;
    for segment in segments {
        if before.is_some_and(|number| number != segment.header) {
            count += 1;
        }
        before = Some(segment.header);
    }
    count
}

/// The playlist that says what the media are.
pub fn master(contents: &Contents) -> String {
    let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let Some(header) = contents.headers.last() else { return out };
    let (bytes, nanos) = contents.complete;
    let (peak, average) = match bit_rate(bytes, nanos) {
        Some(average) => (contents.peak.max(average), average),
        // The first segment has only begun.
        None => {
            let open = contents.segments.back();
            let bytes = open.map_or(0, Segment::size);
            let rate = bit_rate(bytes, open.map_or(0, |s| s.duration)).unwrap_or(1);
            (rate, rate)
        }
    };
    let (width, height) = header.size;
    let size = if width > 0 { format!(",RESOLUTION={width}x{height}") } else { String::new() };
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\"{size}\nindex.m3u8",
        header.codecs
    );
    out
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::shelf::{Header, Part};
    use super::*;

    const S: i64 = 1_000_000_000;

    fn one(number: u64, header: u32, done: bool) -> Segment {
        let piece = |independent| Part { duration: S / 2, independent, bytes: Bytes::from_static(b"x") };
        let parts = vec![piece(true), piece(false)];
        Segment { number, parts, duration: if done { 2 * S } else { S }, header, done }
    }

    fn style(part: i64, window: usize) -> Style {
        Style { target: 2 * S, part, window, live: true }
    }

    #[test]
    fn a_live_playlist_has_its_window_and_the_parts_of_the_newest() {
        let contents =
            Contents { segments: (3..9).map(|n| one(n, 1, n < 8)).collect(), ..Contents::default() };
        let text = media(&contents, &style(S / 2, 3));
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:5\n"), "{text}");
        assert!(text.contains("#EXT-X-PART-INF:PART-TARGET=0.500\n"), "{text}");
        assert!(text.contains("URI=\"segment-8.1.m4s\"\n"), "{text}");
        assert!(text.contains("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"segment-8.2.m4s\"\n"), "{text}");
        assert!(!text.contains("\nsegment-8.m4s"), "it is not complete: {text}");
        assert!(!text.contains("ENDLIST"));
    }

    #[test]
    fn an_ended_playlist_says_so_and_has_no_parts() {
        let segments = (0..2).map(|n| one(n, 1, true)).collect();
        let contents = Contents { segments, ended: true, ..Contents::default() };
        let text = media(&contents, &style(S / 2, 0));
        assert!(text.ends_with("#EXT-X-ENDLIST\n") && text.contains("PLAYLIST-TYPE:VOD"), "{text}");
        assert!(!text.contains("PART"), "{text}");
    }

    #[test]
    fn the_bandwidth_is_that_of_the_busiest_segment() {
        let header = Header { number: 1, bytes: Bytes::new(), codecs: "avc1".into(), size: (640, 360) };
        let mut contents = Contents { headers: vec![header], ..Contents::default() };
        contents.segments.push_back(one(0, 1, false));
        let rates = |contents: &Contents| -> Vec<u64> {
            let text = master(contents);
            let number = |at: &str| at.split(',').next().unwrap().parse().unwrap();
            text.split("BANDWIDTH=").skip(1).map(number).collect()
        };
        assert_eq!(rates(&contents), [16, 16], "two bytes in the second that has come");
        (contents.complete, contents.peak) = ((1_000_000, 4 * S), 3_000_000);
        assert_eq!(rates(&contents), [3_000_000, 2_000_000]);
    }

    #[test]
    fn the_target_does_not_fall_when_a_long_segment_has_left() {
        let mut contents = Contents { segments: [one(7, 1, true)].into(), ..Contents::default() };
        assert!(media(&contents, &style(0, 3)).contains("#EXT-X-TARGETDURATION:2\n"));
        contents.longest = 5 * S;
        assert!(media(&contents, &style(0, 3)).contains("#EXT-X-TARGETDURATION:5\n"));
    }

    #[test]
    fn another_header_is_a_discontinuity() {
        let segments = [one(0, 1, true), one(1, 2, true), one(2, 2, true)].into();
        let contents = Contents { segments, ..Contents::default() };
        let text = media(&contents, &style(0, 6));
        assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-2.mp4\""), "{text}");
        assert_eq!(text.matches("DISCONTINUITY").count(), 1, "{text}");
        let text = media(&contents, &style(0, 1));
        assert!(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"), "{text}");
    }
}
