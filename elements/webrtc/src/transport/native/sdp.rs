//! What is changed in session descriptions around str0m, which reads and writes them.

use anabranch_graph::format::Format;
use anabranch_kit::sdp::{self, Sdp, Section, format_of};

use crate::transport::Direction;

/// What str0m needs of a whole description.
pub(super) trait EditSdp {
    /// An attribute of the session, or of its first section that has it.
    fn any_attribute(&self, name: &str) -> Option<&str>;
    /// Takes all candidates out.
    fn take_candidates(&mut self) -> Vec<String>;
    /// Puts candidates into the section that carries the transport.
    fn put_candidates<'a>(&mut self, candidates: impl Iterator<Item = &'a str>, complete: bool);
    /// All tracks become parts of one stream, so that the receiver plays them in step.
    fn unite_streams(&mut self, stream: &str);
}

/// What str0m needs of a media section.
pub(super) trait EditSection {
    /// Which way its media go, seen from here.
    fn set_direction(&mut self, direction: Direction);
    /// The payload type of the most wanted format.
    fn choose(&self, wanted: &[Format]) -> Option<Payload>;
    /// Leaves one payload type and its retransmissions.
    fn narrow(&mut self, pt: u8);
    /// Asks the other side to send no more than this, kbit/s.
    fn limit(&mut self, kbps: u32);
}

impl EditSdp for Sdp {
    fn any_attribute(&self, name: &str) -> Option<&str> {
        self.session_attribute(name).or_else(|| self.media.iter().find_map(|section| section.attribute(name)))
    }

    fn take_candidates(&mut self) -> Vec<String> {
        let mut taken = Vec::new();
        for section in &mut self.media {
            section.lines.retain(|line| {
                let candidate = line.strip_prefix("a=").filter(|line| line.starts_with("candidate:"));
                taken.extend(candidate.map(str::to_owned));
                candidate.is_none() && line != "a=end-of-candidates"
            });
        }
        taken
    }

    fn put_candidates<'a>(&mut self, candidates: impl Iterator<Item = &'a str>, complete: bool) {
        let Some(section) = self.media.iter_mut().find(|section| !section.is_rejected()) else { return };
        section.lines.extend(candidates.map(|candidate| format!("a={candidate}")));
        if complete {
            section.lines.push("a=end-of-candidates".to_owned());
        }
    }

    fn unite_streams(&mut self, stream: &str) {
        for line in self.media.iter_mut().flat_map(|section| &mut section.lines) {
            if let Some((head, ids)) = line.split_once("msid:")
                && (head == "a=" || head.starts_with("a=ssrc:"))
                && let Some((_, track)) = ids.split_once(' ')
            {
                *line = format!("{head}msid:{stream} {track}");
            }
        }
        for line in &mut self.session {
            if line.starts_with("a=msid-semantic:") {
                *line = format!("a=msid-semantic: WMS {stream}");
            }
        }
    }
}

/// A payload type of a section, as str0m and GStreamer want to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub pt: u8,
    /// As in `a=rtpmap`, upper case.
    pub name: String,
    pub clock_rate: u32,
    pub channels: Option<u32>,
    /// Of `a=fmtp`.
    pub parameters: Vec<(String, String)>,
}

impl Payload {
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The format that it carries, if it is one that is spoken here.
    pub fn format(&self) -> Option<Format> {
        format_of(&self.name).filter(|format| match format {
            // The other profiles have more than eight bits a sample.
            Format::Vp9 => self.parameter("profile-id").is_none_or(|profile| profile == "0"),
            Format::Pcmu | Format::Pcma => self.clock_rate == 8000,
            _ => true,
        })
    }

    /// Which of several payload types of one format is best: whole pictures in several packets, the plainest profile.
    fn rank(&self) -> u32 {
        if self.name != "H264" {
            return 0;
        }
        let mode = if self.parameter("packetization-mode") == Some("1") { 0 } else { 10 };
        let profile = self.parameter("profile-level-id").unwrap_or("42001f").to_ascii_lowercase();
        mode + if profile.starts_with("42e0") {
            0
        } else if profile.starts_with("42") {
            1
        } else if profile.starts_with("4d") {
            2
        } else {
            3
        }
    }
}

impl From<sdp::Payload> for Payload {
    fn from(payload: sdp::Payload) -> Self {
        let pairs = payload.fmtp.split(';').filter_map(|pair| pair.trim().split_once('='));
        Payload {
            pt: payload.number,
            name: payload.name.to_ascii_uppercase(),
            clock_rate: payload.clock_rate,
            channels: payload.parameters.and_then(|channels| channels.parse().ok()),
            parameters: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }
}

impl EditSection for Section {
    fn set_direction(&mut self, direction: Direction) {
        let written = match direction {
            Direction::SendRecv => "a=sendrecv",
            Direction::SendOnly => "a=sendonly",
            Direction::RecvOnly => "a=recvonly",
            Direction::Inactive => "a=inactive",
        };
        self.lines.retain(|line| {
            !matches!(line.as_str(), "a=sendonly" | "a=recvonly" | "a=inactive" | "a=sendrecv")
        });
        self.lines.push(written.to_owned());
        if !direction.sends() {
            self.lines.retain(|line| !line.starts_with("a=simulcast:") && !line.starts_with("a=rid:"));
        }
    }

    fn choose(&self, wanted: &[Format]) -> Option<Payload> {
        let place =
            |payload: &Payload| wanted.iter().position(|format| payload.format().as_ref() == Some(format));
        self.payloads()
            .into_iter()
            .map(Payload::from)
            .filter_map(|payload| Some((place(&payload)?, payload.rank(), payload)))
            .min_by_key(|(place, rank, _)| (*place, *rank))
            .map(|(_, _, payload)| payload)
    }

    fn narrow(&mut self, pt: u8) {
        let repairs = |payload: &sdp::Payload| {
            payload.name.eq_ignore_ascii_case("rtx")
                && payload.parameter("apt") == Some(pt.to_string().as_str())
        };
        let mut kept = vec![pt.to_string()];
        kept.extend(
            self.payloads().iter().filter(|p| repairs(p)).map(|payload| payload.number.to_string()).take(1),
        );
        let mut head: Vec<&str> = self.m_line().split_whitespace().take(3).collect();
        head.extend(kept.iter().map(String::as_str));
        let head = format!("m={}", head.join(" "));
        self.lines.retain(|line| {
            let about =
                ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].iter().find_map(|name| line.strip_prefix(name));
            let pt = about.and_then(|rest| rest.split_whitespace().next());
            pt.is_none_or(|pt| pt == "*" || kept.iter().any(|kept| kept == pt))
        });
        if let Some(first) = self.lines.first_mut() {
            *first = head;
        }
    }

    fn limit(&mut self, kbps: u32) {
        self.lines.retain(|line| !line.starts_with("b="));
        let after = self.lines.iter().position(|line| line.starts_with("c=")).map_or(1, |place| place + 1);
        let bps = u64::from(kbps) * 1000;
        self.lines.splice(after..after, [format!("b=AS:{kbps}"), format!("b=TIAS:{bps}")]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 104 98\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\n\
        a=ice-ufrag:abcd\r\na=candidate:1 1 udp 2122 127.0.0.1 5000 typ host\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
        a=rtpmap:104 H264/90000\r\na=fmtp:104 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
        a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=104\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=2\r\n\
        a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;~l\r\na=msid:s1 t1\r\na=ssrc:5 msid:s1 t1\r\n\
        m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=bundle-only\r\na=msid:s2 t2\r\n";

    #[test]
    fn the_most_wanted_format_in_its_best_shape_is_chosen() {
        let sdp = Sdp::parse(OFFER).unwrap();
        let table: &[(&[Format], Option<u8>)] = &[
            (&[Format::Vp8, Format::H264], Some(96)),
            (&[Format::H264, Format::Vp8], Some(104)),
            (&[Format::Vp9, Format::Vp8], Some(96)),
            (&[Format::Av1], None),
        ];
        for (wanted, pt) in table {
            assert_eq!(sdp.media[0].choose(wanted).map(|payload| payload.pt), *pt, "{wanted:?}");
        }
        assert_eq!(sdp.media[1].choose(&[Format::Pcmu]).map(|payload| payload.clock_rate), Some(8000));
        assert!(!sdp.media[1].is_rejected(), "port 0 with bundle-only is no refusal");
    }

    #[test]
    fn narrowing_leaves_one_codec_and_its_retransmissions() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.media[0].narrow(104);
        let text = sdp.to_string();
        assert!(text.contains("m=video 9 UDP/TLS/RTP/SAVPF 104 103\r\n"), "{text}");
        assert!(
            !text.contains("VP8") && !text.contains(":96") && text.contains("a=fmtp:103 apt=104"),
            "{text}"
        );
    }

    #[test]
    fn directions_candidates_streams_and_limits() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        assert_eq!(sdp.any_attribute("ice-ufrag"), Some("abcd"));
        assert_eq!(sdp.take_candidates(), ["candidate:1 1 udp 2122 127.0.0.1 5000 typ host"]);
        sdp.put_candidates(["candidate:2 x"].into_iter(), true);
        sdp.unite_streams("one");
        sdp.media[0].limit(500);
        sdp.media[0].set_direction(Direction::RecvOnly);
        let text = sdp.to_string();
        for expected in [
            "a=candidate:2 x\r\na=end-of-candidates",
            "a=msid:one t1",
            "a=ssrc:5 msid:one t1",
            "a=msid:one t2",
            "c=IN IP4 0.0.0.0\r\nb=AS:500\r\nb=TIAS:500000\r\n",
            "a=recvonly",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("simulcast") && !text.contains("sendrecv"), "{text}");
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for (text, code) in
            [("", "empty-sdp"), ("  \r\n", "empty-sdp"), ("hello", "bad-sdp"), ("v=0\r\n", "bad-sdp")]
        {
            assert_eq!(Sdp::parse(text).unwrap_err().code, code, "{text:?}");
        }
    }
}
