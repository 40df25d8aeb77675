//! What elements that put packets into a container have in common as GStreamer elements: two inputs, a mill behind them,
//! what it fills and clients read, key frames asked for, the end told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anabranch_graph::catalog::{Direction, PortSpec};
use anabranch_graph::format::{Format, Medium};
use anabranch_kit::endpoint::templates;
use anabranch_kit::message;
use anabranch_kit::web::{Reply, Request, Web, WebError, WebErrorKind};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use glib::subclass::Signal;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use serde_json::json;

use crate::intake::{Arrival, Intake, MEDIA};
use crate::mux::Container;
use crate::mux::mill::{Advice, Consumer, Mill};

/// A source is asked for a key frame at most this often.
const ASK_EVERY: Duration = Duration::from_millis(400);

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What clients read, filled by a mill.
pub trait Store: Send + Sync {
    /// The element has stopped: whoever waits waits no longer.
    fn close(&self);
}

/// What lies behind the inputs, while the element runs.
pub struct Works<C, S> {
    mill: Mutex<Option<Mill<C>>>,
    store: Mutex<Option<Arc<S>>>,
    intake: Mutex<Option<Arc<Intake>>>,
    asked: Mutex<Option<Instant>>,
}

impl<C, S> Default for Works<C, S> {
    fn default() -> Self {
        Works {
            mill: Mutex::default(),
            store: Mutex::default(),
            intake: Mutex::default(),
            asked: Mutex::default(),
        }
    }
}

impl<C: Consumer, S: Store> Works<C, S> {
    /// Does something with the mill; none if the element does not run.
    pub fn with<R>(&self, work: impl FnOnce(&mut Mill<C>) -> R) -> Option<R> {
        lock(&self.mill).as_mut().map(work)
    }

    /// What clients read; none if the element does not run.
    pub fn store(&self) -> Option<Arc<S>> {
        lock(&self.store).clone()
    }

    /// Lets go of everything.
    fn stop(&self) {
        let intake = lock(&self.intake).take();
        if let Some(intake) = intake {
            intake.close();
        }
        *lock(&self.mill) = None;
        let store = lock(&self.store).take();
        if let Some(store) = store {
            store.close();
        }
    }
}

/// An element that puts packets into a container.
pub trait Muxing: ElementImpl + ElementImplExt
where
    <Self as ObjectSubclass>::Type: IsA<gst::Element> + Send + Sync,
{
    /// Who takes the fragments.
    type Consumer: Consumer + Send + 'static;

    /// What they fill.
    type Store: Store + 'static;

    /// What lies behind the inputs.
    fn works(&self) -> &Works<Self::Consumer, Self::Store>;

    /// Goes to READY.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    fn open(&self) -> Result<(), gst::ErrorMessage>;

    /// What there is for one run.
    fn run(&self) -> (Container, Mill<Self::Consumer>, Arc<Self::Store>);

    /// Answers a client of the web; called while the element runs, and must not wait.
    fn serve(&self, store: Arc<Self::Store>, request: Request) -> Answering;

    /// Called after something has come, without any lock held.
    fn settled(&self) {}

    /// How long the element is needed after the end of its media.
    fn linger(&self) -> Option<gst::ClockTime> {
        None
    }

    /// The element, as its base class.
    fn element(&self) -> gst::Element {
        self.obj().clone().upcast()
    }

    /// For `ElementImpl::change_state`; what goes wrong in [`Muxing::open`] is posted.
    ///
    /// # Errors
    ///
    /// It could not be opened.
    fn switch(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        match transition {
            gst::StateChange::NullToReady => {
                if let Err(error) = self.open() {
                    self.post_error_message(error);
                    return Err(gst::StateChangeError);
                }
            }
            gst::StateChange::ReadyToPaused => self.begin(),
            _ => {}
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::PausedToReady {
            self.works().stop();
        }
        result
    }

    /// Begins to take packets.
    fn begin(&self) {
        let (container, mill, store) = self.run();
        *lock(&self.works().store) = Some(store);
        let weak = self.obj().downgrade();
        let taker = Arc::new(move |arrival| match weak.upgrade() {
            Some(element) => Self::from_obj(&element).arrived(arrival),
            None => Err(gst::FlowError::Flushing),
        });
        *lock(&self.works().mill) = Some(mill);
        *lock(&self.works().intake) = Some(Arc::new(Intake::new(container, taker)));
    }

    /// Which inputs are linked.
    fn linked(&self) -> [bool; 2] {
        let element = self.element();
        MEDIA.map(|name| element.static_pad(&format!("sink_{name}")).is_some_and(|pad| pad.is_linked()))
    }

    /// Asks the source for a key frame, but not all the time.
    fn ask_for_key_frame(&self) {
        {
            let mut asked = lock(&self.works().asked);
            if asked.is_some_and(|at| at.elapsed() < ASK_EVERY) {
                return;
            }
            *asked = Some(Instant::now());
        }
        self.push_key_request();
    }

    /// Asks the source for a key frame.
    fn push_key_request(&self) {
        if let Some(pad) = self.element().static_pad("sink_video") {
            pad.push_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }

    /// Something has come.
    ///
    /// # Errors
    ///
    /// Flushing while the element does not run.
    fn arrived(&self, arrival: Arrival) -> Result<gst::FlowSuccess, gst::FlowError> {
        let linked = self.linked();
        let advice = self.works().with(|mill| match arrival {
            Arrival::Format(track, format) => mill.format(track, format),
            Arrival::Packet(sample) => mill.sample(sample, linked),
            Arrival::Reached(track, time) => {
                mill.reach(track, time);
                Advice::default()
            }
            Arrival::End(track) => mill.end(track, linked),
        });
        let Some(advice) = advice else { return Err(gst::FlowError::Flushing) };
        if advice.ask_key {
            self.ask_for_key_frame();
        }
        let element = self.element();
        if let Some(track) = advice.without {
            let reason = format!("No {} came: it goes on without it.", MEDIA[track]);
            message::post(&element, "track-missing", json!({"medium": MEDIA[track], "reason": reason}));
        }
        self.settled();
        if advice.ended {
            tell_end(&element, self.linger());
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// A buffer has come in.
    ///
    /// # Errors
    ///
    /// As [`Intake::chain`].
    fn chain(&self, track: usize, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let intake = lock(&self.works().intake).clone();
        intake.ok_or(gst::FlowError::Flushing)?.chain(track, buffer)
    }

    /// Something else has come in.
    fn incoming(&self, track: usize, event: gst::Event) -> bool {
        let intake = lock(&self.works().intake).clone();
        let Some(intake) = intake else { return true };
        let element = self.element();
        intake.event(track, &event, |text| {
            let message =
                gst::message::Error::builder(gst::StreamError::WrongType, &text).src(&element).build();
            let _ = element.post_message(message);
        })
    }
}

/// What a client will get.
pub type Answering = BoxFuture<'static, Result<Reply, WebError>>;

/// Where clients come in.
struct Door<T: Muxing>(glib::WeakRef<T::Type>)
where
    T::Type: IsA<gst::Element> + Send + Sync;

impl<T: Muxing> Web for Door<T>
where
    T::Type: IsA<gst::Element> + Send + Sync,
{
    fn get(self: Arc<Self>, request: Request) -> Answering {
        let not_now = |text: &str| Err(WebError::new(WebErrorKind::NotNow, text));
        let Some(element) = self.0.upgrade() else {
            return ready(not_now("the element is gone")).boxed();
        };
        let imp = T::from_obj(&element);
        match imp.works().store() {
            Some(store) => imp.serve(store, request),
            None => ready(not_now("the element does not run")).boxed(),
        }
    }
}

/// The signal by which clients of the web come in.
pub fn signals<T: Muxing>() -> Vec<Signal>
where
    T::Type: IsA<gst::Element> + Send + Sync,
{
    vec![anabranch_kit::web::signal(|element: &T::Type| {
        Arc::new(Door::<T>(element.downgrade())) as Arc<dyn Web>
    })]
}

/// Says that an element has got all that it will get, now or later.
fn tell_end(element: &gst::Element, later: Option<gst::ClockTime>) {
    let tell = |element: &gst::Element| {
        let eos = gst::message::Eos::builder().src(element).build();
        // Without a bus there is nobody to tell.
        let _ = element.post_message(eos);
    };
    let Some(later) = later else { return tell(element) };
    let clock = gst::SystemClock::obtain();
    let weak = element.downgrade();
    let waits = clock.new_single_shot_id(clock.time() + later).wait_async(move |_, _, _| {
        if let Some(element) = weak.upgrade() {
            // Off the clock's own thread, which all timers share.
            element.call_async(move |element| tell(element));
        }
    });
    if waits.is_err() {
        tell(element);
    }
}

/// Gives an element its two inputs.
pub fn add_inputs<T: Muxing>(element: &T::Type)
where
    T::Type: IsA<gst::Element> + Send + Sync,
{
    let element: &gst::Element = element.upcast_ref();
    element.set_element_flags(gst::ElementFlags::SINK);
    for (track, name) in MEDIA.into_iter().enumerate() {
        let Some(template) = element.pad_template(&format!("sink_{name}")) else { continue };
        let pad = gst::Pad::builder_from_template(&template)
            .chain_function(move |_, parent, buffer| {
                T::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |imp| imp.chain(track, buffer),
                )
            })
            .event_function(move |_, parent, event| {
                T::catch_panic_pad_function(parent, || false, |imp| imp.incoming(track, event))
            })
            .query_function(|pad, parent, query| match query.view_mut() {
                gst::QueryViewMut::AcceptCaps(query) => {
                    // What does not fit is refused when it comes, with a sentence.
                    query.set_result(true);
                    true
                }
                gst::QueryViewMut::Allocation(_) => false,
                _ => gst::Pad::query_default(pad, parent, query),
            })
            .build();
        // The names are the class's own, so they are free.
        let _ = element.add_pad(&pad);
    }
}

/// The templates of the inputs.
pub fn input_templates() -> Vec<gst::PadTemplate> {
    templates(&["sink_video", "sink_audio"])
}

/// An input as the catalogue has it.
pub fn input(medium: Medium, formats: Vec<Format>) -> PortSpec {
    PortSpec {
        name: medium.name().into(),
        direction: Direction::Input,
        medium,
        pad: format!("sink_{}", medium.name()),
        formats,
        layouts: Vec::new(),
        required: false,
        multiple: false,
    }
}

/// An event as the catalogue has it.
pub fn event(
    name: &str,
    summary: &str,
    properties: serde_json::Value,
) -> anabranch_graph::catalog::EventSpec {
    anabranch_graph::catalog::EventSpec {
        name: name.into(),
        summary: summary.into(),
        schema: json!({"type": "object", "properties": properties}),
    }
}

/// What an element says that only a server can bring to clients.
pub fn needs_server(what: &str) -> gst::ErrorMessage {
    gst::error_msg!(
        gst::ResourceError::Settings,
        ("{what} needs a web server: run the description by `anabranch serve`, not by `anabranch run`.")
    )
}
