//! GStreamer's errors in words for a person: one sentence with what to do.

use std::net::ToSocketAddrs;

use super::location::{Kind, Location, cut_off, without_password};

/// The sentence for an error from inside a player. `missing` is the description of a missing GStreamer plugin, if one
/// was reported.
pub fn sentence(location: &Location, error: &glib::Error, debug: &str, missing: Option<&str>) -> String {
    let text = error.message();
    if location.kind() == Kind::Rtsp {
        return camera(location, error, debug, missing);
    }
    if let (Location::Uri(uri), true) = (location, debug.contains("gst_base_src_loop")) {
        // The source says no more than that it failed: it has found no server to talk to.
        return unreachable(uri);
    }
    if let Some(missing) = missing {
        return format!(
            "'{location}' cannot be played because GStreamer has no {missing}; `anabranch doctor` names the package."
        );
    }
    if let Some(kind) = error.kind::<gst::ResourceError>() {
        return resource(location, kind, text, debug);
    }
    if let Some(kind) = error.kind::<gst::StreamError>() {
        return stream(location, kind, text, debug);
    }
    if error.kind::<gst::CoreError>() == Some(gst::CoreError::MissingPlugin) {
        return format!(
            "'{location}' cannot be played: {text} `anabranch doctor` names the package that is missing."
        );
    }
    format!("'{location}' cannot be played: {}", ended(text))
}

fn resource(location: &Location, kind: gst::ResourceError, text: &str, debug: &str) -> String {
    let both = format!("{text} {debug}").to_lowercase();
    if let (Kind::Playlist(_), gst::ResourceError::NotFound, Some(piece)) =
        (location.kind(), kind, address(debug))
        && piece != location.to_string()
    {
        return format!("'{location}' names '{piece}', which does not exist on its server (404 Not Found).");
    }
    if both.contains("no uri handler") || both.contains("no element") && both.contains("uri") {
        return format!(
            "'{location}' has a kind of address that nothing here can read: use a file, http, https, rtsp or rtsps."
        );
    }
    match kind {
        gst::ResourceError::NotFound => {
            format!("'{location}' does not exist on its server (404 Not Found): check the address.")
        }
        gst::ResourceError::NotAuthorized => {
            format!("The server refuses '{location}' without the right user name and password.")
        }
        gst::ResourceError::Seek if matches!(location, Location::Uri(_)) => format!(
            "The connection to '{location}' was cut in the middle, and its server cannot go on from there: play it again."
        ),
        gst::ResourceError::OpenRead if both.contains("tls") || both.contains("certificate") => {
            format!("The server of '{location}' has no certificate that is trusted here: {}", ended(text))
        }
        gst::ResourceError::OpenRead | gst::ResourceError::Read | gst::ResourceError::Seek => {
            format!("'{location}' cannot be read: {}", ended(text))
        }
        _ => format!("'{location}' cannot be played: {}", ended(text)),
    }
}

fn stream(location: &Location, kind: gst::StreamError, text: &str, debug: &str) -> String {
    let both = format!("{text} {debug}").to_lowercase();
    if both.contains("couldn't update playlist") || both.contains("fetch media playlist") {
        return format!(
            "'{location}' names a list of media that cannot be read: it names itself, or what it names is no such list."
        );
    }
    if both.contains("text file") || both.contains("text/plain") {
        return format!("'{location}' is a text file, whatever its name says: give the player a media file.");
    }
    if both.contains("no known streams")
        || both.contains("no playable streams")
        || both.contains("without exposing pads")
        || both.contains("incomplete")
        || both.contains("no 'moov'")
        || both.contains("truncated")
    {
        return cut_off(location);
    }
    match kind {
        gst::StreamError::TypeNotFound | gst::StreamError::WrongType => format!(
            "'{location}' is not in any media format that is known here: give the player a video or audio file."
        ),
        gst::StreamError::Decrypt | gst::StreamError::DecryptNokey => {
            format!("'{location}' is encrypted, and there is no key for it.")
        }
        gst::StreamError::Demux | gst::StreamError::Decode | gst::StreamError::Format => {
            format!("'{location}' is damaged: {}", ended(text))
        }
        _ => format!("'{location}' cannot be played: {}", ended(text)),
    }
}

/// What an RTSP server or the way to it gave for an answer.
fn camera(location: &Location, error: &glib::Error, debug: &str, missing: Option<&str>) -> String {
    let Location::Uri(uri) = location else { return ended(error.message()) };
    let both = format!("{} {debug}", error.message()).to_lowercase();
    let kind = error.kind::<gst::ResourceError>();
    if let Some(missing) = missing {
        return format!(
            "'{location}' sends something for which GStreamer has no {missing}; `anabranch doctor` names the package."
        );
    }
    if kind == Some(gst::ResourceError::NotAuthorized) || both.contains("unauthorized") {
        return format!(
            "The server of '{location}' wants a user name and password (401 Unauthorized): write them into the \
             address, rtsp://USER:PASSWORD@HOST/PATH."
        );
    }
    if both.contains("forbidden") {
        return format!("The server refuses '{location}' to this user (403 Forbidden).");
    }
    if kind == Some(gst::ResourceError::NotFound) || both.contains("not found") {
        return format!(
            "'{location}' does not exist on its server (404 Not Found): check the path in the address."
        );
    }
    if both.contains("waiting for server response") {
        return format!(
            "The server of '{location}' takes the connection but does not answer: it may be overloaded."
        );
    }
    if both.contains("timed out") || both.contains("timeout") || both.contains("could not receive any udp") {
        return format!(
            "'{location}' answers, but its media do not arrive: is UDP blocked on the way? Try `protocols: tcp`."
        );
    }
    if both.contains("unsupported transport") || both.contains("could not setup") {
        return format!(
            "The server of '{location}' does not offer this `protocols`: try `auto` or another one."
        );
    }
    if both.contains("connect") || both.contains("resolve") {
        return unreachable(uri);
    }
    if error.kind::<gst::StreamError>().is_some() || both.contains("no supported stream") {
        return format!("'{location}' sends nothing that can be played here: {}", ended(error.message()));
    }
    format!("'{location}' cannot be played: {}", ended(error.message()))
}

/// No connection: because of the name, or because nobody listens there.
fn unreachable(uri: &str) -> String {
    let host = server(uri);
    let uri = without_password(uri);
    match host {
        Some((host, port)) if (host, port).to_socket_addrs().is_err() => format!(
            "The host '{host}' of '{uri}' is unknown: check the address and the network's name service."
        ),
        Some((host, port)) => format!(
            "Nobody answers at '{host}', port {port}, where '{uri}' should be: check the address, and that the server runs."
        ),
        None => format!("'{uri}' is not an address that can be reached: check it."),
    }
}

/// The host and port that an http or rtsp address names.
pub fn server(uri: &str) -> Option<(&str, u16)> {
    let (scheme, rest) = uri.split_once("://")?;
    let usual = match scheme {
        "https" => 443,
        "rtsps" => 322,
        rtsp if rtsp.starts_with("rtsp") => 554,
        _ => 80,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = match place.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, port)) => (v6, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    Some((host, port.and_then(|port| port.parse().ok()).unwrap_or(usual))).filter(|_| !host.is_empty())
}

/// The address that the debug text of an http source names.
fn address(debug: &str) -> Option<String> {
    let (_, rest) = debug.split_once("URL: ")?;
    rest.split([',', ' ']).next().map(without_password)
}

/// With one full stop at its end.
fn ended(text: &str) -> String {
    format!("{}.", text.trim().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_in_addresses() {
        for (uri, expected) in [
            ("http://host/a.mp4", Some(("host", 80))),
            ("https://host?x", Some(("host", 443))),
            ("http://me:secret@host:8080/a", Some(("host", 8080))),
            ("http://[::1]:81/a", Some(("::1", 81))),
            ("https://[::1]", Some(("::1", 443))),
            ("rtsp://host/a", Some(("host", 554))),
            ("rtsps://host/a", Some(("host", 322))),
            ("http:///a", None),
            ("a.mp4", None),
        ] {
            assert_eq!(server(uri), expected, "{uri}");
        }
    }

    #[test]
    fn pieces_of_playlists_are_named() {
        assert_eq!(
            address("File not found (404), URL: http://h/a.ts, Redirect to: (NULL)").unwrap(),
            "http://h/a.ts"
        );
        assert_eq!(address("nothing"), None);
    }

    #[test]
    fn what_cameras_answer_is_said_in_words() {
        let camera = Location::Uri("rtsp://me:secret@127.0.0.1:1/a".into());
        let said = |kind: gst::ResourceError, debug: &str| {
            sentence(&camera, &glib::Error::new(kind, "It failed."), debug, None)
        };
        for (kind, debug, word) in [
            (gst::ResourceError::NotAuthorized, "Unauthorized (401)", "rtsp://USER:PASSWORD@HOST/PATH"),
            (gst::ResourceError::NotFound, "Not Found (404)", "404"),
            (gst::ResourceError::Read, "Timeout while waiting for server response", "does not answer"),
            (
                gst::ResourceError::Read,
                "Could not receive any UDP packets for 1.5 seconds",
                "`protocols: tcp`",
            ),
            (gst::ResourceError::OpenReadWrite, "Failed to connect. (Generic error)", "Nobody answers"),
            (gst::ResourceError::Settings, "Error (551): Unsupported transport", "`protocols`"),
        ] {
            let text = said(kind, debug);
            assert!(text.contains(word) && text.ends_with('.') && !text.contains("secret"), "{text}");
        }
        let error = glib::Error::new(gst::StreamError::CodecNotFound, "No decoder.");
        assert!(sentence(&camera, &error, "", Some("NONSUCH depayloader")).contains("NONSUCH depayloader"));
    }

    #[test]
    fn sentences_end_once() {
        assert_eq!(ended(" It failed.. "), "It failed.");
    }
}
