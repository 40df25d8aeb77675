//! The configuration file: TOML; unknown keys are errors, every key has a default.

mod load;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::access::{Grant, Scope};

pub use load::ConfigError;

/// How a server behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether it may listen on other than loopback addresses although there is no token.
    pub insecure_listen: bool,
    /// Descriptions that are started with the server and kept running.
    pub pipelines: Vec<PathBuf>,
    /// How long a stop may take, seconds: recordings are finalised meanwhile.
    pub stop_seconds: u64,
    /// Certificate and key; without them connections are not encrypted.
    pub tls: Option<Tls>,
    /// Who may do what; without any, everybody everything.
    pub tokens: Vec<Token>,
    /// Which web pages may ask.
    pub browser: Browser,
    /// Which files clients may name.
    pub files: Files,
    /// Which addresses clients may name.
    pub network: Network,
    /// What of GStreamer clients may use by name.
    pub gstreamer: Gstreamer,
    /// STUN and TURN servers that WHIP and WHEP clients are told.
    pub ice_servers: Vec<IceServer>,
    /// Properties of every WebRTC element that clients make, unless they give them.
    pub webrtc: serde_json::Map<String, serde_json::Value>,
    /// Limits.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 8888)),
            insecure_listen: false,
            pipelines: Vec::new(),
            stop_seconds: 15,
            tls: None,
            tokens: Vec::new(),
            browser: Browser::default(),
            files: Files::default(),
            network: Network::default(),
            gstreamer: Gstreamer::default(),
            ice_servers: Vec::new(),
            webrtc: serde_json::Map::new(),
            limits: Limits::default(),
        }
    }
}

/// Certificate and key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, followed by those that lead to a root.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What logs call it.
    pub name: String,
    /// The secret; this or `token_file`.
    #[serde(default)]
    pub token: String,
    /// A file with the secret.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The pipelines that it is for, exact names or `prefix*`; none: all.
    #[serde(default)]
    pub pipelines: Option<Vec<String>>,
}

impl Token {
    /// What it grants.
    pub fn grant(&self) -> Grant {
        Grant { name: self.name.clone(), scopes: self.scopes.clone(), pipelines: self.pipelines.clone() }
    }
}

/// Which web pages may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Browser {
    /// Origins whose pages may ask, besides the server's own: `https://example.org`; `*` is any.
    pub origins: Vec<String>,
    /// Host names that this server answers to, besides addresses and `localhost`; checked on a server without tokens.
    pub hosts: Vec<String>,
}

/// Which files clients may name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Folders below which files may be read.
    pub read: Vec<PathBuf>,
    /// Folders below which files may be written; they may be read, too.
    pub write: Vec<PathBuf>,
    /// Folders with filters in Python that clients may choose from; none: clients can run no code. What is below a folder
    /// of `write` is never run.
    pub code: Vec<PathBuf>,
}

/// What of GStreamer clients may use by name, in `gstreamer-filter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gstreamer {
    /// Elements, by their factories' names; `*` is all, also those that read and write files.
    pub elements: Vec<String>,
}

/// Elements that change pictures or sound and name nothing outside the graph.
const HARMLESS: &[&str] = &[
    "agingtv",
    "alpha",
    "audioamplify",
    "audioconvert",
    "audiodynamic",
    "audioecho",
    "audioinvert",
    "audiokaraoke",
    "audiopanorama",
    "audioresample",
    "bulge",
    "burn",
    "capsfilter",
    "chromahold",
    "chromium",
    "clockoverlay",
    "coloreffects",
    "dicetv",
    "diffuse",
    "dilate",
    "dodge",
    "edgetv",
    "equalizer-10bands",
    "equalizer-3bands",
    "exclusion",
    "fisheye",
    "freeverb",
    "gamma",
    "gaussianblur",
    "identity",
    "kaleidoscope",
    "marble",
    "mirror",
    "optv",
    "pinch",
    "pitch",
    "quarktv",
    "queue",
    "radioactv",
    "revtv",
    "rippletv",
    "rotate",
    "shagadelictv",
    "smooth",
    "solarize",
    "sphere",
    "square",
    "streaktv",
    "stretch",
    "textoverlay",
    "timeoverlay",
    "tunnel",
    "twirl",
    "vertigotv",
    "videobalance",
    "videobox",
    "videoconvert",
    "videocrop",
    "videoflip",
    "videomedian",
    "videorate",
    "videoscale",
    "volume",
    "warptv",
    "waterripple",
];

impl Default for Gstreamer {
    fn default() -> Self {
        Gstreamer { elements: HARMLESS.iter().map(|name| (*name).to_owned()).collect() }
    }
}

/// Which addresses clients may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// URI schemes.
    pub schemes: Vec<String>,
    /// Whether private, loopback and link-local addresses may be named.
    pub allow_private: bool,
    /// Hosts that may be named, exact or `*.domain`; empty: all.
    pub hosts: Vec<String>,
    /// Where clients may have recordings sent: addresses, below which theirs must lie; empty: nowhere.
    pub write: Vec<String>,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            schemes: vec!["http".into(), "https".into()],
            allow_private: false,
            hosts: Vec::new(),
            write: Vec::new(),
        }
    }
}

/// A STUN or TURN server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp`.
    pub url: String,
    /// For TURN.
    #[serde(default)]
    pub username: String,
    /// For TURN.
    #[serde(default)]
    pub credential: String,
}

impl IceServer {
    /// As a `Link` header of WHIP and WHEP.
    pub(crate) fn link(&self) -> String {
        let mut link = format!("<{}>; rel=\"ice-server\"", self.url);
        if !self.username.is_empty() {
            link.push_str(&format!(
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                self.username, self.credential
            ));
        }
        link
    }
}

/// Limits. Each is answered with a problem of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_client: usize,
    /// A connection whose next request has not come whole up to its body after this time is closed, seconds.
    pub header_seconds: u64,
    /// A request's body must be there within this time, seconds.
    pub body_seconds: u64,
    /// A request's body, bytes.
    pub body_bytes: usize,
    /// A WebSocket message, bytes.
    pub message_bytes: usize,
    /// Requests a second of one client, on average.
    pub requests_per_second: u32,
    /// Requests that one client may send at once.
    pub request_burst: u32,
    /// Pipelines.
    pub pipelines: usize,
    /// Elements of all pipelines together.
    pub elements: usize,
    /// Peers: elements `webrtc`, `rtp` and `hub-port`.
    pub peers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 8192,
            connections_per_client: 1024,
            header_seconds: 20,
            body_seconds: 20,
            body_bytes: 1 << 20,
            message_bytes: 1 << 20,
            requests_per_second: 200,
            request_burst: 400,
            pipelines: 200,
            elements: 5000,
            peers: 1000,
        }
    }
}
