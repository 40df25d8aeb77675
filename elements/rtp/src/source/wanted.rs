//! What is to be received, from an SDP or from the other properties.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anabranch_graph::format::{Format, Medium};
use anabranch_kit::sdp::Sdp;

use super::{AudioFormat, Options, VideoFormat};
use crate::media::codec::Coding;
use crate::net;
use crate::sdp::Described;
use crate::srtp::{Crypto, Keys};
use anabranch_kit::endpoint::EndpointError;

/// One medium to receive.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub medium: Medium,
    /// The group, or the address to listen at, and the port of RTP.
    pub at: SocketAddr,
    pub rtcp_port: u16,
    pub codings: Vec<Coding>,
    pub keys: Option<Keys>,
    pub source: Option<IpAddr>,
    pub nack: bool,
    pub mux: bool,
}

/// What the properties ask for.
///
/// # Errors
///
/// The SDP or a property is wrong.
pub(super) fn wanted(options: &Options) -> Result<Vec<Wanted>, EndpointError> {
    let only = match options.source_address.as_str() {
        "" => None,
        text => Some(net::parse_ip("source_address", text)?),
    };
    let text = if !options.sdp.trim().is_empty() {
        Some(options.sdp.clone())
    } else if !options.sdp_file.is_empty() {
        let read = std::fs::read_to_string(&options.sdp_file);
        Some(read.map_err(|e| {
            EndpointError::invalid(
                "bad-sdp",
                format!("the SDP file '{}' cannot be read: {e}", options.sdp_file),
            )
        })?)
    } else {
        None
    };
    let mut all = match text {
        Some(text) => of_sdp(&text)?,
        None => of_properties(options)?,
    };
    if let Some(only) = only {
        for wanted in &mut all {
            wanted.source = Some(only);
        }
    }
    if let Some(wrong) = all.iter().find(|w| w.source.is_some_and(|s| s.is_ipv4() != w.at.is_ipv4())) {
        return Err(EndpointError::invalid(
            "bad-address",
            format!("the source address and {} are of different families", wrong.at.ip()),
        ));
    }
    Ok(all)
}

fn of_sdp(text: &str) -> Result<Vec<Wanted>, EndpointError> {
    let sdp = Sdp::parse(text)?;
    let mut all: Vec<Wanted> = Vec::new();
    for index in 0..sdp.media.len() {
        let Some(read) = Described::read(&sdp, index)? else { continue };
        if read.codings.is_empty() || all.iter().any(|w| w.medium == read.medium) {
            continue;
        }
        if (read.profile.secure || read.asks_keys) && read.keys.is_empty() {
            return Err(EndpointError::bad_sdp(format!(
                "the {} of the session description is encrypted in a way that is not spoken here, or without a key",
                read.medium
            )));
        }
        let Some(at) = read.address else {
            return Err(EndpointError::bad_sdp(format!(
                "the {} of the session description has no address or no port to listen at",
                read.medium
            )));
        };
        all.push(Wanted {
            medium: read.medium,
            at,
            rtcp_port: if read.mux { at.port() } else { read.rtcp_port },
            codings: read.codings,
            keys: read.keys.into_iter().next().map(|(_, keys)| keys),
            source: read.source,
            nack: read.nack,
            mux: read.mux,
        });
    }
    if all.is_empty() {
        return Err(EndpointError::bad_sdp(
            "the session description has no video or audio that is spoken here",
        ));
    }
    Ok(all)
}

fn of_properties(options: &Options) -> Result<Vec<Wanted>, EndpointError> {
    let ip = match options.address.as_str() {
        "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        text => net::parse_ip("address", text)?,
    };
    if options.crypto != Crypto::None && options.crypto_key.is_empty() {
        return Err(EndpointError::invalid("bad-key", "`crypto` is given, but no `crypto_key`"));
    }
    let keys = Keys::of_properties(options.crypto, &options.crypto_key)?;
    let video = match options.video_format {
        VideoFormat::None => None,
        VideoFormat::Vp8 => Some(Format::Vp8),
        VideoFormat::H264 => Some(Format::H264),
        VideoFormat::Vp9 => Some(Format::Vp9),
    };
    let audio = match options.audio_format {
        AudioFormat::None => None,
        AudioFormat::Opus => Some(Format::Opus),
        AudioFormat::Pcmu => Some(Format::Pcmu),
        AudioFormat::Pcma => Some(Format::Pcma),
    };
    let audio_port = match audio {
        Some(_) => net::audio_port(options.port, options.audio_port)?,
        None => 0,
    };
    let mut all = Vec::new();
    for (format, port, payload) in
        [(video, options.port, options.video_payload), (audio, audio_port, options.audio_payload)]
    {
        let Some(mut coding) = format.and_then(Coding::usual) else { continue };
        if payload != 0 {
            coding.number = payload as u8;
        }
        let port = net::port(port);
        all.push(Wanted {
            medium: coding.format.medium(),
            at: SocketAddr::new(ip, port),
            rtcp_port: port.saturating_add(1),
            codings: vec![coding],
            keys: keys.clone(),
            source: None,
            nack: true,
            mux: false,
        });
    }
    if all.is_empty() {
        return Err(EndpointError::invalid(
            "nothing-to-receive",
            "nothing says what is received: give `sdp`, `sdp_file`, `video_format` or `audio_format`",
        ));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sdp_says_everything() {
        let sdp = "v=0\nc=IN IP6 ff35::8000:1\na=source-filter: incl IN IP6 ff35::8000:1 2001:db8::5\n\
            m=audio 6000 RTP/AVP 0\nm=video 6002 RTP/AVP 96\na=rtpmap:96 H264/90000\na=rtcp:7000\nm=text 6004 RTP/AVP 98\n";
        let options = Options { sdp: sdp.into(), ..Options::default() };
        let all = wanted(&options).unwrap();
        assert_eq!(all.iter().map(|w| w.medium).collect::<Vec<_>>(), [Medium::Audio, Medium::Video]);
        assert_eq!((all[0].rtcp_port, all[1].rtcp_port), (6001, 7000));
        assert_eq!(all[1].source, Some("2001:db8::5".parse().unwrap()));
        let wrong = Options { source_address: "192.0.2.1".into(), ..options };
        assert_eq!(wanted(&wrong).unwrap_err().code, "bad-address");
    }

    #[test]
    fn properties_say_it_as_well_and_mistakes_are_told() {
        let options =
            Options { video_format: VideoFormat::Vp8, audio_format: AudioFormat::Pcma, ..Options::default() };
        let all = wanted(&options).unwrap();
        assert_eq!((all[0].at.port(), all[1].at.port(), all[1].codings[0].number), (5004, 5006, 8));
        for (change, code) in [
            (Options::default(), "nothing-to-receive"),
            (Options { address: "host".into(), ..options.clone() }, "bad-address"),
            (Options { crypto: Crypto::Aes128Sha1_80, ..options.clone() }, "bad-key"),
            (Options { port: 65_533, ..options.clone() }, "bad-ports"),
            (
                Options {
                    sdp: "v=0\nm=video 1 RTP/SAVP 96\na=rtpmap:96 VP8/90000\nc=IN IP4 1.2.3.4".into(),
                    ..options.clone()
                },
                "bad-sdp",
            ),
            (Options { sdp_file: "/no/such.sdp".into(), ..options }, "bad-sdp"),
        ] {
            assert_eq!(wanted(&change).unwrap_err().code, code);
        }
    }
}
