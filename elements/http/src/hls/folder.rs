//! The same files in a folder, for any web server.

use std::io;
use std::path::{Path, PathBuf};

use super::playlist::{self, Style};
use super::shelf::{Chore, Shelf};

/// The playlist's name.
pub const INDEX: &str = "index.m3u8";
/// The name of the playlist that names the other one.
pub const MASTER: &str = "master.m3u8";

/// Keeps the files of a folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    style: Style,
}

impl Folder {
    /// Makes the folder if its parent is there.
    ///
    /// # Errors
    ///
    /// Why nothing can be written there, a sentence.
    pub fn open(path: &str, style: Style) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let shown = path.display();
        match std::fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
            Err(error) => return Err(format!("The folder '{shown}' cannot be made: {error}.")),
        }
        let probe = path.join(".anabranch");
        std::fs::write(&probe, b"").map_err(|e| format!("Nothing can be written to '{shown}': {e}."))?;
        // It was made one line above.
        let _ = std::fs::remove_file(probe);
        // Parts are for those who are served.
        Ok(Folder { path, style: Style { part: 0, ..style } })
    }

    /// A file of it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Does what is to be done.
    ///
    /// # Errors
    ///
    /// What the system says, and about which file.
    pub fn carry_out(&self, chore: Chore, shelf: &Shelf) -> Result<(), (PathBuf, io::Error)> {
        match chore {
            Chore::Header(header) => self.write(&playlist::header(header.number), &header.bytes),
            Chore::Segment(segment) => {
                self.write(&playlist::segment(segment.number), &segment.bytes())?;
                self.playlists(shelf)
            }
            Chore::Remove(number) => {
                // Somebody else may have removed it.
                let _ = std::fs::remove_file(self.file(&playlist::segment(number)));
                Ok(())
            }
            Chore::End => self.playlists(shelf),
        }
    }

    fn playlists(&self, shelf: &Shelf) -> Result<(), (PathBuf, io::Error)> {
        let (master, media) = shelf.look(|c| (playlist::master(c), playlist::media(c, &self.style)));
        self.write(MASTER, master.as_bytes())?;
        self.write(INDEX, media.as_bytes())
    }

    /// Whoever reads meanwhile gets the old file or the new one.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), (PathBuf, io::Error)> {
        let (path, part) = (self.file(name), self.file(&format!(".{name}.part")));
        let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, &path));
        written.map_err(|error| {
            // What is left of it is of no use.
            let _ = std::fs::remove_file(Path::new(&part));
            (path, error)
        })
    }
}
