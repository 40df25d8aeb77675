//! All ports of one element.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anabranch_graph::format::Medium;
use anabranch_kit::endpoint::ReceivePort;
use anabranch_kit::endpoint::stats::RtpStream;

use super::data::{Budget, Output};
use super::send::SendPort;

/// All ports of one element.
#[derive(Debug)]
pub struct Ports {
    pub(crate) video_in: SendPort,
    pub(crate) audio_in: SendPort,
    pub(crate) video_out: ReceivePort,
    pub(crate) audio_out: ReceivePort,
    pub(crate) data_out: Output,
    pub(crate) data_budget: Arc<Budget>,
    pub(crate) streams: Streams,
}

/// What was last known of the streams of a peer. The transport is asked by the task, so whoever reads gets what the
/// last reading asked for.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    latest: Mutex<Vec<RtpStream>>,
    asked: AtomicBool,
}

impl Streams {
    /// What is known. `true`: the task is to be asked for more.
    pub(crate) fn read(&self) -> (Vec<RtpStream>, bool) {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (latest, !self.asked.swap(true, Ordering::AcqRel))
    }

    /// This is known now.
    pub(crate) fn write(&self, streams: Vec<RtpStream>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = streams;
        self.asked.store(false, Ordering::Release);
    }
}

impl Ports {
    /// The input port of a medium; data has none of this kind.
    pub(crate) fn input(&self, medium: Medium) -> Option<&SendPort> {
        match medium {
            Medium::Video => Some(&self.video_in),
            Medium::Audio => Some(&self.audio_in),
            Medium::Data => None,
        }
    }

    /// The output port of a medium; data has none of this kind.
    pub(crate) fn output(&self, medium: Medium) -> Option<&ReceivePort> {
        match medium {
            Medium::Video => Some(&self.video_out),
            Medium::Audio => Some(&self.audio_out),
            Medium::Data => None,
        }
    }

    /// The peer is connected, or is so no more.
    pub(crate) fn set_connected(&self, connected: bool) {
        self.video_in.set_connected(connected);
        self.audio_in.set_connected(connected);
    }
}
