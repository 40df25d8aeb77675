//! What the handles ask of a pipeline's actor.

use std::time::Duration;

use anabranch_graph::spec::GraphSpec;
use tokio::sync::oneshot;

use crate::error::ChangeError;
use crate::stats::PipelineStats;

/// A way from the running graph to a new one.
pub(crate) type Edit = Box<dyn FnOnce(&GraphSpec) -> Result<GraphSpec, ChangeError> + Send>;

pub(crate) enum Command {
    /// Builds the graph and lets media flow.
    Start(oneshot::Sender<Result<(), ChangeError>>),
    /// Leads to the graph that the edit returns.
    Change(Edit, oneshot::Sender<Result<(), ChangeError>>),
    /// The numbers now.
    Stats(oneshot::Sender<PipelineStats>),
    /// The GStreamer element of a graph element.
    Element(String, oneshot::Sender<Option<gst::Element>>),
    /// Ends the sources and finalises everything.
    Drain,
    /// The same, but not beyond this time.
    Stop(Duration),
    /// Stops now; what was not finalised is lost.
    Abort,
}
