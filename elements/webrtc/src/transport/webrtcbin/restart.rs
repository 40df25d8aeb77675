//! ICE restart. webrtcbin 1.22 keeps its first credentials for ever; libnice, behind it, can do better.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use anabranch_kit::sdp::Sdp;
use glib::translate::ToGlibPtr;
use gst::prelude::*;

use anabranch_kit::endpoint::EndpointError;

/// The one stream of a bundled peer.
const STREAM: c_uint = 1;

type Restart = unsafe extern "C" fn(*mut c_void, c_uint) -> c_int;
type Credentials = unsafe extern "C" fn(*mut c_void, c_uint, *mut *mut c_char, *mut *mut c_char) -> c_int;

/// New credentials of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewCredentials {
    ufrag: String,
    password: String,
}

/// Has the agent begin anew; its old connection serves until the new one is found.
///
/// # Errors
///
/// The agent is not libnice's, or it has no stream yet.
pub(super) fn restart(element: &gst::Element) -> Result<NewCredentials, EndpointError> {
    let impossible = || EndpointError::unsupported("ICE cannot be restarted: the ICE agent is not libnice's");
    let agent =
        super::agent::of(element).filter(|a| a.type_().name() == "NiceAgent").ok_or_else(impossible)?;
    let (restart, credentials) = functions().ok_or_else(impossible)?;
    let pointer: *mut glib::gobject_ffi::GObject = agent.to_glib_none().0;
    let (mut ufrag, mut password) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the functions are libnice's own and the object is its agent, which lives until the end of this function.
    let done = unsafe {
        restart(pointer.cast(), STREAM) != 0
            && credentials(pointer.cast(), STREAM, &raw mut ufrag, &raw mut password) != 0
    };
    if !done || ufrag.is_null() || password.is_null() {
        return Err(EndpointError::failed("the ICE agent does not restart"));
    }
    // SAFETY: libnice gave two strings that are ours to free.
    unsafe {
        let new = NewCredentials {
            ufrag: CStr::from_ptr(ufrag).to_string_lossy().into_owned(),
            password: CStr::from_ptr(password).to_string_lossy().into_owned(),
        };
        glib::ffi::g_free(ufrag.cast());
        glib::ffi::g_free(password.cast());
        Ok(new)
    }
}

/// libnice as webrtcbin has loaded it. There is no signal for a restart, and linking with libnice would make it a
/// dependency of those, too, who never restart.
fn functions() -> Option<(Restart, Credentials)> {
    // SAFETY: the library is loaded already or nothing happens; the types are those of its header, stable since 0.1.6.
    unsafe {
        let library = libc::dlopen(c"libnice.so.10".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if library.is_null() {
            return None;
        }
        let restart = libc::dlsym(library, c"nice_agent_restart_stream".as_ptr());
        let credentials = libc::dlsym(library, c"nice_agent_get_local_credentials".as_ptr());
        // Balances dlopen; webrtcbin's plugin, which is never unloaded, keeps the library.
        libc::dlclose(library);
        if restart.is_null() || credentials.is_null() {
            return None;
        }
        Some((
            std::mem::transmute::<*mut c_void, Restart>(restart),
            std::mem::transmute::<*mut c_void, Credentials>(credentials),
        ))
    }
}

impl NewCredentials {
    /// Writes them into a local description.
    pub fn write_into(&self, sdp: &mut Sdp) {
        for section in sdp.media.iter_mut().filter(|s| s.has("ice-ufrag")) {
            section.remove("ice-ufrag");
            section.remove("ice-pwd");
            section.add("ice-ufrag", &self.ufrag);
            section.add("ice-pwd", &self.password);
        }
    }
}
