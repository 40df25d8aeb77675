//! The data ports: one buffer is one message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};

use gst::prelude::*;

use anabranch_kit::endpoint::EndpointError;

/// The caps of messages.
pub(crate) const CAPS: &str = "application/x-anabranch-data";

/// The custom meta that names a message's channel (`channel`) and says whether it is `binary`.
pub(crate) const META: &str = "AnabranchMessage";

/// Most bytes that wait for a slow peer before whoever feeds the port waits too.
const MAX_WAITING: usize = 1 << 20;

/// Most bytes that wait for a slow consumer of received messages; then messages are lost.
const MAX_RECEIVED: u64 = 16 << 20;

/// A message between the data ports and the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The channel's label; `None`: any.
    pub channel: Option<String>,
    pub data: Vec<u8>,
    pub binary: bool,
}

/// How many bytes wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    /// A peer takes messages.
    open: bool,
}

impl Budget {
    fn state(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room. `false`: nobody takes messages.
    fn take(&self, bytes: usize) -> bool {
        let mut state = self.state();
        while state.open && state.bytes > 0 && state.bytes + bytes > MAX_WAITING {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.open {
            state.bytes += bytes;
        }
        state.open
    }

    /// That many bytes were sent.
    pub fn give_back(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes = state.bytes.saturating_sub(bytes);
        self.changed.notify_all();
    }

    /// Whether a peer takes messages.
    pub fn set_open(&self, open: bool) {
        let mut state = self.state();
        state.open = open;
        if !open {
            state.bytes = 0;
        }
        self.changed.notify_all();
    }
}

/// Makes the custom meta known.
pub(crate) fn register_meta() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        gst::meta::CustomMeta::register(META, &[]);
    });
}

/// The pad that takes messages in; `send` hands them to the peer.
pub(crate) fn input(
    template: &gst::PadTemplate,
    budget: &Arc<Budget>,
    send: impl Fn(Message) + Send + Sync + 'static,
) -> gst::Pad {
    let budget = budget.clone();
    gst::Pad::builder_from_template(template)
        .name(template.name_template())
        .chain_function(move |_, _, buffer| {
            if let Some(message) = read(&buffer)
                && budget.take(message.data.len())
            {
                send(message);
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build()
}

fn read(buffer: &gst::BufferRef) -> Option<Message> {
    let data = buffer.map_readable().ok()?.to_vec();
    let meta = gst::meta::CustomMeta::from_buffer(buffer, META).ok();
    let structure = meta.as_ref().map(|meta| meta.structure());
    Some(Message {
        channel: structure.and_then(|s| s.get::<String>("channel").ok()),
        binary: structure.and_then(|s| s.get::<bool>("binary").ok()).unwrap_or(false),
        data,
    })
}

/// The source of received messages.
#[derive(Debug)]
pub(crate) struct Output {
    source: gst_app::AppSrc,
    lost: AtomicU64,
}

impl Output {
    /// A source in the bin, behind the ghost pad.
    ///
    /// # Errors
    ///
    /// GStreamer's `appsrc` is missing.
    pub fn new(bin: &gst::Bin, ghost: &gst::GhostPad) -> Result<Self, EndpointError> {
        register_meta();
        let failed = |error: glib::BoolError| EndpointError::failed(error.to_string());
        let source = anabranch_kit::endpoint::make("appsrc")?
            .downcast::<gst_app::AppSrc>()
            .map_err(|_| EndpointError::failed("appsrc is something else"))?;
        source.set_format(gst::Format::Time);
        source.set_is_live(true);
        source.set_do_timestamp(true);
        source.set_property("max-bytes", 0u64);
        source.set_caps(Some(&gst::Caps::builder(CAPS).build()));
        bin.add(&source).map_err(failed)?;
        if let Some(pad) = source.static_pad("src") {
            ghost.set_target(Some(&pad)).map_err(failed)?;
        }
        ghost.add_probe(gst::PadProbeType::BUFFER, |pad, _| {
            if pad.is_linked() { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled }
        });
        Ok(Output { source, lost: AtomicU64::new(0) })
    }

    /// Hands a message on.
    pub fn push(&self, message: Message) {
        if self.source.current_level_bytes() > MAX_RECEIVED {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut buffer = gst::Buffer::from_mut_slice(message.data);
        if let Some(buffer) = buffer.get_mut()
            && let Ok(mut meta) = gst::meta::CustomMeta::add(buffer, META)
        {
            let structure = meta.mut_structure();
            structure.set("channel", message.channel.unwrap_or_default());
            structure.set("binary", message.binary);
        }
        // Before and after playing there is nobody to take it.
        let _ = self.source.push_buffer(buffer);
    }

    /// How many messages were lost because nobody took them in time.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
