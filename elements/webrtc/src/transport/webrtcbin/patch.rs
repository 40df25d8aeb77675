//! What is changed in session descriptions on their way to and from webrtcbin.

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::Sdp;

use crate::options::Options;

/// What webrtcbin is not to see in a remote description: simulcast, which it cannot answer. Each section gets the MID
/// without which webrtcbin ends the process.
pub(super) fn remote(sdp: &mut Sdp) {
    for (index, section) in sdp.media.iter_mut().enumerate() {
        section.remove("simulcast");
        section.remove("rid");
        if section.mid().is_none_or(str::is_empty) {
            section.remove("mid");
            section.add("mid", &index.to_string());
        }
    }
}

/// What every local description gets.
pub(super) fn local(sdp: &mut Sdp, options: &Options) {
    if options.max_receive_bitrate == 0 {
        return;
    }
    for section in sdp.media.iter_mut().filter(|s| s.medium() == Some(Medium::Video)) {
        // After the connection line, where RFC 8866 has it.
        let at = section.lines.iter().position(|l| l.starts_with("c=")).map_or(1, |i| i + 1);
        section.lines.retain(|l| !l.starts_with("b="));
        let at = at.min(section.lines.len());
        section.lines.insert(at, format!("b=AS:{}", options.max_receive_bitrate));
        section.lines.insert(at + 1, format!("b=TIAS:{}", u64::from(options.max_receive_bitrate) * 1000));
    }
}

/// What an answer gets: feedback that both sides know, no data channels if they are not allowed.
pub(super) fn answer(answer: &mut Sdp, offer: &Sdp, options: &Options) {
    for (section, offered) in answer.media.iter_mut().zip(&offer.media) {
        if section.medium() == Some(Medium::Data) && !options.data_channels {
            section.reject();
        }
        if section.medium() != Some(Medium::Video) || section.is_rejected() {
            continue;
        }
        let has_extension = section.extensions().iter().any(|(_, uri)| uri.contains("transport-wide-cc"));
        for payload in section.payloads().into_iter().filter(|p| p.format().is_some()) {
            for feedback in ["transport-cc", "goog-remb"] {
                let value = format!("{} {feedback}", payload.number);
                let known = offered.attributes("rtcp-fb").any(|v| v == value);
                let there = section.attributes("rtcp-fb").any(|v| v == value);
                if known && !there && (feedback != "transport-cc" || has_extension) {
                    section.add("rtcp-fb", &value);
                }
            }
        }
    }
}

/// Whether a new remote description has other ICE credentials than the old one.
pub(super) fn is_restart(old: &Sdp, new: &Sdp) -> bool {
    let ufrag = |sdp: &Sdp| {
        let of_media = sdp.media.iter().find_map(|s| s.attribute("ice-ufrag").map(str::to_owned));
        of_media.or_else(|| sdp.session_attribute("ice-ufrag").map(str::to_owned))
    };
    match (ufrag(old), ufrag(new)) {
        (Some(old), Some(new)) => old != new,
        _ => false,
    }
}
