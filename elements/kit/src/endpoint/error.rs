//! Why a command, or the start of an element, came to nothing.

use crate::command::{CommandError, CommandErrorKind};
use crate::sdp::SdpError;

/// A word for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct EndpointError {
    /// The sort of failure.
    pub kind: CommandErrorKind,
    /// A stable word, kebab-case.
    pub code: &'static str,
    /// A sentence, without its full stop.
    pub text: String,
}

impl EndpointError {
    /// An error of this kind.
    pub fn new(kind: CommandErrorKind, code: &'static str, text: impl Into<String>) -> Self {
        EndpointError { kind, code, text: text.into() }
    }

    /// An argument or a property is wrong.
    pub fn invalid(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::InvalidInput, code, text)
    }

    /// The element is not in a state in which it can do that.
    pub fn conflict(code: &'static str, text: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Conflict, code, text)
    }

    /// It cannot do that at all.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Unsupported, "unsupported", text)
    }

    /// Anything else.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Failed, "failed", text)
    }

    /// The SDP cannot be read.
    pub fn bad_sdp(text: impl Into<String>) -> Self {
        Self::invalid("bad-sdp", text)
    }

    /// As an error message on the bus: a sentence with its full stop.
    pub fn message(&self) -> gst::ErrorMessage {
        let text = format!("{}.", self.text);
        match self.code {
            "ports-in-use" | "bad-address" | "bad-interface" => {
                gst::error_msg!(gst::ResourceError::OpenReadWrite, ("{text}"))
            }
            "unsupported-element" => gst::error_msg!(gst::CoreError::MissingPlugin, ("{text}")),
            _ => gst::error_msg!(gst::ResourceError::Settings, ("{text}")),
        }
    }
}

impl From<EndpointError> for CommandError {
    fn from(error: EndpointError) -> Self {
        CommandError::new(error.kind, error.code, error.text)
    }
}

impl From<SdpError> for EndpointError {
    fn from(error: SdpError) -> Self {
        EndpointError::invalid(error.code, error.text)
    }
}

/// What GStreamer refuses to do with elements that were made here.
impl From<glib::BoolError> for EndpointError {
    fn from(error: glib::BoolError) -> Self {
        EndpointError::failed(format!("the parts of the element do not fit together: {error}"))
    }
}
