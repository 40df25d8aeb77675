//! A handle to one element of a running graph.

use std::sync::Arc;

use anabranch_kit::command::{CommandError, CommandErrorKind, CommandResult};
use anabranch_kit::web::Web;
use gst::prelude::*;

use super::MediaPipeline;
use crate::app::{AppSink, AppSource};
use crate::error::{AppError, ChangeError};
use crate::stats::ElementStats;

/// The command that every element has.
const KEY_FRAME: &str = "request-key-frame";

/// Asks whoever makes the pictures that leave an element, or come to it if none leave.
fn ask_for_key_frames(element: &gst::Element) {
    let outputs = element.src_pads();
    for output in &outputs {
        // Each consumer of the output hub is served by the source or by an encoder: the hub knows which.
        let hub = output.peer().and_then(|pad| pad.parent_element());
        let consumers = hub.map(|hub| hub.src_pads()).unwrap_or_default();
        for pad in if consumers.is_empty() { vec![output.clone()] } else { consumers } {
            anabranch_kit::keyframe::ask(&pad);
        }
    }
    if outputs.is_empty() {
        for input in element.sink_pads() {
            anabranch_kit::keyframe::ask(&input);
        }
    }
}

/// One element of a pipeline. A handle: it keeps the pipeline alive, not the element.
#[derive(Clone)]
pub struct MediaElement {
    pipeline: MediaPipeline,
    id: String,
}

impl MediaElement {
    pub(super) fn new(pipeline: MediaPipeline, id: String) -> Self {
        MediaElement { pipeline, id }
    }

    /// Its id in the graph.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its pipeline.
    pub fn pipeline(&self) -> &MediaPipeline {
        &self.pipeline
    }

    /// Links it to another element, all media that both have.
    ///
    /// # Errors
    ///
    /// As [`MediaPipeline::connect`].
    pub async fn connect(&self, to: &MediaElement) -> Result<(), ChangeError> {
        self.pipeline.connect(&format!("{} -> {}", self.id, to.id)).await
    }

    /// Takes the links to another element away.
    ///
    /// # Errors
    ///
    /// As [`MediaPipeline::disconnect`].
    pub async fn disconnect(&self, to: &MediaElement) -> Result<(), ChangeError> {
        self.pipeline.disconnect(&self.id, &to.id).await
    }

    /// Sets a property.
    ///
    /// # Errors
    ///
    /// As [`MediaPipeline::set`].
    pub async fn set(&self, name: &str, value: serde_json::Value) -> Result<(), ChangeError> {
        self.pipeline.set(&self.id, name, value).await
    }

    /// Takes the element out of the graph.
    ///
    /// # Errors
    ///
    /// As [`MediaPipeline::release`].
    pub async fn release(&self) -> Result<(), ChangeError> {
        self.pipeline.release(&self.id).await
    }

    /// Tells the element something that is not a property: an offer for a WebRTC endpoint, a seek for a player. Which
    /// commands a type has is on its page.
    ///
    /// # Errors
    ///
    /// What the element answers; [`anabranch_kit::command::CommandErrorKind::Conflict`] if it is not built.
    pub async fn command(&self, name: &str, arguments: &serde_json::Value) -> CommandResult {
        let element = self.pipeline.gst_element(&self.id).await.ok_or_else(|| {
            let text = format!("'{}' is not running", self.id);
            CommandError::new(CommandErrorKind::Conflict, "not-running", text)
        })?;
        let result = anabranch_kit::command::call(&element, name, arguments).await;
        match result {
            Err(error) if error.kind == CommandErrorKind::Unknown && name == KEY_FRAME => {
                ask_for_key_frames(&element);
                Ok(serde_json::Value::Null)
            }
            result => result,
        }
    }

    /// Asks for a key frame in what the element gives to others: of the source, or of the encoders that work for its
    /// consumers. An element that gives nothing asks for one in what it gets. Requests that come close together are one.
    ///
    /// # Errors
    ///
    /// As [`MediaElement::command`] with `request-key-frame`, which does the same.
    pub async fn request_key_frame(&self) -> Result<(), CommandError> {
        self.command(KEY_FRAME, &serde_json::Value::Object(serde_json::Map::new())).await.map(drop)
    }

    /// Its numbers; none if it is not built.
    pub async fn stats(&self) -> Option<ElementStats> {
        self.pipeline.stats().await.elements.remove(&self.id)
    }

    /// Where the application hands media in, for an `app-source` of a started pipeline.
    ///
    /// # Errors
    ///
    /// [`AppError::WrongElement`] if it is something else or not built.
    pub async fn app_source(&self) -> Result<AppSource, AppError> {
        self.inner("appsrc", "app-source").await.map(AppSource::new)
    }

    /// Where the application takes media out, for an `app-sink` of a started pipeline.
    ///
    /// # Errors
    ///
    /// [`AppError::WrongElement`] if it is something else or not built.
    pub async fn app_sink(&self) -> Result<AppSink, AppError> {
        let state = self.pipeline.watch_state();
        self.inner("appsink", "app-sink").await.map(|sink| AppSink::new(sink, state))
    }

    /// What the element gives and takes by HTTP, for those that are made for it; whoever runs the pipeline serves it.
    ///
    /// # Errors
    ///
    /// [`AppError::WrongElement`] if it is something else or not built.
    pub async fn web(&self) -> Result<Arc<dyn Web>, AppError> {
        let element = self.pipeline.gst_element(&self.id).await;
        element.and_then(|element| anabranch_kit::web::of(&element)).ok_or_else(|| AppError::WrongElement {
            element: self.id.clone(),
            wanted: "running element that is served by HTTP",
        })
    }

    async fn inner<T: IsA<gst::Element>>(&self, child: &str, wanted: &'static str) -> Result<T, AppError> {
        let element = self.pipeline.gst_element(&self.id).await;
        element
            .and_then(|e| e.downcast::<gst::Bin>().ok())
            .and_then(|bin| bin.by_name(child))
            .and_then(|e| e.downcast::<T>().ok())
            .ok_or_else(|| AppError::WrongElement { element: self.id.clone(), wanted })
    }
}
