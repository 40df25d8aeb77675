//! Files that clients may name: below the configured folders, whatever links and `..` lead to.

use std::path::{Component, Path, PathBuf};

use crate::config::Files;

/// A file to read: the canonical path, or why not.
pub(super) fn read(files: &Files, text: &str) -> Result<String, String> {
    let roots: Vec<&PathBuf> = files.read.iter().chain(&files.write).collect();
    let path = path_of(text)?;
    for candidate in candidates(&path, &roots) {
        // What does not exist is looked for elsewhere.
        if let Ok(found) = candidate.canonicalize()
            && is_below(&found, &roots)
        {
            return utf8(&found);
        }
    }
    Err(refusal(text, &path, &roots, "read"))
}

/// A file to write: the canonical path of its folder with its name, or why not.
pub(super) fn write(files: &Files, text: &str) -> Result<String, String> {
    let roots: Vec<&PathBuf> = files.write.iter().collect();
    let path = path_of(text)?;
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return Err(format!("'{text}' names no file"));
    };
    for candidate in candidates(&path, &roots) {
        let folder = candidate.parent().and_then(|folder| folder.canonicalize().ok());
        let Some(folder) = folder.filter(|folder| is_below(folder, &roots)) else { continue };
        let target = folder.join(name);
        // A link that is there already must not lead out.
        let leads_out = target.is_symlink() && !target.canonicalize().is_ok_and(|t| is_below(&t, &roots));
        if !leads_out {
            return utf8(&target);
        }
    }
    Err(refusal(text, &path, &roots, "write"))
}

/// A file whose text is run: the canonical path, or why not. Folders that clients may write to do not count, whatever
/// the configuration says: who can write what is run can do everything.
pub(super) fn code(files: &Files, text: &str) -> Result<String, String> {
    let roots: Vec<&PathBuf> = files.code.iter().collect();
    if roots.is_empty() {
        return Err(format!(
            "'{text}': this server runs no filters of clients' choice; files.code allows folders with filters in Python"
        ));
    }
    let path = path_of(text)?;
    let mut writable = false;
    for candidate in candidates(&path, &roots) {
        let Ok(found) = candidate.canonicalize() else { continue };
        if !is_below(&found, &roots) {
            continue;
        }
        if !files.write.iter().any(|folder| found.starts_with(folder)) {
            return utf8(&found);
        }
        writable = true;
    }
    if writable {
        return Err(format!("'{text}' lies where clients may write (files.write): nothing there is run"));
    }
    Err(refusal(text, &path, &roots, "run"))
}

/// The path that a text means: a path or a `file:` URI.
fn path_of(text: &str) -> Result<PathBuf, String> {
    if text.contains('\0') {
        return Err("a path has no NUL in it".to_owned());
    }
    if !text.starts_with("file:") {
        return Ok(PathBuf::from(text));
    }
    let url = url::Url::parse(text).map_err(|error| format!("'{text}' is no file URI: {error}"))?;
    let path = url.to_file_path().map_err(|()| format!("'{text}' names no file of this machine"))?;
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err("a path has no NUL in it".to_owned());
    }
    Ok(path)
}

/// Where a path may lie: a relative one in the current folder, as the command line has it, or below a root.
fn candidates(path: &Path, roots: &[&PathBuf]) -> Vec<PathBuf> {
    if path.is_absolute() {
        return vec![path.to_owned()];
    }
    let here = std::path::absolute(path).ok();
    here.into_iter().chain(roots.iter().map(|root| root.join(path))).collect()
}

fn is_below(path: &Path, roots: &[&PathBuf]) -> bool {
    roots.iter().any(|root| path.starts_with(root))
}

fn utf8(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

/// Says why without saying what exists outside.
fn refusal(text: &str, path: &Path, roots: &[&PathBuf], what: &str) -> String {
    if roots.is_empty() {
        return format!("'{text}': this server lets clients {what} no files; files.{what} allows folders");
    }
    let inside = !path.components().any(|c| c == Component::ParentDir)
        && (path.is_relative() || roots.iter().any(|root| path.starts_with(root)));
    match (inside, what) {
        (true, "read") => format!("'{text}': there is no such file below the folders that clients may read"),
        (true, "run") => {
            format!("'{text}': there is no such file below the folders with filters (files.code)")
        }
        (false, "run") => format!("'{text}' does not lie below the folders with filters (files.code)"),
        (true, _) => format!("'{text}': there is no such folder below those that clients may write to"),
        (false, _) => format!("'{text}' does not lie below the folders that clients may {what}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Place {
        folder: PathBuf,
        files: Files,
    }

    impl Place {
        /// `open` may be read, `out` written; `secret` lies beside them; links lead out of both.
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("anabranch-policy-{name}-{}", std::process::id()));
            // It may be left over.
            let _ = std::fs::remove_dir_all(&folder);
            for part in ["open/sub", "out", "secret", "open-too"] {
                std::fs::create_dir_all(folder.join(part)).unwrap();
            }
            let folder = folder.canonicalize().unwrap();
            for file in ["open/a.png", "open/sub/b.png", "secret/key", "open-too/c.png", "out/old.webm"] {
                std::fs::write(folder.join(file), "x").unwrap();
            }
            symlink(folder.join("secret"), folder.join("open/link")).unwrap();
            symlink(folder.join("secret/key"), folder.join("open/key.png")).unwrap();
            symlink(folder.join("open/a.png"), folder.join("open/same.png")).unwrap();
            symlink(folder.join("secret/new"), folder.join("out/trap.webm")).unwrap();
            symlink(folder.join("secret"), folder.join("out/link")).unwrap();
            let files =
                Files { read: vec![folder.join("open")], write: vec![folder.join("out")], code: Vec::new() };
            Place { folder, files }
        }

        fn at(&self, path: &str) -> String {
            self.folder.join(path).to_string_lossy().into_owned()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn files_below_the_folders_are_read() {
        let place = Place::new("read");
        let a = place.at("open/a.png");
        let uri = format!("file://{a}");
        for text in [a.as_str(), "a.png", "./a.png", "sub/../a.png", "same.png", &uri] {
            assert_eq!(read(&place.files, text), Ok(a.clone()), "{text}");
        }
        assert_eq!(
            read(&place.files, "old.webm"),
            Ok(place.at("out/old.webm")),
            "what was recorded can be played"
        );
    }

    #[test]
    fn files_elsewhere_are_not_read() {
        let place = Place::new("not-read");
        let escape = format!("{}/../secret/key", place.at("open"));
        let uri = format!("file://{}", place.at("secret/key"));
        let encoded = format!("file://{}/%2e%2e/secret/key", place.at("open"));
        let cases = [
            "/etc/passwd",
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "file:/etc/passwd",
            "file://localhost/etc/passwd",
            "file://other/etc/passwd",
            "../secret/key",
            "sub/../../secret/key",
            "link/key",
            "key.png",
            "/proc/self/environ",
            "/dev/stdin",
            "",
            ".",
            "..",
            "a\0.png",
            "file:///etc/pass%00wd",
            &escape,
            &uri,
            &encoded,
            "../open-too/c.png",
            "~/x",
            "//etc/passwd",
            "\\\\host\\share",
        ];
        for text in cases {
            // An empty name means the folder itself, which is harmless: nothing in it can be played.
            let result = read(&place.files, text);
            let harmless = result
                .as_ref()
                .is_ok_and(|p| p.starts_with(&place.at("open")) || p.starts_with(&place.at("out")));
            assert!(result.is_err() || (harmless && matches!(text, "" | ".")), "{text}: {result:?}");
        }
        assert!(read(&place.files, &place.at("open-too/c.png")).is_err(), "a name that only begins alike");
    }

    #[test]
    fn a_refusal_does_not_say_what_exists_elsewhere() {
        let place = Place::new("silent");
        let there = read(&place.files, &place.at("secret/key")).unwrap_err();
        let not_there = read(&place.files, &place.at("secret/none")).unwrap_err();
        assert_eq!(there.replace("key", "none"), not_there);
    }

    #[test]
    fn files_are_written_below_the_folders_only() {
        let place = Place::new("write");
        let new = place.at("out/new.webm");
        for text in [new.as_str(), "new.webm", "./new.webm"] {
            assert_eq!(write(&place.files, text), Ok(new.clone()), "{text}");
        }
        assert_eq!(write(&place.files, "pic-{n}.png"), Ok(place.at("out/pic-{n}.png")));
        let read_only = place.at("open/a.png");
        for text in [
            "/etc/cron.d/x",
            "../secret/new",
            "trap.webm",
            "link/x",
            "",
            "..",
            "none/x.webm",
            &read_only,
            "/dev/sda",
        ] {
            assert!(write(&place.files, text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_what_lies_in_folders_with_filters_is_run() {
        let place = Place::new("code");
        assert!(code(&place.files, &place.at("open/a.png")).unwrap_err().contains("files.code"));
        let files = Files { code: vec![place.folder.clone()], ..place.files.clone() };
        assert_eq!(code(&files, "open/a.png"), Ok(place.at("open/a.png")));
        assert!(code(&files, &place.at("out/old.webm")).is_err(), "clients can write there");
        let files = Files { code: vec![place.folder.join("open")], ..place.files.clone() };
        for text in ["/etc/passwd", "../secret/key", "link/key", "key.png", "", "b.png", "file:///etc/passwd"]
        {
            let result = code(&files, text);
            let harmless = text.is_empty() && result.as_ref().is_ok_and(|p| *p == place.at("open"));
            assert!(result.is_err() || harmless, "{text}: {result:?}");
        }
        assert!(read(&files, &place.at("secret/key")).is_err(), "folders with filters open nothing else");
    }

    #[test]
    fn without_folders_there_are_no_files() {
        let files = Files::default();
        assert!(read(&files, "/etc/hostname").unwrap_err().contains("files.read"));
        assert!(write(&files, "/tmp/x.webm").unwrap_err().contains("files.write"));
    }
}
