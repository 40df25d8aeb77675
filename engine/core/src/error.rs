//! Errors of the engine's operations.

use anabranch_graph::diagnostic::Diagnostic;

/// What kind of error it is, for whoever maps errors to exit codes or network replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's input is wrong.
    InvalidInput,
    /// There is no such thing.
    NotFound,
    /// It does not go together with what is there.
    Conflict,
    /// This machine or build cannot do it.
    Unsupported,
    /// It cannot be reached now.
    Unavailable,
    /// It took too long.
    Timeout,
    /// A fault of the engine.
    Internal,
}

/// A stable code and a kind for each error.
pub trait ErrorInfo {
    /// A stable code, SCREAMING_SNAKE_CASE.
    fn code(&self) -> &'static str;
    /// Its kind.
    fn kind(&self) -> ErrorKind;
}

/// Why the engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// GStreamer does not start.
    #[error("GStreamer does not start: {0}")]
    Init(#[from] glib::Error),
    /// An element could not be registered.
    #[error("an element could not be registered: {0}")]
    Register(#[from] glib::BoolError),
    /// No tokio runtime.
    #[error("the engine needs a tokio runtime: call it from within one")]
    NoRuntime,
}

impl ErrorInfo for EngineError {
    fn code(&self) -> &'static str {
        match self {
            EngineError::Init(_) => "GSTREAMER_INIT",
            EngineError::Register(_) => "ELEMENT_REGISTER",
            EngineError::NoRuntime => "NO_RUNTIME",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            EngineError::Init(_) | EngineError::Register(_) => ErrorKind::Unsupported,
            EngineError::NoRuntime => ErrorKind::InvalidInput,
        }
    }
}

/// Why a graph is refused.
#[derive(Debug, thiserror::Error)]
#[error("the description has {} mistake(s): {}", .diagnostics.len(), first(.diagnostics))]
pub struct GraphError {
    /// All mistakes.
    pub diagnostics: Vec<Diagnostic>,
}

fn first(diagnostics: &[Diagnostic]) -> String {
    diagnostics.first().map(|d| d.message.clone()).unwrap_or_default()
}

impl ErrorInfo for GraphError {
    fn code(&self) -> &'static str {
        "INVALID_GRAPH"
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// Why a change of a pipeline failed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The graph that would result is wrong.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The pipeline has ended or is ending.
    #[error("the pipeline has ended")]
    Ended,
    /// No element of that id.
    #[error("there is no element '{0}' in this pipeline")]
    NoElement(String),
    /// An element could not be made, set or linked.
    #[error("element '{element}': {reason}")]
    Build {
        /// The element's id.
        element: String,
        /// Why.
        reason: String,
    },
    /// A state change took too long.
    #[error("element '{element}' did not {what} within {seconds} s")]
    Timeout {
        /// The element or domain.
        element: String,
        /// What it should have done.
        what: &'static str,
        /// The time limit, seconds.
        seconds: u64,
    },
}

impl ErrorInfo for ChangeError {
    fn code(&self) -> &'static str {
        match self {
            ChangeError::Graph(_) => "INVALID_GRAPH",
            ChangeError::Ended => "PIPELINE_ENDED",
            ChangeError::NoElement(_) => "NO_SUCH_ELEMENT",
            ChangeError::Build { .. } => "ELEMENT_BUILD",
            ChangeError::Timeout { .. } => "TIMEOUT",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            ChangeError::Graph(_) => ErrorKind::InvalidInput,
            ChangeError::Ended => ErrorKind::Conflict,
            ChangeError::NoElement(_) => ErrorKind::NotFound,
            ChangeError::Build { .. } => ErrorKind::Unavailable,
            ChangeError::Timeout { .. } => ErrorKind::Timeout,
        }
    }
}

/// Why media could not be handed in or taken out.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The element is not of the needed type, or not built yet.
    #[error("element '{element}' is no running {wanted}")]
    WrongElement {
        /// The element's id.
        element: String,
        /// `app-source` or `app-sink`.
        wanted: &'static str,
    },
    /// The stream has ended.
    #[error("the stream has ended")]
    Ended,
    /// GStreamer refused it.
    #[error("refused: {0}")]
    Refused(String),
}

impl ErrorInfo for AppError {
    fn code(&self) -> &'static str {
        match self {
            AppError::WrongElement { .. } => "WRONG_ELEMENT",
            AppError::Ended => "STREAM_ENDED",
            AppError::Refused(_) => "REFUSED",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            AppError::WrongElement { .. } => ErrorKind::NotFound,
            AppError::Ended => ErrorKind::Conflict,
            AppError::Refused(_) => ErrorKind::InvalidInput,
        }
    }
}
