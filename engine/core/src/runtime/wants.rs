//! What an endpoint takes on one of its input ports, as it negotiated.

use anabranch_graph::format::Format;
use serde::Deserialize;
use serde_json::Value;

/// The data of a message `wants`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Wants {
    /// The input port.
    pub port: String,
    /// GStreamer caps, most wanted first; none: nothing is wanted now. Absent: as before.
    #[serde(default)]
    pub formats: Option<Vec<String>>,
    /// kbit/s for an encoder; 0: its default. Absent: as before.
    #[serde(default)]
    pub bitrate: Option<u32>,
}

impl Wants {
    /// Nothing yet.
    pub fn nothing(port: &str) -> Self {
        Wants { port: port.to_owned(), formats: Some(Vec::new()), bitrate: None }
    }

    /// From a message's data.
    pub fn read(data: Value) -> Option<Self> {
        serde_json::from_value(data).ok()
    }

    /// These wants where `newer` is silent.
    pub fn updated(&self, newer: Wants) -> Wants {
        Wants {
            port: newer.port,
            formats: newer.formats.or_else(|| self.formats.clone()),
            bitrate: newer.bitrate.or(self.bitrate),
        }
    }

    /// The caps as the hub's pad property `accept` has them. Of these formats only, most wanted first, if there are any.
    pub fn accept(&self, only: &[Format]) -> String {
        let all = self.formats.as_deref().unwrap_or_default();
        let of = |format: &Format| {
            let name = format.caps().split(',').next().unwrap_or_default().to_owned();
            all.iter().filter(move |caps| caps.split([',', '(', ' ']).next() == Some(name.as_str()))
        };
        let caps: Vec<&str> = match only {
            [] => all.iter().map(String::as_str).collect(),
            only => only.iter().flat_map(of).map(String::as_str).collect(),
        };
        if caps.is_empty() { "EMPTY".to_owned() } else { caps.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bit_rate_alone_leaves_the_formats() {
        let wants = Wants::nothing("video");
        assert_eq!(wants.accept(&[]), "EMPTY");
        let formats =
            Wants::read(json!({"port": "video", "formats": ["video/x-vp8", "video/x-h264"]})).unwrap();
        let wants = wants.updated(formats);
        assert_eq!(wants.accept(&[]), "video/x-vp8; video/x-h264");
        assert_eq!(wants.accept(&[Format::Av1, Format::H264]), "video/x-h264");
        assert_eq!(wants.accept(&[Format::Vp9]), "EMPTY");
        let wants = wants.updated(Wants::read(json!({"port": "video", "bitrate": 700})).unwrap());
        assert_eq!((wants.accept(&[]).as_str(), wants.bitrate), ("video/x-vp8; video/x-h264", Some(700)));
    }

    #[test]
    fn other_data_is_no_wish() {
        assert_eq!(Wants::read(json!({"formats": []})), None);
    }
}
