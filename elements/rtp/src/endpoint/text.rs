//! Session descriptions of this side, as text.

use std::fmt::Write as _;
use std::net::IpAddr;

use anabranch_graph::format::Medium;
use anabranch_kit::sdp::{Direction, Sdp};

use super::agree::{Agreed, Offered};
use crate::media::codec::Coding;
use crate::net::family;
use crate::sdp::Profile;
use crate::srtp::Keys;

/// What the description as a whole says.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub id: u32,
    /// Under which the peer reaches this machine.
    pub ip: IpAddr,
    pub cname: String,
    /// kbit/s that the peer may send; 0: no limit.
    pub limit: u32,
}

/// The local end of a medium.
#[derive(Clone, Copy, Debug)]
pub(super) struct Local {
    pub port: u16,
    pub rtcp_port: u16,
    pub ssrc: u32,
}

struct Line<'a> {
    medium: Medium,
    profile: Profile,
    codings: &'a [Coding],
    direction: Direction,
    keys: Option<(u32, &'a Keys)>,
    nack: bool,
    mux: bool,
    passive: bool,
}

impl Head {
    fn begin(&self) -> String {
        let (family, ip) = (family(self.ip), self.ip);
        format!(
            "v=0\r\no=- {} 1 IN {family} {ip}\r\ns=Anabranch\r\nc=IN {family} {ip}\r\nt=0 0\r\na=tool:Anabranch\r\n",
            self.id
        )
    }

    /// An offer.
    pub fn offer(&self, media: &[(Offered, Local)]) -> String {
        let mut text = self.begin();
        for (offered, local) in media {
            let line = Line {
                medium: offered.medium,
                profile: Profile { secure: offered.keys.is_some(), feedback: true },
                codings: &offered.codings,
                direction: offered.direction,
                keys: offered.keys.as_ref().map(|keys| (1, keys)),
                nack: true,
                mux: false,
                passive: false,
            };
            self.add(&mut text, &line, *local);
        }
        text
    }

    /// The answer to an offer.
    pub fn answer(&self, offer: &Sdp, media: &[(Agreed, Local)]) -> String {
        let mut text = self.begin();
        for (index, section) in offer.media.iter().enumerate() {
            let Some((agreed, local)) = media.iter().find(|(agreed, _)| agreed.index == index) else {
                let mut refused = section.clone();
                refused.reject();
                let line = refused.m_line();
                text.push_str(&format!("m={line}\r\n"));
                continue;
            };
            let line = Line {
                medium: agreed.medium,
                profile: agreed.profile,
                codings: &agreed.codings,
                direction: agreed.direction,
                keys: agreed.send_keys.as_ref().map(|keys| (agreed.tag, keys)),
                nack: agreed.nack,
                mux: agreed.mux,
                passive: agreed.role.as_deref() == Some("active"),
            };
            self.add(&mut text, &line, *local);
            if let Some(mid) = section.mid() {
                text.push_str(&format!("a=mid:{mid}\r\n"));
            }
        }
        text
    }

    fn add(&self, text: &mut String, line: &Line<'_>, local: Local) {
        // Writing to a String cannot fail.
        let _ = self.write(text, line, local);
    }

    fn write(&self, text: &mut String, line: &Line<'_>, local: Local) -> std::fmt::Result {
        write!(text, "m={} {} {}", line.medium, local.port, line.profile.name())?;
        for coding in line.codings {
            write!(text, " {}", coding.number)?;
        }
        text.push_str("\r\n");
        if line.medium == Medium::Video && self.limit != 0 {
            write!(text, "b=AS:{}\r\n", self.limit)?;
        }
        for coding in line.codings {
            write!(text, "a=rtpmap:{}\r\n", coding.rtpmap())?;
            if !coding.fmtp.is_empty() {
                write!(text, "a=fmtp:{} {}\r\n", coding.number, coding.fmtp)?;
            }
            if line.profile.feedback {
                if line.nack {
                    write!(text, "a=rtcp-fb:{} nack\r\n", coding.number)?;
                }
                if line.medium == Medium::Video {
                    write!(text, "a=rtcp-fb:{0} nack pli\r\na=rtcp-fb:{0} ccm fir\r\n", coding.number)?;
                }
            }
        }
        if line.mux {
            write!(text, "a=rtcp-mux\r\n")?;
        } else {
            write!(text, "a=rtcp:{}\r\n", local.rtcp_port)?;
        }
        if let Some((tag, keys)) = line.keys {
            write!(text, "a=crypto:{}\r\n", keys.attribute(tag))?;
        }
        if line.passive {
            text.push_str("a=direction:passive\r\n");
        }
        let way = match line.direction {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        };
        write!(text, "a={way}\r\n")?;
        if line.direction.sends() {
            write!(text, "a=ssrc:{} cname:{}\r\n", local.ssrc, self.cname)?;
        }
        Ok(())
    }
}
