//! What two sides agree on, medium by medium: pure data.

use std::net::SocketAddr;

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::command::CommandErrorKind;
use anabranch_kit::sdp::{Direction, Sdp};

use super::{Options, Symmetric};
use crate::media::codec::Coding;
use crate::sdp::{Described, Profile};
use crate::srtp::{Crypto, Keys};
use anabranch_kit::endpoint::EndpointError;
use anabranch_kit::endpoint::codec::is_available;

/// A medium that both sides have.
#[derive(Clone, Debug)]
pub(super) struct Agreed {
    /// Its place among the sections.
    pub index: usize,
    pub medium: Medium,
    pub profile: Profile,
    /// Seen from here.
    pub direction: Direction,
    /// Those that both know; the first is sent.
    pub codings: Vec<Coding>,
    pub send_keys: Option<Keys>,
    pub receive_keys: Option<Keys>,
    /// Of the key line that is answered.
    pub tag: u32,
    pub remote: Option<SocketAddr>,
    pub remote_rtcp: Option<SocketAddr>,
    pub learn: bool,
    pub nack: bool,
    pub mux: bool,
    /// What the other side said who connects to whom.
    pub role: Option<String>,
    /// kbit/s that the other side takes.
    pub limit: Option<u32>,
}

/// A medium that was offered from here.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub medium: Medium,
    pub codings: Vec<Coding>,
    pub keys: Option<Keys>,
    pub direction: Direction,
}

/// The codings of a medium that are offered.
pub(super) fn offered_codings(options: &Options, medium: Medium) -> Vec<Coding> {
    options.formats(medium).into_iter().filter(is_available).filter_map(Coding::usual).collect()
}

/// What an offer and the options have in common; a section that is not there is rejected.
///
/// # Errors
///
/// `bad-sdp`, `no-common-media`.
pub(super) fn with_offer(options: &Options, offer: &Sdp) -> Result<Vec<Agreed>, EndpointError> {
    let mut agreed: Vec<Agreed> = Vec::new();
    let mut why = "it has no video or audio over RTP".to_owned();
    for index in 0..offer.media.len() {
        let Some(read) = Described::read(offer, index)? else { continue };
        if agreed.iter().any(|a| a.medium == read.medium) {
            continue;
        }
        match answer(options, offer, read) {
            Ok(one) => agreed.push(one),
            Err(reason) => why = reason,
        }
    }
    if agreed.is_empty() { Err(nothing(&why)) } else { Ok(agreed) }
}

fn nothing(why: &str) -> EndpointError {
    EndpointError::new(
        CommandErrorKind::Unsupported,
        "no-common-media",
        format!("nothing of the session description can be used: {why}"),
    )
}

fn answer(options: &Options, offer: &Sdp, read: Described) -> Result<Agreed, String> {
    let wanted: Vec<Format> = options.formats(read.medium).into_iter().filter(is_available).collect();
    let codings = common(&wanted, &read.codings);
    if codings.is_empty() {
        return Err(format!("no codec of its {} is spoken here", read.medium));
    }
    let (tag, receive_keys, send_keys) = match keys_for(options, &read)? {
        Some((tag, theirs, ours)) => (tag, Some(theirs), Some(ours)),
        None => (0, None, None),
    };
    let offered = offer.media.get(read.index).map_or(Direction::Inactive, |s| direction_of(offer, s));
    let direction = narrowed(options, offered.flipped());
    let learn = learns(options, &read);
    if read.address.is_none() && !learn {
        return Err(format!("its {} has no address to send to", read.medium));
    }
    Ok(finish(read, direction, codings, tag, send_keys, receive_keys, learn))
}

fn finish(
    read: Described,
    direction: Direction,
    codings: Vec<Coding>,
    tag: u32,
    send_keys: Option<Keys>,
    receive_keys: Option<Keys>,
    learn: bool,
) -> Agreed {
    let rtcp_port = match read.address {
        Some(address) if read.mux => address.port(),
        _ => read.rtcp_port,
    };
    Agreed {
        index: read.index,
        medium: read.medium,
        profile: read.profile,
        direction,
        codings,
        send_keys,
        receive_keys,
        tag,
        remote: read.address,
        remote_rtcp: read.address.map(|address| SocketAddr::new(address.ip(), rtcp_port)),
        learn,
        nack: read.nack,
        mux: read.mux,
        role: read.role,
        limit: read.limit,
    }
}

/// A direction may stand in the session, for all its media.
fn direction_of(sdp: &Sdp, section: &anabranch_kit::sdp::Section) -> Direction {
    let own = section.direction();
    if own != Direction::SendRecv || section.has("sendrecv") {
        return own;
    }
    let all = [
        ("inactive", Direction::Inactive),
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::RecvOnly),
    ];
    all.into_iter()
        .find(|(word, _)| sdp.session_attribute(word).is_some())
        .map_or(Direction::SendRecv, |(_, direction)| direction)
}

fn narrowed(options: &Options, direction: Direction) -> Direction {
    Direction::of(direction.sends() && options.sends(), direction.receives() && options.receives())
}

fn learns(options: &Options, read: &Described) -> bool {
    match options.symmetric {
        Symmetric::Always => true,
        Symmetric::Never => false,
        Symmetric::Auto => read.address.is_none() || read.role.as_deref() == Some("active"),
    }
}

/// Keys of the other side and of this, or why there can be none; `None`: in the clear.
fn keys_for(options: &Options, read: &Described) -> Result<Option<(u32, Keys, Keys)>, String> {
    let medium = read.medium;
    if read.keys.is_empty() {
        return if read.profile.secure || read.asks_keys {
            Err(format!("its {medium} is encrypted in a way that is not spoken here"))
        } else if options.crypto != Crypto::None {
            Err(format!(
                "its {medium} is not encrypted, and this endpoint insists on {}",
                options.crypto.suite()
            ))
        } else {
            Ok(None)
        };
    }
    let fits = |keys: &Keys| options.crypto == Crypto::None || keys.crypto == options.crypto;
    let Some((tag, theirs)) = read.keys.iter().find(|(_, keys)| fits(keys)) else {
        return Err(format!("its {medium} is not encrypted with {}", options.crypto.suite()));
    };
    let ours = if options.crypto == Crypto::None {
        Keys::random(theirs.crypto).map(Some)
    } else {
        Keys::of_properties(options.crypto, &options.crypto_key)
    };
    match ours {
        Ok(Some(ours)) => Ok(Some((*tag, theirs.clone(), ours))),
        Ok(None) => Ok(None),
        Err(error) => Err(error.text),
    }
}

/// The codings of the other side that are wanted here, one of each format, most wanted first.
fn common(wanted: &[Format], theirs: &[Coding]) -> Vec<Coding> {
    let best = |format: &Format| {
        let mode =
            |coding: &&Coding| u8::from(!coding.fmtp.replace(' ', "").contains("packetization-mode=1"));
        theirs.iter().filter(|coding| coding.format == *format).min_by_key(mode).cloned()
    };
    wanted.iter().filter_map(best).collect()
}

/// What an answer makes of an offer from here.
///
/// # Errors
///
/// `bad-sdp`, `no-common-media`.
pub(super) fn with_answer(
    options: &Options,
    offered: &[Offered],
    answer: &Sdp,
) -> Result<Vec<Agreed>, EndpointError> {
    let mut agreed = Vec::new();
    let mut why = "every medium was refused".to_owned();
    for (index, ours) in offered.iter().enumerate() {
        let Some(read) = Described::read(answer, index)? else { continue };
        if read.medium != ours.medium {
            return Err(EndpointError::bad_sdp(format!(
                "media section {} of the answer is {}, but {} was offered",
                index + 1,
                read.medium,
                ours.medium
            )));
        }
        // The other side's order says what it likes best.
        let codings: Vec<Coding> = read
            .codings
            .iter()
            .filter(|theirs| {
                ours.codings.iter().any(|c| c.number == theirs.number && c.format == theirs.format)
            })
            .cloned()
            .collect();
        if codings.is_empty() {
            why = format!("no codec of its {} was offered", read.medium);
            continue;
        }
        let receive_keys = match (&ours.keys, read.keys.first()) {
            (Some(ours), Some((_, theirs))) if theirs.crypto == ours.crypto => Some(theirs.clone()),
            (None, None) if !read.profile.secure && !read.asks_keys => None,
            _ => {
                why = format!("its {} is not encrypted as it was offered", read.medium);
                continue;
            }
        };
        let theirs = answer.media.get(index).map_or(Direction::Inactive, |s| direction_of(answer, s));
        let direction = theirs.flipped();
        let direction = Direction::of(
            direction.sends() && ours.direction.sends(),
            direction.receives() && ours.direction.receives(),
        );
        let learn = learns(options, &read);
        if read.address.is_none() && !learn {
            why = format!("its {} has no address to send to", read.medium);
            continue;
        }
        agreed.push(finish(read, direction, codings, 1, ours.keys.clone(), receive_keys, learn));
    }
    if agreed.is_empty() { Err(nothing(&why)) } else { Ok(agreed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\na=recvonly\n\
        m=audio 5000 RTP/AVP 0 8\nm=video 5002 RTP/AVPF 100 101 102\na=rtpmap:100 H264/90000\n\
        a=rtpmap:101 H264/90000\na=fmtp:101 packetization-mode=1\na=rtpmap:102 VP8/90000\na=sendrecv\n\
        m=video 5004 RTP/AVP 102\na=rtpmap:102 VP8/90000\n";

    fn agreed(options: &Options, text: &str) -> Result<Vec<Agreed>, EndpointError> {
        gst::init().unwrap();
        with_offer(options, &Sdp::parse(text).unwrap())
    }

    #[test]
    fn what_both_know_is_agreed_on() {
        let all = agreed(&Options::default(), OFFER).unwrap();
        let [audio, video] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((audio.direction, audio.codings.len()), (Direction::SendOnly, 2));
        assert_eq!(video.direction, Direction::SendRecv);
        let numbers: Vec<u8> = video.codings.iter().map(|c| c.number).collect();
        assert_eq!(numbers, [102, 101], "VP8 is wanted most, and H.264 in mode 1");
        assert_eq!(video.remote_rtcp, Some("192.0.2.1:5003".parse().unwrap()));
    }

    #[test]
    fn encryption_is_as_asked_or_not_at_all() {
        let secure = Options { crypto: Crypto::Aes128Sha1_80, ..Options::default() };
        let error = agreed(&secure, OFFER).unwrap_err();
        assert_eq!(error.code, "no-common-media");
        assert!(error.text.contains("insists"), "{error}");
        let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
        let offer = format!(
            "v=0\nc=IN IP4 0.0.0.0\nm=audio 9 RTP/SAVP 0\na=crypto:1 F8_128_HMAC_SHA1_80 inline:{key}\n\
             a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{key}\na=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{key}\n"
        );
        let all = agreed(&Options::default(), &offer).unwrap();
        assert_eq!((all[0].tag, all[0].learn), (3, true));
        assert_eq!(agreed(&secure, &offer).unwrap()[0].tag, 4);
        let never = Options { symmetric: Symmetric::Never, ..Options::default() };
        assert_eq!(agreed(&never, &offer).unwrap_err().code, "no-common-media");
    }

    #[test]
    fn an_answer_must_fit_its_offer() {
        gst::init().unwrap();
        let options = Options::default();
        let offered = [Medium::Audio, Medium::Video].map(|medium| Offered {
            medium,
            codings: offered_codings(&options, medium),
            keys: None,
            direction: Direction::SendRecv,
        });
        let with = |text: &str| with_answer(&options, &offered, &Sdp::parse(text).unwrap());
        let head = "v=0\nc=IN IP4 192.0.2.1\n";
        let good = format!(
            "{head}m=audio 0 RTP/AVPF 0\nm=video 5000 RTP/AVPF 96\na=rtpmap:96 VP8/90000\na=sendonly\n"
        );
        let all = with(&good).unwrap();
        assert_eq!((all.len(), all[0].direction), (1, Direction::RecvOnly));
        let crossed = format!("{head}m=video 5000 RTP/AVPF 96\na=rtpmap:96 VP8/90000\n");
        assert_eq!(with(&crossed).unwrap_err().code, "bad-sdp");
        assert_eq!(with(&format!("{head}m=audio 0 RTP/AVPF 0\n")).unwrap_err().code, "no-common-media");
    }
}
