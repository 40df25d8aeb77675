//! What plain RTP needs of a session description: addresses, ports, payload types and keys.

use std::net::{IpAddr, SocketAddr};

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::{Sdp, Section};

use crate::media::codec::Coding;
use crate::srtp::Keys;
use anabranch_kit::endpoint::EndpointError;

/// How packets of a section go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// SRTP.
    pub secure: bool,
    /// Feedback goes at once (AVPF).
    pub feedback: bool,
}

impl Profile {
    /// Its name in an m-line.
    pub fn name(self) -> &'static str {
        match (self.secure, self.feedback) {
            (false, false) => "RTP/AVP",
            (false, true) => "RTP/AVPF",
            (true, false) => "RTP/SAVP",
            (true, true) => "RTP/SAVPF",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let all = [(false, false), (false, true), (true, false), (true, true)];
        all.into_iter().map(|(secure, feedback)| Profile { secure, feedback }).find(|p| p.name() == name)
    }
}

/// A media section as far as it matters here.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// Its place among the sections.
    pub index: usize,
    pub medium: Medium,
    pub profile: Profile,
    /// Where it is sent to or listened at; `None`: not known to whoever wrote it.
    pub address: Option<SocketAddr>,
    pub rtcp_port: u16,
    pub codings: Vec<Coding>,
    /// Those that are spoken here, with their tags, in the order of the section.
    pub keys: Vec<(u32, Keys)>,
    /// There are `a=crypto` lines, whether they are spoken here or not.
    pub asks_keys: bool,
    /// The one source of a group.
    pub source: Option<IpAddr>,
    pub nack: bool,
    pub mux: bool,
    /// `active`, `passive`, `both`: who connects to whom, of an older time.
    pub role: Option<String>,
    /// kbit/s; `None`: no limit.
    pub limit: Option<u32>,
}

impl Described {
    /// Reads a section; `None`: it is rejected, or of a kind that is not spoken here.
    ///
    /// # Errors
    ///
    /// `bad-sdp`: its port or its address is none.
    pub fn read(sdp: &Sdp, index: usize) -> Result<Option<Self>, EndpointError> {
        let Some(section) = sdp.media.get(index) else { return Ok(None) };
        let medium = section.medium().filter(|medium| *medium != Medium::Data);
        let profile = section.m_line().split(' ').nth(2).and_then(Profile::parse);
        let (Some(medium), Some(profile), false) = (medium, profile, section.is_rejected()) else {
            return Ok(None);
        };
        let bad = |what: &str| {
            EndpointError::bad_sdp(format!(
                "media section {} of the session description has {what}",
                index + 1
            ))
        };
        // `5004/2` are two pairs of ports; the first is taken.
        let port = section.m_line().split(' ').nth(1).and_then(|p| p.split('/').next()?.parse::<u16>().ok());
        let port = port.ok_or_else(|| bad("no port"))?;
        let line = connection(&section.lines).or_else(|| connection(&sdp.session));
        let ip = line.ok_or_else(|| bad("no address (c=)"))?.parse::<IpAddr>();
        let ip = ip.map_err(|_| bad("an address (c=) that is none"))?;
        let rtcp = section.attribute("rtcp").and_then(|v| v.split(' ').next()?.trim().parse::<u16>().ok());
        let keys = section.attributes("crypto").filter_map(Keys::parse).collect();
        let feedback = |kind: &str| {
            section
                .attributes("rtcp-fb")
                .any(|value| value.split_once(' ').is_some_and(|(_, what)| what.trim() == kind))
        };
        Ok(Some(Described {
            index,
            medium,
            profile,
            address: (!ip.is_unspecified() && port != DISCARD).then_some(SocketAddr::new(ip, port)),
            rtcp_port: rtcp.unwrap_or(port.saturating_add(1)),
            codings: section.payloads().iter().filter_map(Coding::of_payload).collect(),
            asks_keys: section.has("crypto"),
            keys,
            source: source_of(section, ip).or_else(|| {
                sdp.session.iter().find_map(|line| filter_of(line.strip_prefix("a=source-filter:")?, ip))
            }),
            nack: feedback("nack"),
            mux: section.has("rtcp-mux"),
            role: section.attribute("direction").map(|role| role.trim().to_ascii_lowercase()),
            limit: limit(section),
        }))
    }
}

/// The port that stands for "none yet".
const DISCARD: u16 = 9;

/// The address of `c=IN IP4 address/ttl`.
fn connection(lines: &[String]) -> Option<&str> {
    let value = lines.iter().find_map(|line| line.strip_prefix("c="))?;
    let mut parts = value.split_ascii_whitespace();
    let (net, family) = (parts.next()?, parts.next()?);
    let address = parts.next()?.split('/').next()?;
    (net == "IN" && matches!(family, "IP4" | "IP6")).then_some(address)
}

fn source_of(section: &Section, group: IpAddr) -> Option<IpAddr> {
    section.attributes("source-filter").find_map(|value| filter_of(value, group))
}

/// ` incl IN IP4 GROUP SOURCE` (RFC 4570).
fn filter_of(value: &str, group: IpAddr) -> Option<IpAddr> {
    let parts: Vec<&str> = value.split_ascii_whitespace().collect();
    let ["incl", "IN", _, whose, source, ..] = parts.as_slice() else { return None };
    (*whose == "*" || whose.parse() == Ok(group)).then_some(())?;
    source.parse().ok()
}

/// kbit/s, from `b=TIAS` or `b=AS`.
fn limit(section: &Section) -> Option<u32> {
    let value =
        |name: &str| section.lines.iter().find_map(|l| l.strip_prefix(name)?.trim().parse::<u32>().ok());
    value("b=TIAS:").map(|bits| bits / 1000).or_else(|| value("b=AS:")).filter(|kbps| *kbps > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Described>, EndpointError> {
        Described::read(&Sdp::parse(text).unwrap(), 0)
    }

    #[test]
    fn a_section_is_read() {
        let text = "v=0\nc=IN IP4 232.1.1.1/12\na=source-filter: incl IN IP4 * 192.0.2.9\nm=video 5000/2 RTP/SAVPF 96\n\
            b=AS:700\na=rtpmap:96 VP8/90000\na=rtcp:5009 IN IP4 192.0.2.9\na=rtcp-fb:96 nack pli\na=rtcp-fb:* nack\n\
            a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\n";
        let video = read(text).unwrap().unwrap();
        assert_eq!(video.address, Some("232.1.1.1:5000".parse().unwrap()));
        assert_eq!((video.rtcp_port, video.nack, video.limit), (5009, true, Some(700)));
        assert_eq!(video.source, Some("192.0.2.9".parse().unwrap()));
        assert_eq!((video.keys.len(), video.keys[0].0), (1, 4));
        assert!(video.profile.secure && video.profile.feedback);
    }

    #[test]
    fn unknown_addresses_are_none_and_bad_ones_are_told() {
        let plain =
            |c: &str, port: &str| read(&format!("v=0\n{c}\nm=audio {port} RTP/AVP 0\na=direction:active\n"));
        assert_eq!(plain("c=IN IP4 0.0.0.0", "5000").unwrap().unwrap().address, None);
        assert_eq!(plain("c=IN IP6 2001:db8::1", "9").unwrap().unwrap().address, None);
        assert!(plain("c=IN IP4 0.0.0.0", "0").unwrap().is_none());
        for (c, port) in [("s=-", "5000"), ("c=IN IP4 host.example", "5000"), ("c=IN IP4 127.0.0.1", "70000")]
        {
            assert_eq!(plain(c, port).unwrap_err().code, "bad-sdp", "{c} {port}");
        }
        assert!(read("v=0\nc=IN IP4 127.0.0.1\nm=audio 5000 UDP/TLS/RTP/SAVPF 0\n").unwrap().is_none());
    }
}
