//! Where faces are, for filters that do something with them: from a `face-detector` upstream, else from a look-out of one's
//! own.

use std::sync::Arc;
use std::time::Duration;

use anabranch_kit::analyzer::Lookout;
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::frame::Frame;
use anabranch_kit::regions::Region;
use gst_video::VideoInfo;

use super::LABEL;
use crate::face_detector::{FaceDetector, Params};

/// Knows where faces are in each frame.
pub struct Finder {
    info: VideoInfo,
    /// Made when there is no detector upstream.
    lookout: Option<Lookout<FaceDetector>>,
    params: Arc<Params>,
}

impl Finder {
    /// A finder for pictures of this size. Loads the model, which all detectors of the process share.
    ///
    /// # Errors
    ///
    /// The model does not run.
    pub fn new(params: Params, info: &VideoInfo) -> Result<Self, FilterError> {
        use anabranch_kit::analyzer::VideoAnalyzer as _;
        FaceDetector::new(&params, info)?;
        Ok(Finder { info: info.clone(), lookout: None, params: Arc::new(params) })
    }

    /// The faces in a frame, as far as they are known by now.
    ///
    /// # Errors
    ///
    /// The detector will never work.
    pub fn find(
        &mut self,
        params: Params,
        frame: &Frame<'_>,
        ctx: &mut Context,
    ) -> Result<Vec<Region>, FilterError> {
        if ctx.is_analyzed(LABEL) {
            self.lookout = None;
            return Ok(ctx.regions().iter().filter(|r| r.label == LABEL).cloned().collect());
        }
        if *self.params != params {
            self.params = Arc::new(params);
        }
        if self.lookout.is_none() {
            let mut lookout = Lookout::start(&self.params, &self.info)?;
            // The model is loaded: this takes no time, and the first frame is looked at.
            lookout.ready(Some(Duration::from_millis(50)))?;
            self.lookout = Some(lookout);
        }
        let Some(lookout) = &mut self.lookout else { return Ok(Vec::new()) };
        let time = frame.pts().unwrap_or_default();
        let faces = lookout.look(&self.params, &frame.picture(), time);
        ctx.forward(lookout.messages());
        faces
    }
}
