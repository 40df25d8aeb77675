//! The Python package, as a part of this program: written to a private folder, so that a worker finds the version that
//! speaks its language, whether or not the package is installed.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../package/anabranch/", $path)))),*]
    };
}

/// The package's files, by their paths below its folder.
const FILES: &[(&str, &str)] = files![
    "__init__.py",
    "__main__.py",
    "answers.py",
    "check.py",
    "filter.py",
    "frame.py",
    "link.py",
    "load.py",
    "results.py",
    "tools.py",
    "worker.py",
    "templates/__init__.py",
    "templates/blobs.py",
    "templates/edges.py",
    "templates/tracker.py",
];

/// A filter to begin with: `blobs`, `edges` or `tracker`.
pub fn template(name: &str) -> Option<&'static str> {
    let path = format!("templates/{name}.py");
    FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

/// The folder that has the package `anabranch` in it, made if it is not there. For `PYTHONPATH`.
///
/// # Errors
///
/// Neither the user's cache nor the folder for temporary files can be written to.
pub fn folder() -> io::Result<PathBuf> {
    static MADE: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = made.as_ref().filter(|folder| is_whole(folder)) {
        return Ok(folder.clone());
    }
    let name = format!("python-{}", version());
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for parent in parents() {
        let folder = parent.join(&name);
        let there = if is_whole(&folder) { Ok(()) } else { write(&parent, &folder) };
        match there {
            Ok(()) => {
                *made = Some(folder.clone());
                return Ok(folder);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Where the folder may be: in the user's cache, or beside other temporary files.
fn parents() -> Vec<PathBuf> {
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|home| home.join(".cache")));
    let mine = format!("anabranch-{}", nix::unistd::getuid().as_raw());
    cache.map(|cache| cache.join("anabranch")).into_iter().chain([std::env::temp_dir().join(mine)]).collect()
}

/// The first digits of the sum of all files.
fn version() -> String {
    let mut sum = Sha256::new();
    for (path, text) in FILES {
        sum.update(path.as_bytes());
        sum.update([0]);
        sum.update(text.as_bytes());
        sum.update([0]);
    }
    sum.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether the folder belongs to this user, cannot be written by others, and has the files as they are here.
fn is_whole(folder: &Path) -> bool {
    let is_private = std::fs::symlink_metadata(folder).is_ok_and(|m| {
        m.is_dir() && m.uid() == nix::unistd::getuid().as_raw() && m.permissions().mode() & 0o022 == 0
    });
    let same = |(path, text): &(&str, &str)| {
        std::fs::read(folder.join("anabranch").join(path)).is_ok_and(|found| found == text.as_bytes())
    };
    is_private && FILES.iter().all(same)
}

/// Writes all files to a folder beside it and then gives it its name, so that nobody sees a half-written one.
fn write(parent: &Path, folder: &Path) -> io::Result<()> {
    let private = |path: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    private(parent)?;
    let part = parent.join(format!("python-part-{}-{:?}", std::process::id(), std::thread::current().id()));
    // It may be left over from a program that was killed.
    let _ = std::fs::remove_dir_all(&part);
    private(&part.join("anabranch/templates"))?;
    for (path, text) in FILES {
        std::fs::write(part.join("anabranch").join(path), text)?;
    }
    if folder.symlink_metadata().is_ok() && !is_whole(folder) {
        // Somebody changed it. Move it out of the way first: a worker that is about to start may be reading it.
        let old = part.with_extension("old");
        std::fs::rename(folder, &old)?;
        let _ = std::fs::remove_dir_all(&old);
    }
    let renamed = std::fs::rename(&part, folder);
    if renamed.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    // Another program was faster.
    if is_whole(folder) { Ok(()) } else { renamed.and(Err(io::ErrorKind::PermissionDenied.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_package_is_written_anew() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("x");
        write(parent.path(), &folder).unwrap();
        assert!(is_whole(&folder));
        std::fs::write(folder.join("anabranch/worker.py"), "print('mine')").unwrap();
        assert!(!is_whole(&folder));
        write(parent.path(), &folder).unwrap();
        assert!(is_whole(&folder));
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_whole(&folder), "others could change what is run");
    }

    #[test]
    fn every_file_of_the_package_is_here() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("package/anabranch");
        for folder in ["", "templates"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "py") {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
                    assert!(FILES.iter().any(|(known, _)| *known == name), "{name} is not embedded");
                }
            }
        }
    }
}
