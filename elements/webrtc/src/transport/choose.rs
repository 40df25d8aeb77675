//! Which transport carries a peer, and why.

use super::native::NativeTransport;
use super::webrtcbin::WebrtcBin;
use super::{Transport, TransportContext};
use crate::options::{Options, TransportChoice};
use anabranch_kit::endpoint::EndpointError;

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Webrtcbin,
    Native,
}

impl Kind {
    /// Its name in descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Webrtcbin => "webrtcbin",
            Kind::Native => "native",
        }
    }
}

/// A choice and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub kind: Kind,
    /// Why, as the end of "webrtcbin, because ...".
    pub why: String,
}

/// What a remote offer asks for, as far as it matters for the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The peer offers several layers of its video.
    pub simulcast: bool,
}

/// What webrtcbin cannot do of what the options ask; a property and what is wrong.
pub(crate) fn beyond_webrtcbin(options: &Options) -> Option<(&'static str, &'static str)> {
    if options.ice_lite {
        return Some(("ice_lite", "webrtcbin has no ICE-lite; take `transport: native`"));
    }
    if !options.layer.is_empty() {
        return Some(("layer", "webrtcbin does not receive simulcast; take `transport: native`"));
    }
    if options.dscp > 0 {
        return Some(("dscp", "webrtcbin does not mark packets; take `transport: native`"));
    }
    None
}

/// What the native transport cannot do of what the options ask.
pub(crate) fn beyond_native(options: &Options) -> Option<(&'static str, &'static str)> {
    if !options.turn_servers.is_empty() {
        return Some((
            "turn_servers",
            "the native transport does not speak TURN; take `transport: webrtcbin`, or leave them out: a server \
             with a public or announced address needs none",
        ));
    }
    None
}

/// Chooses.
///
/// # Errors
///
/// No transport can do what is asked; the transport that was named cannot.
pub(crate) fn choose(options: &Options, asked: Asked) -> Result<Choice, EndpointError> {
    let chosen = |kind, why: &str| Ok(Choice { kind, why: why.to_owned() });
    let refuse = |property: &str, why: &str| {
        Err(EndpointError::unsupported(format!("`{property}` cannot be had: {why}")))
    };
    match options.transport {
        TransportChoice::Webrtcbin => match beyond_webrtcbin(options) {
            Some((property, why)) => refuse(property, why),
            None => chosen(Kind::Webrtcbin, "the description asks for it"),
        },
        TransportChoice::Native => match beyond_native(options) {
            Some((property, why)) => refuse(property, why),
            None => chosen(Kind::Native, "the description asks for it"),
        },
        TransportChoice::Auto => match (beyond_webrtcbin(options), beyond_native(options)) {
            (Some((property, why)), Some(_)) => refuse(property, why),
            (Some((_, why)), None) => chosen(Kind::Native, why),
            (None, None) if asked.simulcast && options.receives() => {
                chosen(Kind::Native, "the peer offers simulcast, which webrtcbin does not receive")
            }
            (None, _) => chosen(Kind::Webrtcbin, "it does all that is asked"),
        },
    }
}

/// Makes the chosen transport.
///
/// # Errors
///
/// What it needs is missing.
pub(crate) fn make(kind: Kind, context: TransportContext) -> Result<Box<dyn Transport>, EndpointError> {
    match kind {
        Kind::Webrtcbin => Ok(Box::new(WebrtcBin::new(context)?)),
        Kind::Native => Ok(Box::new(NativeTransport::new(context)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(change: impl FnOnce(&mut Options), simulcast: bool) -> Option<Kind> {
        let mut options = Options::default();
        change(&mut options);
        choose(&options, Asked { simulcast }).ok().map(|choice| choice.kind)
    }

    #[test]
    fn auto_is_webrtcbin_unless_something_is_asked_that_it_cannot_do() {
        assert_eq!(kind(|_| {}, false), Some(Kind::Webrtcbin));
        assert_eq!(kind(|_| {}, true), Some(Kind::Native));
        assert_eq!(kind(|o| o.layer = "h".into(), false), Some(Kind::Native));
        assert_eq!(kind(|o| o.ice_lite = true, false), Some(Kind::Native));
        assert_eq!(kind(|o| o.dscp = 46, false), Some(Kind::Native));
        let turn = |o: &mut Options| o.turn_servers = vec!["turn:u:p@h:1".into()];
        assert_eq!(kind(turn, true), Some(Kind::Webrtcbin));
    }

    #[test]
    fn a_named_transport_is_taken_or_refused() {
        assert_eq!(kind(|o| o.transport = TransportChoice::Native, false), Some(Kind::Native));
        assert_eq!(kind(|o| o.transport = TransportChoice::Webrtcbin, true), Some(Kind::Webrtcbin));
        let impossible = |o: &mut Options| {
            o.transport = TransportChoice::Webrtcbin;
            o.ice_lite = true;
        };
        assert_eq!(kind(impossible, false), None);
    }
}
