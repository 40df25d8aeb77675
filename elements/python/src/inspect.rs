//! Looks at a filter's file without a pipeline.

use std::path::Path;
use std::process::Stdio;

use crate::declared::Declared;
use crate::package;
use crate::process::interpreter;

/// The package's command line; nothing is looked for in the current folder.
const BEGIN: &str = "import sys; sys.path = [sys.argv.pop(1)] + [p for p in sys.path if p]; \
                     from anabranch.__main__ import main; sys.exit(main())";

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// The interpreter cannot be started.
    #[error("'{python}' cannot be started: {source}")]
    Interpreter {
        /// The interpreter.
        python: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no filter, or it raised an exception.
    #[error("{0}")]
    File(String),
}

/// What a filter's file declares. The file is run for that, in a process of its own.
///
/// # Errors
///
/// [`InspectError`].
pub fn inspect(file: &Path, python: &str) -> Result<Declared, InspectError> {
    let cannot = |source| InspectError::Interpreter { python: python.to_owned(), source };
    let output = interpreter(python)
        .map_err(cannot)?
        .args(["-c", BEGIN])
        .arg(package::folder().map_err(cannot)?)
        .arg("describe")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .map_err(cannot)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(InspectError::File(text.trim().trim_start_matches("error: ").to_owned()));
    }
    // The file itself may print, too; what is asked for is the last line.
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim().lines().last().unwrap_or_default())
        .map_err(|error| InspectError::File(format!("{} says nothing of itself: {error}", file.display())))
}
