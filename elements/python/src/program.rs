//! Which interpreter a name means.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Leaves 0 if there is numpy, without loading it.
const HAS_NUMPY: &str = "import importlib.util, sys; sys.exit(importlib.util.find_spec('numpy') is None)";

/// What was found before, by name and search path.
type Found = HashMap<(String, OsString), PathBuf>;

static FOUND: LazyLock<Mutex<Found>> = LazyLock::new(Mutex::default);

/// The program that is meant by `python`: a path is itself, a name is the first program of that name in the search path
/// that has numpy. Machines often have several, and the first is not always the one for which numpy was installed. If none
/// has it, the first is meant: what it says when it fails is what a person expects.
pub fn find(python: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if python.contains('/') {
        return PathBuf::from(python);
    }
    let key = (python.to_owned(), path);
    let known = FOUND.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    if let Some(known) = known.filter(|program| program.exists()) {
        return known;
    }
    let all = candidates(python, &key.1);
    let [first, _, ..] = &all[..] else { return PathBuf::from(python) };
    let Some(program) = all.iter().find(|program| has_numpy(program)) else { return first.clone() };
    if program != first {
        tracing::warn!(
            "{} has no numpy, which filters need: {} is taken instead",
            first.display(),
            program.display()
        );
    }
    FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(key, program.clone());
    program.clone()
}

/// The programs of that name in a search path, each once.
fn candidates(name: &str, path: &OsString) -> Vec<PathBuf> {
    let mut seen = Vec::new();
    std::env::split_paths(path)
        .map(|folder| folder.join(name))
        .filter(|program| is_program(program))
        .filter(|program| {
            let real = program.canonicalize().unwrap_or_else(|_| program.clone());
            // An environment's interpreter is a link to another, and has packages of its own.
            let place = (real, environment(program));
            let new = !seen.contains(&place);
            seen.push(place);
            new
        })
        .collect()
}

/// The virtual environment that a program belongs to.
fn environment(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    folder.join("pyvenv.cfg").exists().then(|| folder.to_owned())
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn has_numpy(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(["-c", HAS_NUMPY]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that is an interpreter with numpy, or one without.
    fn fake(folder: &Path, has: bool) {
        std::fs::create_dir_all(folder).unwrap();
        let program = folder.join("python9");
        std::fs::write(&program, format!("#!/bin/sh\nexit {}\n", i32::from(!has))).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn of_several_the_first_that_can_be_used_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fake(&at("without"), false);
        fake(&at("with"), true);
        std::os::unix::fs::symlink(at("with"), at("again")).unwrap();
        std::fs::create_dir(at("empty")).unwrap();
        let path = std::env::join_paths(["empty", "without", "with", "again"].map(at)).unwrap();
        let all = candidates("python9", &path);
        assert_eq!(all, ["without", "with"].map(|name| at(name).join("python9")));
        assert_eq!(all.iter().map(|program| has_numpy(program)).collect::<Vec<_>>(), [false, true]);
        // A path is taken as it is, whatever it has.
        let given = at("without").join("python9");
        assert_eq!(find(given.to_str().unwrap()), given);
        assert_eq!(find("no-such-python"), Path::new("no-such-python"));
    }

    #[test]
    fn an_environment_is_another_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fake(&at("usr/bin"), true);
        std::fs::create_dir_all(at("venv/bin")).unwrap();
        std::fs::write(at("venv/pyvenv.cfg"), "").unwrap();
        std::os::unix::fs::symlink(at("usr/bin/python9"), at("venv/bin/python9")).unwrap();
        let path = std::env::join_paths(["venv/bin", "usr/bin"].map(at)).unwrap();
        assert_eq!(candidates("python9", &path).len(), 2);
    }
}
