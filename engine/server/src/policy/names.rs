//! What text properties name, by their names.

/// What a property's text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Nothing outside the graph.
    Nothing,
    /// A file or an address that is read.
    Input,
    /// A file that is written.
    Output,
    /// A STUN or TURN server.
    Server,
    /// Elements of GStreamer's.
    Elements,
    /// A program's text that is run.
    Code,
    /// A program that is run.
    Program,
    /// A host or a group, or an address of this machine to listen at.
    Host,
}

/// Properties that name something to write.
const OUTPUT: &[&str] = &["folder", "location", "sdp_file", "spool"];
/// Properties that name a server.
const SERVER: &[&str] = &["stun_server", "turn_servers"];
/// Properties that name a host, a group or an address to listen at.
const HOST: &[&str] = &["address", "multicast", "source_address"];
/// Properties whose text names nothing outside the graph.
const NOTHING: &[&str] = &[
    "accept",
    "announced_address",
    "announced_addresses",
    "audio_codecs",
    "background_color",
    "big",
    "caps",
    "clock",
    "color",
    "crypto_key",
    "hub",
    "id",
    "interface",
    "interfaces",
    "layer",
    "master",
    "mount",
    "outline_color",
    "password",
    "places",
    "select",
    "session_name",
    "source",
    "text",
    "user",
    "video_codecs",
];

/// What a property of that name names. One that is not known counts as a file to read: with an element that has a new
/// text property, clients can name nothing until somebody has thought about it.
pub(super) fn of(element: &str, property: &str) -> Names {
    match property {
        "file" if element == "python-filter" => Names::Code,
        "python" => Names::Program,
        "element" => Names::Elements,
        p if OUTPUT.contains(&p) => Names::Output,
        p if SERVER.contains(&p) => Names::Server,
        p if HOST.contains(&p) => Names::Host,
        p if NOTHING.contains(&p) => Names::Nothing,
        _ => Names::Input,
    }
}
