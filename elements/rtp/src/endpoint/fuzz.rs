//! 100,000 session descriptions that are nearly right: each is read, or refused with a sentence.

use anabranch_kit::sdp::Sdp;

use super::{Options, agree};

/// Small and the same in every run.
pub(super) struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    a=source-filter: incl IN IP4 * 127.0.0.1\r\nm=audio 40000 RTP/SAVPF 111 0 8\r\na=rtpmap:111 opus/48000/2\r\n\
    a=fmtp:111 useinbandfec=1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20\r\n\
    a=rtcp:40001 IN IP4 127.0.0.1\r\na=sendrecv\r\nm=video 40002 RTP/AVPF 96 97 98\r\nb=AS:500\r\na=rtpmap:96 VP8/90000\r\n\
    a=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1;profile-level-id=42e01f;sprop-parameter-sets=Z0LA,aM4=\r\n\
    a=rtpmap:98 VP9/90000\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:* nack\r\na=direction:active\r\na=mid:v\r\na=sendonly\r\n";

const PIECES: &[&str] = &[
    "",
    " ",
    "\0",
    "\r",
    "\n",
    "=",
    ":",
    "/",
    "|",
    "-1",
    "0",
    "9",
    "65535",
    "65536",
    "99999999999999999999",
    "\u{1F600}",
    "a=crypto:",
    "inline:",
    "m=",
    "m=video",
    "c=IN IP6 ::1",
    "c=IN IP4 999.1.1.1",
    "c=IN IP4 0.0.0.0",
    "IP6",
    "RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
    "a=rtpmap:96",
    "a=fmtp:96 ",
    ";;;===",
    "opus/0/0",
    "H264/90000",
    "a=rtcp-mux",
    "239.1.1.1/300",
];

/// A description with a few mistakes.
pub(super) fn mutated(dice: &mut Dice) -> String {
    let mut text: Vec<char> = OFFER.chars().collect();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(text.len() + 1);
        match dice.roll(5) {
            0 => {
                let piece = PIECES[dice.roll(PIECES.len())].chars();
                text.splice(at..at, piece);
            }
            1 => {
                let end = (at + dice.roll(40)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let end = (at + dice.roll(200)).min(text.len());
                let copy: Vec<char> = text[at..end].to_vec();
                let to = dice.roll(text.len() + 1);
                text.splice(to..to, copy);
            }
            3 => {
                if let Some(place) = text.get_mut(at) {
                    *place = char::from_u32(dice.roll(0x250) as u32).unwrap_or('x');
                }
            }
            _ => {
                // A whole line is another.
                let string: String = text.iter().collect();
                let mut lines: Vec<&str> = string.split("\r\n").collect();
                let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
                lines.swap(a, b);
                text = lines.join("\r\n").chars().collect();
            }
        }
    }
    text.into_iter().collect()
}

#[test]
fn a_hundred_thousand_descriptions_are_read_or_refused() {
    gst::init().unwrap();
    let mut dice = Dice(0x2545_F491_4F6C_DD1D);
    let options = Options::default();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let text = mutated(&mut dice);
        let result = Sdp::parse(&text)
            .map_err(anabranch_kit::endpoint::EndpointError::from)
            .and_then(|sdp| agree::with_offer(&options, &sdp));
        match result {
            Ok(agreed) => {
                read += 1;
                for coding in agreed.iter().flat_map(|a| &a.codings) {
                    assert!(coding.caps(true).is_fixed());
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.text.is_empty() && !error.code.is_empty());
            }
        }
    }
    println!("{read} were read, {refused} refused");
    assert!(read > 1000 && refused > 1000, "{read} were read, {refused} refused");
}

#[test]
fn heavy_an_endpoint_survives_offers_that_are_nearly_right() {
    use anabranch_kit::command;
    use gst::prelude::*;
    use serde_json::json;

    gst::init().unwrap();
    let endpoint: super::Rtp = glib::Object::new();
    let pipeline = gst::Pipeline::new();
    pipeline.add(&endpoint).unwrap();
    // Messages that nobody takes hold the elements that posted them.
    pipeline.bus().unwrap().set_sync_handler(|_, _| gst::BusSyncReply::Drop);
    pipeline.set_state(gst::State::Playing).unwrap();
    let call = |name: &str, arguments: serde_json::Value| {
        futures::executor::block_on(command::call(&endpoint, name, &arguments))
    };
    let count = std::env::var("RTP_OFFERS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut answered, mut refused, mut before) = (0, 0, 0);
    for n in 0..count {
        match call("process-offer", json!({"sdp": mutated(&mut dice)})) {
            Ok(answer) => {
                answered += 1;
                Sdp::parse(answer["sdp"].as_str().unwrap()).unwrap();
                call("reset", json!({})).unwrap();
            }
            Err(error) => {
                refused += 1;
                assert!(!error.text.is_empty() && error.code != "no-answer", "{error:?}");
            }
        }
        if n == count / 4 {
            before = files();
        }
    }
    // Those of the last peers may still be being closed.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while files() > before + 8 {
        assert!(std::time::Instant::now() < end, "{} files are open, {before} before", files());
        std::thread::yield_now();
    }
    println!("{answered} were answered, {refused} refused");
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(answered > count / 50 && refused > count / 50, "{answered} answered, {refused} refused");
}
