//! What is told to the player's control thread.

use anabranch_kit::command::Answer;
use serde_json::Value;

/// What is told to the player's control thread.
pub enum Note {
    /// A command from outside.
    Command {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Value,
        /// Where its answer goes.
        answer: Answer,
    },
    /// The pipeline goes to PLAYING.
    Playing,
    /// The pipeline goes from PLAYING to PAUSED.
    Paused,
    /// All tracks of that session have ended.
    Ended(u64),
    /// That session brings media again after an absence.
    Back(u64),
    /// That session can go on no more.
    Failed(u64, Failure),
    /// All streams of that session are known.
    Known(u64),
    /// A probe of the source's host is done: whether somebody listens there.
    Probed(u64, bool),
    /// The player goes to NULL.
    Quit,
}

/// Why a session cannot go on.
#[derive(Clone, Debug)]
pub struct Failure {
    /// GStreamer's error, with its domain and code.
    pub error: glib::Error,
    /// One sentence for a person.
    pub text: String,
    /// What GStreamer said.
    pub debug: String,
}

impl Failure {
    /// Of the resource.
    pub fn resource(kind: gst::ResourceError, text: impl Into<String>) -> Self {
        let text = text.into();
        Failure { error: glib::Error::new(kind, &text), text, debug: String::new() }
    }

    /// Of a stream.
    pub fn stream(kind: gst::StreamError, text: impl Into<String>) -> Self {
        let text = text.into();
        Failure { error: glib::Error::new(kind, &text), text, debug: String::new() }
    }

    /// The error's code, so that it keeps it.
    pub fn code(&self) -> i32 {
        use glib::translate::IntoGlib;
        if let Some(kind) = self.error.kind::<gst::ResourceError>() {
            return kind.into_glib();
        }
        if let Some(kind) = self.error.kind::<gst::StreamError>() {
            return kind.into_glib();
        }
        self.error.kind::<gst::CoreError>().map_or(1, |kind| kind.into_glib())
    }
}
