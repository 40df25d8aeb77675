//! A session that tells by itself what happens in it, for elements that have no task of their own.

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use tokio::sync::Notify;

use anabranch_kit::endpoint::runtime;

use super::{Listener, Session};
use crate::events;

/// How often a session is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A session that is looked at now and then, and whenever something stirs.
pub struct Watched {
    session: Session,
    stirred: Arc<Notify>,
    /// The session knows it only weakly.
    _listener: Arc<dyn Listener>,
}

impl Watched {
    /// Watches a session of an element. `stirred`: the listener says that a look is due; `timeout`: who is silent for
    /// so long is gone.
    pub(crate) fn new(
        element: &gst::Bin,
        session: Session,
        listener: Arc<dyn Listener>,
        stirred: Arc<Notify>,
        timeout: Duration,
    ) -> Arc<Self> {
        let watched = Arc::new(Watched { session, stirred: stirred.clone(), _listener: listener });
        // A task that waits holds nothing of the element.
        let (element, weak) = (element.downgrade(), Arc::downgrade(&watched));
        runtime::spawn(async move {
            while weak.strong_count() > 0 {
                // Whichever comes first.
                let _ = tokio::time::timeout(LOOK_EVERY, stirred.notified()).await;
                let (Some(element), Some(watched)) = (element.upgrade(), weak.upgrade()) else { return };
                for change in &watched.session.look(timeout) {
                    events::report(&element, change);
                }
            }
        });
        watched
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the session and the watch.
    pub(crate) fn close(&self) {
        self.session.close();
        self.stirred.notify_one();
    }
}
