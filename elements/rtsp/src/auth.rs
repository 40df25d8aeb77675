//! Who may see what: mounts with a password and mounts without on one server.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use glib::subclass::prelude::*;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::subclass::prelude::*;
use gst_rtsp_server::{RTSPAuth, RTSPContext, RTSPToken, gst_rtsp};

/// The path of an address: `rtsp://host/cam/stream=0?x` has `/cam/stream=0`.
pub fn path_of(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a path means this mount or a stream of it.
pub fn is_below(path: &str, mount: &str) -> bool {
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The role of those who know the password of a mount: of no other one, or they could watch that as well.
fn role(mount: &str) -> String {
    // Of what a mount may have in it, a structure's name takes all but this; and a mount has no plus sign.
    format!("mount{}", mount.replace('~', "+"))
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct MountAuth {
        /// Mounts with a password: the user and the password.
        guarded: Mutex<HashMap<String, (String, String)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MountAuth {
        const NAME: &'static str = "AbRtspMountAuth";
        type Type = super::MountAuth;
        type ParentType = RTSPAuth;
    }

    impl ObjectImpl for MountAuth {}

    impl RTSPAuthImpl for MountAuth {
        /// Everybody may do everything with a mount that has no password.
        fn check(&self, context: &RTSPContext, check: &glib::GString) -> bool {
            let uri = context.uri().map(|uri| uri.request_uri());
            let guarded = uri.is_some_and(|uri| {
                let path = path_of(&uri);
                self.guarded().keys().any(|mount| is_below(path, mount))
            });
            !guarded || self.parent_check(context, check)
        }
    }

    impl MountAuth {
        pub fn guarded(&self) -> MutexGuard<'_, HashMap<String, (String, String)>> {
            self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

glib::wrapper! {
    /// Asks for the password of those mounts that have one.
    pub struct MountAuth(ObjectSubclass<imp::MountAuth>) @extends RTSPAuth;
}

impl MountAuth {
    /// No mount has a password yet.
    pub fn new() -> Self {
        let auth: Self = glib::Object::new();
        auth.set_supported_methods(gst_rtsp::RTSPAuthMethod::Basic);
        auth.set_realm(Some("anabranch"));
        auth
    }

    /// From now on a mount wants this user and password. `false`: another mount has a user of that name.
    pub fn guard(&self, mount: &str, user: &str, password: &str) -> bool {
        let pair = (user.to_owned(), password.to_owned());
        {
            let mut guarded = self.imp().guarded();
            if guarded.values().any(|other| other.0 == pair.0) {
                return false;
            }
            guarded.insert(mount.to_owned(), pair);
        }
        let token = RTSPToken::builder().field("media.factory.role", role(mount)).build();
        self.add_basic(&RTSPAuth::make_basic(user, password), &token);
        true
    }

    /// The mount goes.
    pub fn release(&self, mount: &str) {
        let pair = self.imp().guarded().remove(mount);
        if let Some((user, password)) = pair {
            self.remove_basic(&RTSPAuth::make_basic(&user, &password));
        }
    }
}

/// Lets a factory be used by those who know its mount's password.
pub fn permit(factory: &impl IsA<gst_rtsp_server::RTSPMediaFactory>, mount: &str) {
    let permissions = gst::Structure::builder(role(mount))
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&permissions);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_addresses() {
        for (uri, path) in [
            ("rtsp://127.0.0.1:8554/cam", "/cam"),
            ("rtsp://h/cam/stream=0?x=/y", "/cam/stream=0"),
            ("rtsp://h", "/"),
            ("/cam", "/cam"),
        ] {
            assert_eq!(path_of(uri), path, "{uri}");
        }
        assert!(is_below("/cam", "/cam") && is_below("/cam/stream=1", "/cam"));
        assert!(!is_below("/camera", "/cam") && !is_below("/", "/cam"));
    }

    #[test]
    fn each_mount_has_a_role_of_its_own() {
        gst::init().expect("GStreamer starts");
        let roles = ["/a.b", "/a-b", "/a_b", "/a~b", "/a/b", "/ab"].map(role);
        for (index, role) in roles.iter().enumerate() {
            assert!(!roles[..index].contains(role), "{role}");
            // Permissions are a structure of that name.
            assert_eq!(gst::Structure::new_empty(role.as_str()).name().as_str(), role);
        }
    }
}
