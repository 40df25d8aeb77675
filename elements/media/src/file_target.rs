//! Where a file is to be written, and what is wrong with that before anything is.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::snapshot::picture;

/// Looks whether a file can be written there, without leaving a trace.
///
/// # Errors
///
/// What is wrong, as a sentence for a person.
pub fn check(location: &str) -> Result<(), String> {
    if location.trim().is_empty() {
        return Err("There is no place to write to: set `location` to a file.".into());
    }
    let path = Path::new(location);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(format!("'{location}' is a directory: name a file in it."));
        }
        Ok(metadata) if !metadata.is_file() => return Ok(()),
        Ok(_) => {
            return OpenOptions::new().append(true).open(path).map(drop).map_err(|e| refused(location, &e));
        }
        Err(_) => {}
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    match fs::metadata(parent) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(format!(
                "'{}' is a file, not a directory: '{location}' cannot be in it.",
                parent.display()
            ));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!(
                "There is no directory '{0}' for '{location}': make it first (`mkdir -p {0}`).",
                parent.display()
            ));
        }
        _ => {}
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => {
            drop(file);
            // It was made one line above, and nobody has written to it yet.
            let _ = fs::remove_file(path);
            Ok(())
        }
        Err(error) => Err(refused(location, &error)),
    }
}

fn refused(location: &str, error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => {
            format!(
                "'{location}' may not be written by this user: choose another place or change the permissions."
            )
        }
        ErrorKind::ReadOnlyFilesystem => {
            format!("'{location}' lies on a file system that is read-only: choose another place.")
        }
        ErrorKind::StorageFull => full(location),
        _ => format!("'{location}' cannot be written: {error}."),
    }
}

/// What there is to say about a full disk.
pub fn full(location: &str) -> String {
    format!("The disk is full: '{location}' ends here; make room or choose another place.")
}

/// The name of a part, from 1: `talk.webm`, `talk-2.webm`, `talk-3.webm`; or, where the location has a place for the
/// number (`talk-%05d.webm`), with the number there. In an address, what follows a question mark stays at the end.
pub fn part(location: &str, number: u32) -> String {
    let is_address = location.contains("://");
    // In an address `%20d` is a space and a letter.
    let has_place = !is_address || location.contains("%0");
    let numbered = if has_place { picture::name(location, u64::from(number)) } else { location.to_owned() };
    if numbered != location || number <= 1 {
        return numbered;
    }
    let end = location.find('?').filter(|_| is_address).unwrap_or(location.len());
    let (place, query) = location.split_at(end);
    let path = Path::new(place);
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    let named: PathBuf = path.with_file_name(name);
    format!("{}{query}", named.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_numbered_before_the_extension() {
        assert_eq!(part("a/talk.webm", 1), "a/talk.webm");
        assert_eq!(part("a/talk.webm", 2), "a/talk-2.webm");
        assert_eq!(part("talk", 3), "talk-3");
        assert_eq!(part("a.b/talk.1.mkv", 2), "a.b/talk.1-2.mkv");
        assert_eq!(part("talk-%05d.mkv", 1), "talk-00001.mkv");
        assert_eq!(part("talk-%05d.mkv", 12), "talk-00012.mkv");
        assert_eq!(part("s3://bucket/a%20day.mkv", 1), "s3://bucket/a%20day.mkv");
        assert_eq!(part("s3://bucket/a/talk.mkv", 2), "s3://bucket/a/talk-2.mkv");
        assert_eq!(part("https://h/talk.mkv?key=a.b", 2), "https://h/talk-2.mkv?key=a.b");
    }

    #[test]
    fn bad_places_are_named_and_good_ones_left_untouched() {
        let folder = std::env::temp_dir().join(format!("anabranch-target-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
        assert_eq!(check(&at("new.webm")), Ok(()));
        assert!(!Path::new(&at("new.webm")).exists());
        fs::write(at("old.webm"), "kept").unwrap();
        assert_eq!(check(&at("old.webm")), Ok(()));
        assert_eq!(fs::read(at("old.webm")).unwrap(), b"kept");
        assert!(check(&at("")).unwrap_err().contains("is a directory"));
        assert!(check(&at("none/x.webm")).unwrap_err().contains("mkdir"));
        assert!(check(&at("old.webm/x.webm")).unwrap_err().contains("is a file"));
        assert!(check("").unwrap_err().contains("`location`"));
        assert_eq!(check("/dev/full"), Ok(()), "writing will tell");
        fs::remove_dir_all(&folder).unwrap();
    }
}
