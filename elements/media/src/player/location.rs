//! What a player is to play, and what is wrong with it before GStreamer even looks.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::mp4;

/// Where media come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file on this machine.
    File(PathBuf),
    /// Something that a URI names.
    Uri(String),
}

/// What sort of place media come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One file.
    File,
    /// Something behind an address; what it is shows when it comes.
    Address,
    /// A list of where the media are.
    Playlist(Adaptive),
    /// A camera or another RTSP server.
    Rtsp,
}

/// A sort of playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adaptive {
    /// HTTP Live Streaming.
    Hls,
    /// MPEG-DASH.
    Dash,
}

impl Adaptive {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Adaptive::Hls => "HLS",
            Adaptive::Dash => "DASH",
        }
    }

    /// The GStreamer element that plays it. Not the newer `hlsdemux2`: it takes only http, and stops the process on
    /// anything else when criticals are fatal.
    pub fn element(self) -> &'static str {
        match self {
            Adaptive::Hls => "hlsdemux",
            Adaptive::Dash => "dashdemux",
        }
    }

    fn of_name(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "m3u8" => Some(Adaptive::Hls),
            "mpd" => Some(Adaptive::Dash),
            _ => None,
        }
    }
}

impl Location {
    /// What sort of place it is, by its name.
    pub fn kind(&self) -> Kind {
        match self {
            Location::File(path) => {
                Adaptive::of_name(&path.to_string_lossy()).map_or(Kind::File, Kind::Playlist)
            }
            Location::Uri(uri) => {
                let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
                if scheme.to_ascii_lowercase().starts_with("rtsp") {
                    return Kind::Rtsp;
                }
                let path = rest.split(['?', '#']).next().unwrap_or_default();
                Adaptive::of_name(path).map_or(Kind::Address, Kind::Playlist)
            }
        }
    }

    /// From the property `uri`: a path, a `file:` URI, or another URI.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(
                "The player has nothing to play: set its `uri` to a file, or an http or rtsp address.".into(),
            );
        }
        if text.starts_with("file:") {
            return match glib::filename_from_uri(text) {
                Ok((path, _)) => Ok(Location::File(path)),
                Err(_) => Err(format!(
                    "'{text}' is not a valid file URI: write a plain path, or `file:///` and an absolute path."
                )),
            };
        }
        match text.split_once("://") {
            Some((scheme, _)) if is_scheme(scheme) => Ok(Location::Uri(text.to_owned())),
            _ => Ok(Location::File(PathBuf::from(text))),
        }
    }

    /// Looks at a file without reading it; other locations are taken as they are. Returns what a person should know
    /// about a file that can be played all the same.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence for a person.
    pub fn check(&self) -> Result<Option<String>, String> {
        let Location::File(path) = self else { return Ok(None) };
        let name = path.display();
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(path),
            ErrorKind::PermissionDenied => {
                format!("'{name}' lies in a directory that this user may not enter: change its permissions.")
            }
            _ => format!("'{name}' cannot be played: {error}."),
        })?;
        if metadata.is_dir() {
            return Err(format!("'{name}' is a directory: name one media file in it."));
        }
        if metadata.is_file() {
            if metadata.len() == 0 {
                return Err(format!("'{name}' is empty (0 bytes): there is nothing in it to play."));
            }
            let file = std::fs::File::open(path).map_err(|error| match error.kind() {
                ErrorKind::PermissionDenied => {
                    format!("'{name}' may not be read by this user: change its permissions (`chmod +r`).")
                }
                _ => format!("'{name}' cannot be opened: {error}."),
            })?;
            return match mp4::look(file, metadata.len()) {
                mp4::Verdict::Fine => Ok(None),
                mp4::Verdict::NoIndex => Err(cut_off(self)),
                mp4::Verdict::Short { missing } => {
                    Ok(Some(format!("'{name}' is cut off: {missing} bytes are missing, and it ends early.")))
                }
            };
        }
        Ok(None)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Uri(uri) => f.write_str(&without_password(uri)),
        }
    }
}

/// An address as it may be shown and logged.
pub fn without_password(uri: &str) -> String {
    let parts = uri.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (login, place) = authority.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        Some(format!("{scheme}://{user}:***@{place}{path}"))
    });
    parts.unwrap_or_else(|| uri.to_owned())
}

/// What there is to say about a film that lacks its index.
pub fn cut_off(location: &Location) -> String {
    format!(
        "'{location}' is damaged or cut off before its index: copy or record it again, or repair it with ffmpeg."
    )
}

fn missing(path: &Path) -> String {
    let name = path.display();
    match std::env::current_dir() {
        Ok(here) if path.is_relative() => {
            format!("There is no file '{name}' in '{}': check the player's `uri`.", here.display())
        }
        _ => format!("There is no file '{name}': check the player's `uri`."),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_uris_are_told_apart() {
        let file = |path: &str| Location::File(path.into());
        let uri = |text: &str| Location::Uri(text.into());
        for (text, expected) in [
            ("a.mp4", file("a.mp4")),
            ("/b/c d.webm", file("/b/c d.webm")),
            ("file:///b/c%20d.webm", file("/b/c d.webm")),
            ("http://host/a.mp4", uri("http://host/a.mp4")),
            ("rtsp://host/a", uri("rtsp://host/a")),
            ("odd name://x.mp4", file("odd name://x.mp4")),
            ("C:/x", file("C:/x")),
        ] {
            assert_eq!(Location::parse(text), Ok(expected), "{text}");
        }
        assert!(Location::parse(" ").unwrap_err().contains("`uri`"));
        assert!(Location::parse("file:x").unwrap_err().contains("file URI"));
    }

    #[test]
    fn kinds_are_told_by_the_name() {
        for (text, kind) in [
            ("a.mp4", Kind::File),
            ("lists/A.M3U8", Kind::Playlist(Adaptive::Hls)),
            ("http://host/a.m3u8?token=x.mp4", Kind::Playlist(Adaptive::Hls)),
            ("https://host/a.mpd#t=1", Kind::Playlist(Adaptive::Dash)),
            ("https://host/a.mp4", Kind::Address),
            ("rtsp://host/a.mp4", Kind::Rtsp),
            ("RTSPS://host/", Kind::Rtsp),
            ("rtspt://host/", Kind::Rtsp),
        ] {
            assert_eq!(Location::parse(text).unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (uri, shown) in [
            ("rtsp://me:secret@host/a", "rtsp://me:***@host/a"),
            ("rtsp://me:se@cret@host:554", "rtsp://me:***@host:554"),
            ("rtsp://me@host/a:b@c", "rtsp://me@host/a:b@c"),
            ("http://host/a", "http://host/a"),
        ] {
            assert_eq!(Location::Uri(uri.into()).to_string(), shown);
        }
    }

    #[test]
    fn bad_files_are_named_in_one_sentence() {
        let folder = std::env::temp_dir().join(format!("anabranch-location-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let empty = folder.join("empty.mp4");
        std::fs::write(&empty, "").unwrap();
        let check = |path: &Path| Location::File(path.into()).check().unwrap_err();
        assert!(check(&folder).contains("is a directory"));
        assert!(check(&empty).contains("is empty"));
        assert!(check(&folder.join("none.mp4")).contains("There is no file"));
        assert!(check(Path::new("surely/not/here.mp4")).contains("in '"));
        std::fs::write(&empty, "x").unwrap();
        assert_eq!(Location::File(empty).check(), Ok(None));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
