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

/// A user and a password.
type Login = (String, String);

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct MountAuth {
        doors: Mutex<Doors>,
    }

    /// What is guarded.
    #[derive(Default)]
    pub struct Doors {
        /// The mounts with a password, and who may enter.
        pub guarded: HashMap<String, Login>,
        /// Each login has a role of its own, so that it opens its own mounts and no others.
        pub roles: HashMap<Login, String>,
        /// How many roles there were.
        pub count: u64,
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
                self.doors().guarded.keys().any(|mount| is_below(path, mount))
            });
            !guarded || self.parent_check(context, check)
        }
    }

    impl MountAuth {
        pub fn doors(&self) -> MutexGuard<'_, Doors> {
            self.doors.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// From now on a mount wants this user and password. The role of those who know them.
    pub fn guard(&self, mount: &str, user: &str, password: &str) -> String {
        let login = (user.to_owned(), password.to_owned());
        let mut doors = self.imp().doors();
        doors.guarded.insert(mount.to_owned(), login.clone());
        if let Some(role) = doors.roles.get(&login) {
            return role.clone();
        }
        doors.count += 1;
        let role = format!("login{}", doors.count);
        doors.roles.insert(login, role.clone());
        // Under the lock: another mount with this login may come or go.
        let token = RTSPToken::builder().field("media.factory.role", &role).build();
        self.add_basic(&RTSPAuth::make_basic(user, password), &token);
        role
    }

    /// The mount goes, and its login if it was the last one.
    pub fn release(&self, mount: &str) {
        let mut doors = self.imp().doors();
        let Some(login) = doors.guarded.remove(mount) else { return };
        if doors.guarded.values().all(|other| *other != login) {
            doors.roles.remove(&login);
            self.remove_basic(&RTSPAuth::make_basic(&login.0, &login.1));
        }
    }
}

/// Lets a factory be used by those who have this role.
pub fn permit(factory: &impl IsA<gst_rtsp_server::RTSPMediaFactory>, role: &str) {
    let permissions = gst::Structure::builder(role)
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
    fn a_login_has_one_role_for_all_of_its_mounts() {
        gst::init().expect("GStreamer starts");
        let auth = MountAuth::new();
        let (first, other) = (auth.guard("/a", "me", "secret"), auth.guard("/b", "me", "other"));
        assert_ne!(first, other, "another password opens another door");
        assert_eq!(auth.guard("/c", "me", "secret"), first);
        auth.release("/a");
        assert_eq!(auth.guard("/d", "me", "secret"), first, "it is still in use");
        auth.release("/c");
        auth.release("/d");
        let again = auth.guard("/a", "me", "secret");
        assert!(again != first && again != other, "a role that is gone does not come back");
    }
}
