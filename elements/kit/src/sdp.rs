//! Session descriptions as text: what GStreamer's parser throws away is kept, and what is not asked for stays as it is.
//! WebRTC endpoints and plain RTP share them.

use anabranch_graph::format::{Format, Medium};

/// Why a session description is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SdpError {
    /// `empty-sdp` or `bad-sdp`.
    pub code: &'static str,
    /// A sentence.
    pub text: String,
}

impl SdpError {
    /// It cannot be read, or lacks what is needed.
    pub fn bad(text: impl Into<String>) -> Self {
        SdpError { code: "bad-sdp", text: text.into() }
    }
}

/// Which way a track goes, seen from whoever writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only out.
    SendOnly,
    /// Only in.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The same track seen from the other side.
    pub fn flipped(self) -> Self {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            other => other,
        }
    }

    /// Whether this side sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether this side receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The direction in which it sends and receives so.
    pub fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sdp {
    /// Lines before the first m-line.
    pub session: Vec<String>,
    /// Media sections.
    pub media: Vec<Section>,
}

/// A media section: its m-line and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The m-line, then the others, without line ends.
    pub lines: Vec<String>,
}

/// A payload type of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// As in the m-line.
    pub number: u8,
    /// `VP8`, `H264`, `opus`, as written.
    pub name: String,
    /// Hz.
    pub clock_rate: u32,
    /// What follows the clock rate: channels of audio.
    pub parameters: Option<String>,
    /// `a=fmtp`.
    pub fmtp: String,
}

impl Payload {
    /// The value of a format parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The format that it carries, if it is one of those that are exchanged with peers.
    pub fn format(&self) -> Option<Format> {
        format_of(&self.name)
    }
}

/// The format of an encoding name.
pub fn format_of(name: &str) -> Option<Format> {
    Some(match name.to_ascii_uppercase().as_str() {
        "VP8" => Format::Vp8,
        "VP9" => Format::Vp9,
        "H264" => Format::H264,
        "AV1" => Format::Av1,
        "OPUS" => Format::Opus,
        "PCMU" => Format::Pcmu,
        "PCMA" => Format::Pcma,
        _ => return None,
    })
}

impl Sdp {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// `empty-sdp`, `bad-sdp`.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.trim().is_empty() {
            return Err(SdpError { code: "empty-sdp", text: "the session description is empty".into() });
        }
        let mut sdp = Sdp::default();
        for (number, line) in text.lines().map(str::trim_end).filter(|l| !l.is_empty()).enumerate() {
            let mut chars = line.chars();
            let well_formed =
                chars.next().is_some_and(|c| c.is_ascii_lowercase()) && chars.next() == Some('=');
            if !well_formed || (number == 0 && !line.starts_with("v=")) {
                return Err(SdpError::bad(format!(
                    "line {} of the session description makes no sense: '{}'",
                    number + 1,
                    line.chars().take(80).collect::<String>()
                )));
            }
            if line.starts_with("m=") {
                sdp.media.push(Section { lines: vec![line.to_owned()] });
            } else if let Some(section) = sdp.media.last_mut() {
                section.lines.push(line.to_owned());
            } else {
                sdp.session.push(line.to_owned());
            }
        }
        if sdp.media.is_empty() {
            return Err(SdpError::bad("the session description has no media"));
        }
        Ok(sdp)
    }

    /// Whether a WebRTC peer can be connected to: everything that it must say is there.
    ///
    /// # Errors
    ///
    /// `bad-sdp`, with what is missing.
    pub fn check_webrtc(&self) -> Result<(), SdpError> {
        let used = self.media.iter().enumerate().filter(|(_, section)| !section.is_rejected());
        for (index, section) in used.clone() {
            for attribute in ["ice-ufrag", "ice-pwd", "fingerprint"] {
                if section.attribute(attribute).is_none()
                    && self.session_attribute(attribute).is_none()
                    && !section.has("bundle-only")
                {
                    return Err(SdpError::bad(format!(
                        "media section {} of the session description has no a={attribute}: it is no WebRTC description",
                        index + 1
                    )));
                }
            }
        }
        if used.clone().count() > 1 && !self.session.iter().any(|line| line.starts_with("a=group:BUNDLE")) {
            return Err(SdpError::bad(
                "the session description has no a=group:BUNDLE: all its media have to go over one connection",
            ));
        }
        // Sections that go over another one's connection need not repeat it.
        let mut media = used.filter(|(_, section)| section.medium() != Some(Medium::Data)).peekable();
        if media.peek().is_some() && !media.any(|(_, section)| section.has("rtcp-mux")) {
            return Err(SdpError::bad(
                "the session description has no a=rtcp-mux: RTP and RTCP have to share a port",
            ));
        }
        Ok(())
    }

    /// An attribute of the session.
    pub fn session_attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.session, name)
    }
}

impl std::fmt::Display for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.session.iter().chain(self.media.iter().flat_map(|s| &s.lines));
        for line in all {
            write!(f, "{line}\r\n")?;
        }
        Ok(())
    }
}

fn attribute<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| value_of(line, name))
}

/// The value of `a=NAME:value`, empty for `a=NAME`.
fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("a=")?.strip_prefix(name)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
}

impl Section {
    /// What follows `m=`.
    pub fn m_line(&self) -> &str {
        self.lines.first().map(|l| l.trim_start_matches("m=")).unwrap_or_default()
    }

    /// What it carries; `None` for media that nobody knows.
    pub fn medium(&self) -> Option<Medium> {
        match self.m_line().split(' ').next()? {
            "video" => Some(Medium::Video),
            "audio" => Some(Medium::Audio),
            "application" => Some(Medium::Data),
            _ => None,
        }
    }

    /// Whether its port is 0 and it is not merely bundled.
    pub fn is_rejected(&self) -> bool {
        self.m_line().split(' ').nth(1) == Some("0") && !self.has("bundle-only")
    }

    /// Sets its port to 0.
    pub fn reject(&mut self) {
        let mut parts: Vec<&str> = self.m_line().split(' ').collect();
        if let Some(port) = parts.get_mut(1) {
            *port = "0";
        }
        let line = format!("m={}", parts.join(" "));
        if let Some(first) = self.lines.first_mut() {
            *first = line;
        }
    }

    /// Its MID.
    pub fn mid(&self) -> Option<&str> {
        self.attribute("mid")
    }

    /// The value of its first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        attribute(&self.lines, name)
    }

    /// The values of its attributes of that name.
    pub fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter_map(move |line| value_of(line, name))
    }

    /// Whether it has an attribute of that name.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Takes all attributes of that name away.
    pub fn remove(&mut self, name: &str) {
        self.lines.retain(|line| value_of(line, name).is_none());
    }

    /// Adds `a=NAME:value`.
    pub fn add(&mut self, name: &str, value: &str) {
        self.lines.push(format!("a={name}:{value}"));
    }

    /// Which way its media go, seen from whoever wrote it.
    pub fn direction(&self) -> Direction {
        for (word, direction) in [
            ("inactive", Direction::Inactive),
            ("sendonly", Direction::SendOnly),
            ("recvonly", Direction::RecvOnly),
        ] {
            if self.has(word) {
                return direction;
            }
        }
        Direction::SendRecv
    }

    /// Its payload types in the order of the m-line.
    pub fn payloads(&self) -> Vec<Payload> {
        let numbers = self.m_line().split(' ').skip(3).filter_map(|n| n.parse::<u8>().ok());
        numbers.filter_map(|number| self.payload(number)).collect()
    }

    fn payload(&self, number: u8) -> Option<Payload> {
        let of = |name: &'static str| {
            self.attributes(name).find_map(move |value| {
                let (n, rest) = value.split_once(' ')?;
                (n.parse::<u8>().ok()? == number).then_some(rest)
            })
        };
        // Payload types 0 and 8 need no rtpmap.
        let map = of("rtpmap").or(match number {
            0 => Some("PCMU/8000"),
            8 => Some("PCMA/8000"),
            _ => None,
        })?;
        let mut parts = map.split('/');
        Some(Payload {
            number,
            name: parts.next()?.to_owned(),
            clock_rate: parts.next()?.trim().parse().ok()?,
            parameters: parts.next().map(str::to_owned),
            fmtp: of("fmtp").unwrap_or_default().to_owned(),
        })
    }

    /// Its header extensions: number and URI.
    pub fn extensions(&self) -> Vec<(u8, String)> {
        self.attributes("extmap")
            .filter_map(|value| {
                let mut parts = value.split(' ');
                let number = parts.next()?.split('/').next()?.parse().ok()?;
                Some((number, parts.next()?.to_owned()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 103\r\na=mid:0\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\na=rtpmap:103 H264/90000\r\na=fmtp:103 packetization-mode=1; profile-level-id=42e01f\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:1\r\na=inactive\r\n";

    #[test]
    fn a_description_is_read_and_written() {
        let sdp = Sdp::parse(OFFER).unwrap();
        assert_eq!(sdp.to_string(), OFFER);
        let video = &sdp.media[0];
        assert_eq!(
            (video.medium(), video.mid(), video.direction()),
            (Some(Medium::Video), Some("0"), Direction::SendOnly)
        );
        let payloads = video.payloads();
        assert_eq!(payloads[0].format(), Some(Format::Vp8));
        assert_eq!((payloads[1].format(), payloads[1].parameter("apt")), (None, Some("96")));
        assert_eq!(payloads[2].parameter("profile-level-id"), Some("42e01f"));
        assert_eq!(video.extensions()[0].0, 3);
        assert!(sdp.media[1].is_rejected());
        assert_eq!(sdp.media[1].payloads()[0].format(), Some(Format::Pcmu));
    }

    #[test]
    fn what_is_no_description_is_refused() {
        assert_eq!(Sdp::parse(" \r\n").unwrap_err().code, "empty-sdp");
        for bad in
            ["hello", "v=0\r\n", "v=0\r\n\u{1F600}\r\nm=video 9 x 1", "m=video 9 x 1", "v=0\nm", "v=0\n=x"]
        {
            assert_eq!(Sdp::parse(bad).unwrap_err().code, "bad-sdp", "{bad}");
        }
        let plain = Sdp::parse("v=0\nm=video 9 RTP/AVP 96\na=rtpmap:96 VP8/90000\n").unwrap();
        assert!(plain.check_webrtc().unwrap_err().text.contains("ice-ufrag"));
    }

    #[test]
    fn a_rejected_section_has_port_0() {
        let mut sdp = Sdp::parse(OFFER).unwrap();
        sdp.media[0].reject();
        assert!(sdp.media[0].is_rejected());
        assert_eq!(sdp.media[0].lines[0], "m=video 0 UDP/TLS/RTP/SAVPF 96 97 103");
    }
}
