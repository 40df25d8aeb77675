//! The list of element types that are linked into this program.
//!
//! A crate that nobody names is not linked, and its registrations vanish with it: write `use some_crate as _;` in
//! the program.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use anabranch_graph::catalog::{Catalog, ElementDescriptor};

/// One element type: submit it with `inventory::submit!`.
pub struct Registration {
    /// Describes the element type.
    pub descriptor: fn() -> ElementDescriptor,
    /// Makes its factory known to GStreamer, as part of a plugin or, with `None`, of the program.
    pub register: fn(Option<&gst::Plugin>) -> Result<(), glib::BoolError>,
}

inventory::collect!(Registration);

/// A GStreamer element that is no element type of descriptions, such as the output hub: submit it with
/// `inventory::submit!`.
pub struct Helper {
    /// Makes its factory known to GStreamer, as part of a plugin or, with `None`, of the program.
    pub register: fn(Option<&gst::Plugin>) -> Result<(), glib::BoolError>,
}

inventory::collect!(Helper);

/// Makes all linked element types known to GStreamer. Call it after `gst::init`, as often as you like.
///
/// # Errors
///
/// The first registration that GStreamer refused.
pub fn register_all(plugin: Option<&gst::Plugin>) -> Result<(), glib::BoolError> {
    static DONE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let owner = plugin.map(|p| p.plugin_name().to_string()).unwrap_or_default();
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let done = done.get_or_insert_default();
    if done.contains(&owner) {
        return Ok(());
    }
    for registration in inventory::iter::<Registration> {
        (registration.register)(plugin)?;
    }
    for helper in inventory::iter::<Helper> {
        (helper.register)(plugin)?;
    }
    done.insert(owner);
    Ok(())
}

/// The descriptors of all linked element types.
pub fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    for registration in inventory::iter::<Registration> {
        catalog.insert((registration.descriptor)());
    }
    catalog
}

/// Makes all element types of a crate a GStreamer plugin, for `gst-inspect-1.0` and programs that know nothing of Anabranch:
/// `anabranch_kit::plugin!(anabranchhubs, "2026-11-22");` with the plugin's name, which is that of the library without
/// `libgst`, and the day of its release. Description and version are the crate's.
#[macro_export]
macro_rules! plugin {
    ($name:ident, $date:literal) => {
        #[allow(missing_docs)] // the inner macro's own items
        mod plugin {
            fn plugin_init(plugin: &$crate::gst::Plugin) -> Result<(), $crate::glib::BoolError> {
                $crate::registry::register_all(Some(plugin))
            }

            $crate::gst::plugin_define!(
                $name,
                env!("CARGO_PKG_DESCRIPTION"),
                plugin_init,
                env!("CARGO_PKG_VERSION"),
                // The first of the two licences, by the name that GStreamer knows.
                "MIT/X11",
                "anabranch",
                "anabranch",
                "https://anabranch.example",
                $date
            );
        }
    };
}
