//! Where key frames begin, read from RTP payloads.

use anabranch_graph::format::Format;

/// Whether this payload is the first packet of a picture that needs no other.
pub(super) fn begins(format: &Format, payload: &[u8]) -> bool {
    match format {
        Format::Vp8 => vp8(payload),
        Format::Vp9 => vp9(payload),
        Format::H264 => h264(payload),
        // The aggregation header's N: the first of a coded video sequence.
        Format::Av1 => payload.first().is_some_and(|header| header & 0x08 != 0),
        // Every packet of sound can be played.
        _ => true,
    }
}

fn vp8(payload: &[u8]) -> bool {
    let read = || -> Option<bool> {
        let first = *payload.first()?;
        if first & 0x10 == 0 || first & 0x07 != 0 {
            return Some(false);
        }
        let mut at = 1;
        if first & 0x80 != 0 {
            let extended = *payload.get(at)?;
            at += 1;
            if extended & 0x80 != 0 {
                at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
            }
            at += usize::from(extended & 0x40 != 0) + usize::from(extended & 0x30 != 0);
        }
        Some(payload.get(at)? & 0x01 == 0)
    };
    read().unwrap_or(false)
}

fn vp9(payload: &[u8]) -> bool {
    let read = || -> Option<bool> {
        let first = *payload.first()?;
        let (has_id, predicted, layered, begins) =
            (first & 0x80 != 0, first & 0x40 != 0, first & 0x20 != 0, first & 0x08 != 0);
        if predicted || !begins {
            return Some(false);
        }
        let mut at = 1;
        if has_id {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        // The spatial layer.
        Some(!layered || payload.get(at)? & 0x0E == 0)
    };
    read().unwrap_or(false)
}

fn h264(payload: &[u8]) -> bool {
    const SPS: u8 = 7;
    const STAP_A: u8 = 24;
    const FU_A: u8 = 28;
    let Some(first) = payload.first() else { return false };
    match first & 0x1F {
        SPS => true,
        STAP_A => {
            let mut rest = &payload[1..];
            while let Some((length, tail)) = rest.split_at_checked(2) {
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let Some((unit, tail)) = tail.split_at_checked(length) else { return false };
                if unit.first().is_some_and(|header| header & 0x1F == SPS) {
                    return true;
                }
                rest = tail;
            }
            false
        }
        FU_A => payload.get(1).is_some_and(|header| header & 0x80 != 0 && header & 0x1F == SPS),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_known_by_their_first_packet() {
        let table: &[(Format, &[u8], bool)] = &[
            (Format::Vp8, &[0x10, 0x00], true),
            (Format::Vp8, &[0x10, 0x01], false),
            (Format::Vp8, &[0x00, 0x00], false),
            (Format::Vp8, &[0x90, 0x80, 0x81, 0x02, 0x00], true),
            (Format::Vp8, &[0x90, 0xE0, 0x01, 0x02, 0x03, 0x00], true),
            (Format::Vp8, &[0x90, 0x80], false),
            (Format::Vp9, &[0x08], true),
            (Format::Vp9, &[0x48], false),
            (Format::Vp9, &[0xA8, 0x01, 0x00], true),
            (Format::Vp9, &[0xA8, 0x01, 0x02], false),
            (Format::H264, &[0x67, 0x42], true),
            (Format::H264, &[0x61, 0x42], false),
            (Format::H264, &[0x78, 0, 1, 0x67, 0, 1, 0x68], true),
            (Format::H264, &[0x78, 0, 9, 0x67], false),
            (Format::H264, &[0x7C, 0x87], true),
            (Format::Av1, &[0x18], true),
            (Format::Av1, &[0x10], false),
            (Format::Opus, &[], true),
        ];
        for (format, payload, expected) in table {
            assert_eq!(begins(format, payload), *expected, "{format} {payload:02x?}");
        }
    }
}
