//! The SDP that a receiver needs.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use anabranch_graph::format::Medium;

use crate::media::codec::Coding;
use crate::net::{family, multicast};
use crate::srtp::Keys;

/// One medium as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub medium: Medium,
    pub coding: Coding,
    /// The caps of its packets.
    pub caps: gst::Caps,
    pub to: SocketAddr,
    pub ssrc: u32,
    pub keys: Option<Keys>,
}

/// What all media share.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub id: u32,
    pub version: u32,
    pub name: String,
    /// The address that packets come from.
    pub from: IpAddr,
    pub ttl: u32,
    pub cname: String,
}

/// Parameters of caps that receivers need, as far as the payloader knows them.
const PARAMETERS: &[&str] =
    &["packetization-mode", "profile-level-id", "sprop-parameter-sets", "sprop-stereo", "profile-id"];

fn fmtp(sent: &Sent) -> String {
    let structure = sent.caps.structure(0);
    let known = |name: &&str| {
        let value = structure?.get::<&str>(*name).ok()?;
        Some(format!("{name}={value}"))
    };
    PARAMETERS.iter().filter_map(known).collect::<Vec<_>>().join(";")
}

impl Whole {
    /// The text.
    pub fn describe(&self, media: &[Sent]) -> String {
        let name: String = self.name.chars().filter(|c| !c.is_control()).collect();
        let name = if name.trim().is_empty() { "-".to_owned() } else { name };
        let mut text = format!(
            "v=0\r\no=- {} {} IN {} {}\r\ns={name}\r\nt=0 0\r\na=tool:Anabranch\r\n",
            self.id,
            self.version,
            family(self.from),
            self.from
        );
        for sent in media {
            // Writing to a String cannot fail.
            let _ = self.add(&mut text, sent);
        }
        text
    }

    fn add(&self, text: &mut String, sent: &Sent) -> std::fmt::Result {
        let (number, ip) = (sent.coding.number, sent.to.ip());
        let profile = if sent.keys.is_some() { "RTP/SAVPF" } else { "RTP/AVPF" };
        write!(text, "m={} {} {profile} {number}\r\n", sent.medium, sent.to.port())?;
        match ip {
            IpAddr::V4(ip) if ip.is_multicast() => write!(text, "c=IN IP4 {ip}/{}\r\n", self.ttl.max(1))?,
            _ => write!(text, "c=IN {} {ip}\r\n", family(ip))?,
        }
        write!(text, "a=rtpmap:{}\r\n", sent.coding.rtpmap())?;
        let fmtp = fmtp(sent);
        if !fmtp.is_empty() {
            write!(text, "a=fmtp:{number} {fmtp}\r\n")?;
        }
        write!(text, "a=rtcp:{}\r\n", sent.to.port().saturating_add(1))?;
        write!(text, "a=rtcp-fb:{number} nack\r\n")?;
        if sent.medium == Medium::Video {
            write!(text, "a=rtcp-fb:{number} nack pli\r\na=rtcp-fb:{number} ccm fir\r\n")?;
        }
        if ip.is_multicast() && multicast::is_source_specific(ip) {
            write!(text, "a=source-filter: incl IN {} {ip} {}\r\n", family(ip), self.from)?;
        }
        if let Some(keys) = &sent.keys {
            write!(text, "a=crypto:{}\r\n", keys.attribute(1))?;
        }
        write!(text, "a=ssrc:{} cname:{}\r\na=sendonly\r\n", sent.ssrc, self.cname)
    }
}

#[cfg(test)]
mod tests {
    use anabranch_graph::format::Format;
    use anabranch_kit::sdp::Sdp;

    use super::*;

    #[test]
    fn what_a_receiver_needs_is_there() {
        gst::init().unwrap();
        let coding = Coding::usual(Format::H264).unwrap();
        let caps = gst::Caps::builder("application/x-rtp")
            .field("packetization-mode", "1")
            .field("sprop-parameter-sets", "Z0LA,aM4=")
            .build();
        let video = Sent {
            medium: Medium::Video,
            coding,
            caps,
            to: "232.1.2.3:5004".parse().unwrap(),
            ssrc: 7,
            keys: None,
        };
        let mut audio = video.clone();
        audio.medium = Medium::Audio;
        audio.coding = Coding::usual(Format::Pcma).unwrap();
        audio.caps = gst::Caps::new_empty();
        audio.to = "[ff15::7]:5006".parse().unwrap();
        let whole = Whole {
            id: 1,
            version: 2,
            name: "a\r\nm=evil".into(),
            from: "192.0.2.1".parse().unwrap(),
            ttl: 3,
            cname: "x".into(),
        };
        let text = whole.describe(&[video, audio]);
        let sdp = Sdp::parse(&text).unwrap();
        assert_eq!(sdp.media.len(), 2, "{text}");
        let payload = &sdp.media[0].payloads()[0];
        assert_eq!(payload.parameter("sprop-parameter-sets"), Some("Z0LA,aM4="));
        assert!(text.contains("c=IN IP4 232.1.2.3/3\r\n"), "{text}");
        assert!(text.contains("a=source-filter: incl IN IP4 232.1.2.3 192.0.2.1\r\n"), "{text}");
        assert!(text.contains("c=IN IP6 ff15::7\r\n"), "{text}");
        assert_eq!(sdp.media[1].payloads()[0].number, 8);
    }
}
