//! The element behind `rtsp-output`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use anabranch_kit::message;
use anabranch_kit::params::ParamStore;
use glib::subclass::prelude::*;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_rtsp_server::RTSPAddressPool;
use gst_rtsp_server::gst_rtsp::RTSPLowerTrans;
use gst_rtsp_server::prelude::*;
use serde_json::json;

use super::{Params, SUMMARY, check_address, check_group, check_mount};
use crate::factory::Factory;
use crate::outlet::{MEDIA, Outlet};
use crate::server::{Mount, Wish};

/// Ports of a multicast group: two for each track, and some for media that are made anew.
const MULTICAST_PORTS: u16 = 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Input {
    segment: Option<gst::FormattedSegment<gst::ClockTime>>,
}

/// The element `abrtspoutput`.
#[derive(Default)]
pub struct RtspOutput {
    params: ParamStore<Params>,
    outlet: Mutex<Option<Arc<Outlet>>>,
    mount: Mutex<Option<Mount>>,
    inputs: [Mutex<Input>; 2],
}

#[glib::object_subclass]
impl ObjectSubclass for RtspOutput {
    const NAME: &'static str = "AbRtspOutput";
    type Type = super::RtspOutput;
    type ParentType = gst::Element;
}

impl RtspOutput {
    fn stats(&self) -> gst::Structure {
        let outlet = lock(&self.outlet).clone();
        let number = |of: &dyn Fn(&Outlet) -> u64| outlet.as_deref().map_or(0, of);
        gst::Structure::builder("stats")
            .field("clients", number(&|o| o.clients() as u64))
            .field("packets", number(&|o| o.packets.load(Ordering::Relaxed)))
            .field("sessions-of-media", number(&|o| o.made.load(Ordering::Relaxed)))
            .field("port", lock(&self.mount).as_ref().map_or(0, |m| u32::from(m.port())))
            .build()
    }

    fn linked(&self) -> [bool; 2] {
        let element = self.obj();
        MEDIA.map(|name| element.static_pad(&format!("sink_{name}")).is_some_and(|pad| pad.is_linked()))
    }

    fn open(&self) -> Result<(), gst::ErrorMessage> {
        let settings = |text: String| gst::error_msg!(gst::ResourceError::Settings, ("{text}"));
        let params = self.params.get();
        let path = check_mount(&params.mount).map_err(settings)?;
        let address = check_address(&params.address).map_err(settings)?;
        let latency = gst::ClockTime::from_mseconds(u64::from(params.latency));
        let outlet = Outlet::new(self.obj().upcast_ref(), params.on_demand, latency);
        let factory = Factory::new(&outlet);
        let mut ways = RTSPLowerTrans::UDP | RTSPLowerTrans::TCP;
        if !params.multicast.is_empty() {
            check_group(&params.multicast).map_err(settings)?;
            let pool = RTSPAddressPool::new();
            let first = u16::try_from(params.multicast_port).unwrap_or(5004);
            let (group, ttl) = (params.multicast.as_str(), params.ttl.min(255) as u8);
            pool.add_range(group, group, first, first.saturating_add(MULTICAST_PORTS), ttl)
                .map_err(|_| settings(format!("'{group}' cannot be used for multicast.")))?;
            factory.set_address_pool(Some(&pool));
            ways |= RTSPLowerTrans::UDP_MCAST;
        }
        factory.set_protocols(ways);
        let login = (!params.user.is_empty()).then_some((params.user.as_str(), params.password.as_str()));
        let wish = Wish { address, port: u16::try_from(params.port).unwrap_or(0), path, login };
        let mount = Mount::open(&wish, &factory, outlet.clone())
            .map_err(|text| gst::error_msg!(gst::ResourceError::OpenWrite, ("{text}")))?;
        let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
        let url = format!("rtsp://{host}:{}{path}", mount.port());
        *lock(&self.outlet) = Some(outlet);
        *lock(&self.mount) = Some(mount);
        message::post(&*self.obj(), "serving", json!({"url": url}));
        Ok(())
    }

    fn chain(&self, track: usize, mut buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let outlet = lock(&self.outlet).clone().ok_or(gst::FlowError::Flushing)?;
        let running = |time: Option<gst::ClockTime>| {
            let input = lock(&self.inputs[track]);
            input.segment.as_ref()?.to_running_time(time?)
        };
        let (pts, dts) = (running(buffer.pts()), running(buffer.dts()));
        let Some(base) = self.obj().base_time() else { return Ok(gst::FlowSuccess::Ok) };
        {
            let buffer = buffer.make_mut();
            buffer.set_pts(pts);
            buffer.set_dts(dts);
        }
        if outlet.send(track, buffer, base) {
            outlet.ask_for_key_frame();
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn event(&self, track: usize, event: gst::Event) -> bool {
        let Some(outlet) = lock(&self.outlet).clone() else { return true };
        match event.view() {
            gst::EventView::Caps(caps) => {
                let caps = caps.caps_owned();
                if !outlet.caps(track, &caps) {
                    self.post_error_message(gst::error_msg!(
                        gst::StreamError::WrongType,
                        ("RTSP cannot carry this {}: encode it before `rtsp-output`.", MEDIA[track]),
                        ["{caps}"]
                    ));
                    return false;
                }
            }
            gst::EventView::Segment(segment) => {
                lock(&self.inputs[track]).segment =
                    segment.segment().downcast_ref::<gst::ClockTime>().cloned();
            }
            gst::EventView::Eos(_) => {
                outlet.end(track);
                if outlet.is_over(self.linked()) {
                    let element = self.obj();
                    let eos = gst::message::Eos::builder().src(&*element).build();
                    // Without a bus there is nobody to tell.
                    let _ = element.post_message(eos);
                }
            }
            _ => {}
        }
        true
    }
}

impl ObjectImpl for RtspOutput {
    anabranch_kit::object_properties!(params: Params, stats: RtspOutput::stats);

    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_element_flags(gst::ElementFlags::SINK);
        for (track, name) in MEDIA.into_iter().enumerate() {
            let Some(template) = element.pad_template(&format!("sink_{name}")) else { continue };
            let pad = gst::Pad::builder_from_template(&template)
                .chain_function(move |_, parent, buffer| {
                    RtspOutput::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |imp| imp.chain(track, buffer),
                    )
                })
                .event_function(move |_, parent, event| {
                    RtspOutput::catch_panic_pad_function(parent, || false, |imp| imp.event(track, event))
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
}

impl GstObjectImpl for RtspOutput {}

impl ElementImpl for RtspOutput {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Anabranch RTSP output",
                "Sink/Network/Audio/Video",
                SUMMARY,
                "The Anabranch developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let any = gst::Caps::new_any();
            let template = |name: &str| {
                gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Always, &any)
                    .expect("the pad names and caps of this crate make valid templates")
            };
            vec![template("sink_video"), template("sink_audio")]
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady
            && let Err(error) = self.open()
        {
            self.post_error_message(error);
            return Err(gst::StateChangeError);
        }
        let result = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            if let Some(outlet) = lock(&self.outlet).take() {
                outlet.close();
            }
            let mount = lock(&self.mount).take();
            drop(mount);
        }
        result
    }
}
