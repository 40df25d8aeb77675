//! Exit codes.

use anabranch_engine::ErrorKind;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// A fault of the program or its surroundings.
    Fault = 1,
    /// The input is wrong.
    BadInput = 2,
    /// Media failed.
    Media = 3,
    /// A time limit ran out.
    TimeLimit = 4,
    /// Ended by a second Ctrl-C, as a shell would say it.
    Interrupted = 130,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        (exit as u8).into()
    }
}

/// Bad input, in words for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadInput(pub String);

/// For `Err(bad_input(...))`.
pub fn bad_input(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(BadInput(message.into()))
}

/// The exit code for the engine's kind of error.
pub fn of_kind(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::InvalidInput | ErrorKind::NotFound => Exit::BadInput,
        ErrorKind::Timeout => Exit::TimeLimit,
        ErrorKind::Internal => Exit::Fault,
        ErrorKind::Conflict | ErrorKind::Unsupported | ErrorKind::Unavailable => Exit::Media,
    }
}

/// The exit code for an error that reached `main`.
pub fn of_error(error: &anyhow::Error) -> Exit {
    if error.is::<BadInput>() { Exit::BadInput } else { Exit::Fault }
}
