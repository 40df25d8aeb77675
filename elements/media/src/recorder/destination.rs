//! Where a recording goes: a file, an HTTP server, or a store of objects.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use url::Url;

use super::container::Container;
use crate::file_target;

/// Schemes of stores that take objects in parts.
pub const STORES: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"];

/// Where a recording goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file here.
    File(String),
    /// An HTTP server that takes PUT.
    Put(Url),
    /// A store of objects.
    Store(Url),
}

impl Destination {
    /// What a location means.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence for a person.
    pub fn parse(location: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = location.split_once("://") else {
            return Ok(Destination::File(location.to_owned()));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            let url = Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
            let path = url.unwrap_or_else(|| PathBuf::from(rest));
            return Ok(Destination::File(path.to_string_lossy().into_owned()));
        }
        let url = || {
            let url = Url::parse(location).map_err(|e| format!("'{location}' is no address: {e}."))?;
            match url.host_str() {
                Some(host) if !host.is_empty() => Ok(url),
                _ => Err(format!("'{location}' names no host or bucket.")),
            }
        };
        match scheme.as_str() {
            "http" | "https" => url().map(Destination::Put),
            scheme if STORES.contains(&scheme) => url().map(Destination::Store),
            other => Err(format!(
                "'{other}://' is no place that the recorder writes to: use a file, http(s)://, s3://, gs:// or az://."
            )),
        }
    }

    /// Whether it is elsewhere, so that a copy is kept here until it is there.
    pub fn is_remote(&self) -> bool {
        !matches!(self, Destination::File(_))
    }

    /// Whether what has been written there cannot be changed.
    pub fn is_forward_only(&self, container: Container) -> bool {
        matches!(self, Destination::Put(_)) && container != Container::Jpeg
    }

    /// Looks whether it can be written, without leaving a trace. A place elsewhere is only looked at when there is
    /// something to bring.
    ///
    /// # Errors
    ///
    /// What is wrong, as a sentence for a person.
    pub fn check(&self, spool: &Path) -> Result<(), String> {
        match self {
            Destination::File(file) => file_target::check(file),
            _ => file_target::check(&spool.join("anabranch-spool").to_string_lossy()),
        }
    }
}

/// The folder for copies: the one that is named, or the system's.
pub fn spool_folder(named: &str) -> PathBuf {
    if named.is_empty() { std::env::temp_dir() } else { PathBuf::from(named) }
}

/// A new file for the copy of what goes to `location`.
pub fn spool_file(folder: &Path, location: &str) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = location.split('?').next().and_then(|l| l.rsplit('/').next()).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("anabranch-spool-{}-{number}-{name}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_tells_where_it_goes() {
        let parse = |location: &str| Destination::parse(location);
        assert_eq!(parse("a/b.webm"), Ok(Destination::File("a/b.webm".into())));
        assert_eq!(parse("file:///a%20b.webm"), Ok(Destination::File("/a b.webm".into())));
        assert!(matches!(parse("https://h/a.webm"), Ok(Destination::Put(_))));
        assert!(matches!(parse("s3://bucket/a.webm"), Ok(Destination::Store(_))));
        assert!(parse("ftp://h/a.webm").unwrap_err().contains("'ftp://'"));
        assert!(parse("s3:///a.webm").unwrap_err().contains("bucket"));
    }

    #[test]
    fn copies_have_names_of_their_own() {
        let folder = Path::new("/spool");
        let (a, b) = (spool_file(folder, "s3://b/x/talk.webm"), spool_file(folder, "s3://b/x/talk.webm"));
        assert_ne!(a, b);
        assert!(a.to_string_lossy().ends_with("-talk.webm"), "{a:?}");
    }
}
