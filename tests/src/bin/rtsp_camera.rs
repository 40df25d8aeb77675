//! A camera for tests: gst-rtsp-server with one stream at `/camera`, in a process of its own, so that it can be killed.
//!
//!     rtsp-camera PORT 'GST-LAUNCH LINE with payloaders pay0, pay1' [USER:PASSWORD]
//!
//! It says `ready` when it listens, and `play`, `pause` and `teardown` when a client asks for that.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use gst_rtsp_server::gst;
use gst_rtsp_server::prelude::*;

/// A line on stdout, at once.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: then it does not matter.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().context("which port?")?;
    let line = arguments.next().context("which stream?")?;
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    // The registrations are in this crate; naming it links them.
    let _ = gstanabranchelements::test_source::barcode::CELLS;

    let server = gst_rtsp_server::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port);
    let factory = gst_rtsp_server::RTSPMediaFactory::new();
    factory.set_launch(&format!("( {line} )"));
    factory.set_shared(true);
    if let Some(login) = arguments.next() {
        let (user, password) = login.split_once(':').context("USER:PASSWORD")?;
        let auth = gst_rtsp_server::RTSPAuth::new();
        let token = gst_rtsp_server::RTSPToken::builder()
            .field(gst_rtsp_server::RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
            .build();
        auth.add_basic(gst_rtsp_server::RTSPAuth::make_basic(user, password).as_str(), &token);
        server.set_auth(Some(&auth));
        let permissions = gst::Structure::builder("viewer")
            .field(gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
            .field(gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
            .build();
        factory.add_role_from_structure(&permissions);
    }
    server.mount_points().context("no mount points")?.add_factory("/camera", factory);
    server.connect_client_connected(|_, client| {
        client.connect_play_request(|_, _| say("play"));
        client.connect_pause_request(|_, _| say("pause"));
        client.connect_teardown_request(|_, _| say("teardown"));
    });
    let id = server.attach(None)?;
    ensure!(server.bound_port() > 0, "port {port} is taken");
    say("ready");
    glib::MainLoop::new(None, false).run();
    id.remove();
    Ok(())
}
