//! Receiver estimated maximum bit rate: how a browser that gets no transport-wide feedback says what it can take.

use gst::prelude::*;
use tokio::sync::mpsc;

use super::super::TransportEvent;

/// RTCP payload-specific feedback, application layer: RFC 4585.
const PAYLOAD_SPECIFIC: u32 = 206;
const APPLICATION: u32 = 15;

/// Tells the estimates that come in on an RTP session.
pub(super) fn watch(session: &glib::Object, events: &mpsc::UnboundedSender<TransportEvent>) {
    let events = events.clone();
    session.connect("on-feedback-rtcp", false, move |values| {
        let number = |i: usize| values.get(i).and_then(|v| v.get::<u32>().ok());
        if number(1)? != PAYLOAD_SPECIFIC || number(2)? != APPLICATION {
            return None;
        }
        let feedback = values.get(5)?.get::<Option<gst::Buffer>>().ok()??;
        let bits_per_second = parse(&feedback.map_readable().ok()?)?;
        let _ = events.send(TransportEvent::Estimate { bits_per_second });
        None
    });
}

/// The bit rate of a REMB message (draft-alvestrand-rmcat-remb-03), bits per second.
fn parse(message: &[u8]) -> Option<u64> {
    let rest = message.strip_prefix(b"REMB")?;
    let [_ssrcs, high, middle, low, ..] = *rest else { return None };
    let exponent = u32::from(high >> 2);
    let mantissa = u64::from(high & 3) << 16 | u64::from(middle) << 8 | u64::from(low);
    mantissa.checked_shl(exponent).filter(|rate| rate >> exponent.min(63) == mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read() {
        // 0x3ffff << 5, and 1 Mbit/s as Chromium writes it.
        assert_eq!(
            parse(&[b'R', b'E', b'M', b'B', 1, 5 << 2 | 3, 0xff, 0xff, 0, 0, 0, 1]),
            Some(0x3ffff << 5)
        );
        assert_eq!(parse(b"REMB\x01\x0b\xd0\x90\0\0\0\x01"), Some(0x3d090 << 2));
        for bad in [&b"REM"[..], b"REMB", b"REMB\x01\xff\xff\xff", b"XXXX\x01\x0b\xd0\x90"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
