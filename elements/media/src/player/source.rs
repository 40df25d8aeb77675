//! What a session reads: a file, an address, a playlist, a camera; and the elements for it.

use std::sync::Arc;

use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::location::{Adaptive, Kind, Location};
use super::note::Failure;
use super::session::{Session, is_playlist};
use crate::pads;

/// How long a camera may take to answer, microseconds.
const ANSWER_LIMIT_US: u64 = 10_000_000;

/// After how long without packets over UDP a camera is asked for TCP, microseconds.
const UDP_LIMIT_US: u64 = 1_500_000;

/// How long the end of a session may take to be said to a camera, nanoseconds. It is waited for only so long.
const TEARDOWN_LIMIT_NS: u64 = 500_000_000;

/// How RTP comes from an RTSP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocols {
    /// UDP, and TCP if nothing arrives.
    #[default]
    Auto,
    /// UDP only, unicast or multicast as the server offers.
    Udp,
    /// Interleaved in the RTSP connection.
    Tcp,
}

impl Protocols {
    fn flags(self) -> &'static str {
        match self {
            Protocols::Auto => "tcp+udp-mcast+udp",
            Protocols::Udp => "udp-mcast+udp",
            Protocols::Tcp => "tcp",
        }
    }
}

/// What a session reads, and how.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where.
    pub location: Location,
    /// What sort of place that is.
    pub kind: Kind,
    /// Media are decoded.
    pub raw: bool,
    /// The jitter buffer, ms.
    pub latency: u32,
    /// How RTP comes.
    pub protocols: Protocols,
}

impl Source {
    /// Builds the elements of a session, up to what takes the streams apart.
    ///
    /// # Errors
    ///
    /// An element is missing.
    pub fn build(&self, session: &Arc<Session>) -> Result<(), gst::ErrorMessage> {
        match self.kind {
            Kind::Rtsp => self.camera(session),
            Kind::File => {
                let source = self.reader()?;
                add(session, &source)?;
                session.take_apart(&source_pad(&source)?)?;
                session.no_more_streams();
                Ok(())
            }
            Kind::Playlist(adaptive) => {
                let source = self.reader()?;
                add(session, &source)?;
                playlist(session, adaptive, &source_pad(&source)?)
            }
            Kind::Address => {
                let source = self.reader()?;
                let find = pads::make("typefind", "find")?;
                add(session, &source)?;
                add(session, &find)?;
                source.link(&find).map_err(|_| pads::link_failed("The player's source"))?;
                let weak = Arc::downgrade(session);
                find.connect("have-type", false, move |values| {
                    let session = weak.upgrade()?;
                    let find = values.first()?.get::<gst::Element>().ok()?;
                    let caps = values.get(2)?.get::<gst::Caps>().ok()?;
                    if let Err(error) = found(&session, &find, &caps) {
                        gst::error!(gst::CAT_RUST, obj = find, "{error:?}");
                        session.fail(Failure::stream(
                            gst::StreamError::Failed,
                            "What was found at the address could not be taken apart: \
                             `anabranch doctor` names missing packages.",
                        ));
                    }
                    None
                });
                Ok(())
            }
        }
    }

    /// The element that reads the bytes.
    fn reader(&self) -> Result<gst::Element, gst::ErrorMessage> {
        match &self.location {
            Location::File(path) => {
                let source = pads::make("filesrc", "source")?;
                source.set_property("location", path.to_string_lossy().as_ref());
                Ok(source)
            }
            Location::Uri(uri) => {
                let made = gst::Element::make_from_uri(gst::URIType::Src, uri, Some("source"));
                made.map_err(|_| {
                    gst::error_msg!(
                        gst::ResourceError::NotFound,
                        (
                            "'{}' has a kind of address that nothing here can read: use a file, http, https, rtsp or rtsps.",
                            self.location
                        )
                    )
                })
            }
        }
    }

    fn camera(&self, session: &Arc<Session>) -> Result<(), gst::ErrorMessage> {
        let Location::Uri(uri) = &self.location else { return Err(pads::link_failed("The camera")) };
        let source = pads::make("rtspsrc", "source")?;
        source.set_property("location", uri);
        source.set_property("latency", self.latency);
        source.set_property_from_str("protocols", self.protocols.flags());
        source.set_property("tcp-timeout", ANSWER_LIMIT_US);
        source.set_property("timeout", UDP_LIMIT_US);
        source.set_property("teardown-timeout", TEARDOWN_LIMIT_NS);
        // A connection that closes is said at once; the player itself connects again.
        source.set_property("udp-reconnect", false);
        // The first video and the first audio stream, and nothing else, so that nothing else is sent.
        let chosen = std::sync::Mutex::new([None::<u32>; 2]);
        source.connect("select-stream", false, move |values| {
            let number = values.get(1).and_then(|v| v.get::<u32>().ok())?;
            let caps = values.get(2).and_then(|v| v.get::<gst::Caps>().ok())?;
            let medium = caps.structure(0).and_then(|s| s.get::<String>("media").ok());
            let index = super::MEDIA.iter().position(|m| medium.as_deref() == Some(m));
            let mut chosen = chosen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Some(index.is_some_and(|i| *chosen[i].get_or_insert(number) == number).to_value())
        });
        let weak = Arc::downgrade(session);
        source.connect_pad_added(move |_, pad| take(&weak, pad));
        let weak = Arc::downgrade(session);
        source.connect_no_more_pads(move |_| {
            if let Some(session) = weak.upgrade() {
                session.no_more_streams();
            }
        });
        add(session, &source)
    }
}

fn add(session: &Session, element: &gst::Element) -> Result<(), gst::ErrorMessage> {
    session.pipeline.add(element).map_err(|_| pads::link_failed("The player's source"))
}

fn source_pad(source: &gst::Element) -> Result<gst::Pad, gst::ErrorMessage> {
    source.static_pad("src").ok_or_else(|| pads::link_failed("The player's source"))
}

/// Takes a stream of the source apart, or says why that cannot be.
fn take(session: &std::sync::Weak<Session>, pad: &gst::Pad) {
    if let Some(session) = session.upgrade()
        && let Err(error) = session.take_apart(pad)
    {
        gst::error!(gst::CAT_RUST, obj = pad, "{error:?}");
        let text =
            "A stream of the source could not be taken apart: `anabranch doctor` names missing packages.";
        session.fail(Failure::stream(gst::StreamError::Failed, text));
    }
}

/// An HLS or DASH list comes out of `pad`.
fn playlist(session: &Arc<Session>, adaptive: Adaptive, pad: &gst::Pad) -> Result<(), gst::ErrorMessage> {
    let demux = gst::ElementFactory::make(adaptive.element()).name("playlist").build().map_err(|_| {
        gst::error_msg!(
            gst::CoreError::MissingPlugin,
            (
                "{} needs the GStreamer element '{}', which is not installed: install the package \
                 gstreamer1.0-plugins-bad.",
                adaptive.name(),
                adaptive.element()
            )
        )
    })?;
    add(session, &demux)?;
    let weak = Arc::downgrade(session);
    demux.connect_pad_added(move |_, pad| take(&weak, pad));
    let weak = Arc::downgrade(session);
    demux.connect_no_more_pads(move |_| {
        if let Some(session) = weak.upgrade() {
            session.no_more_streams();
        }
    });
    let failed = || pads::link_failed("The player's playlist");
    let sink = demux.static_pad("sink").ok_or_else(failed)?;
    pad.link(&sink).map_err(|_| failed())?;
    demux.sync_state_with_parent().map_err(|_| failed())
}

/// What an address holds is known now. Runs in the thread that reads it.
fn found(session: &Arc<Session>, find: &gst::Element, caps: &gst::Caps) -> Result<(), gst::ErrorMessage> {
    let pad = source_pad(find)?;
    if is_playlist(caps) {
        let dash = caps.structure(0).is_some_and(|s| s.name() == "application/dash+xml");
        return playlist(session, if dash { Adaptive::Dash } else { Adaptive::Hls }, &pad);
    }
    session.take_apart(&pad)?;
    session.no_more_streams();
    Ok(())
}
