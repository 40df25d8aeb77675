//! A plain struct becomes an element's GObject properties.
//!
//! The struct derives `Clone, Serialize, Deserialize, JsonSchema`, implements `Default`, and carries
//! `#[serde(default)]`. Doc comments become blurbs, `#[schemars(range(min = 0, max = 1))]` becomes the bounds,
//! `#[schemars(extend("x-live" = true))]` marks what may change while media flows and `"x-required"` what a
//! description must give. In an element:
//!
//! ```ignore
//! #[derive(Default)]
//! pub struct Player { params: ParamStore<Params> }
//!
//! impl ObjectImpl for Player {
//!     anabranch_kit::object_properties!(params: Params);
//! }
//! ```
//!
//! A field that is an `Option` of a number has no way to say "none" as a GObject property; leave it unset for that.

mod gtype;
mod set;
mod spec;
mod store;

pub use set::{REFUSAL, SetError, set_json};
pub use spec::{Table, table};
pub use store::{ParamError, ParamStore};

#[cfg(test)]
mod tests;

/// What a params struct must be able to do; every type that can, is one.
pub trait Params:
    Clone
    + Default
    + serde::Serialize
    + serde::de::DeserializeOwned
    + schemars::JsonSchema
    + Send
    + Sync
    + 'static
{
}

impl<P> Params for P where
    P: Clone
        + Default
        + serde::Serialize
        + serde::de::DeserializeOwned
        + schemars::JsonSchema
        + Send
        + Sync
        + 'static
{
}

/// Implements `properties`, `set_property` and `property` of `ObjectImpl` from a [`ParamStore`].
///
/// `object_properties!(params: Params)` inside `impl ObjectImpl for X`, where `params` is X's field of type
/// `ParamStore<Params>`. Two options may follow, in this order: `stats: X::stats`, a `fn(&X) -> gst::Structure` that
/// becomes the read-only property `stats`; and `changed: X::changed`, a `fn(&X, name: &str)` that is called with
/// the snake_case name after a property has changed (no lock is held).
#[macro_export]
macro_rules! object_properties {
    ($field:ident : $params:ty $(, stats: $stats:expr)? $(, changed: $changed:expr)? $(,)?) => {
        fn properties() -> &'static [$crate::glib::ParamSpec] {
            static ALL: ::std::sync::OnceLock<::std::vec::Vec<$crate::glib::ParamSpec>> =
                ::std::sync::OnceLock::new();
            ALL.get_or_init(|| {
                #[allow(unused_mut)]
                let mut all = $crate::params::table::<$params>().param_specs();
                $(
                    let _ = $stats;
                    all.push($crate::params::Table::stats_spec());
                )?
                all
            })
        }

        fn set_property(
            &self,
            _id: usize,
            value: &$crate::glib::Value,
            pspec: &$crate::glib::ParamSpec,
        ) {
            match self.$field.set_value(pspec.name(), value) {
                Ok(()) => { $( ($changed)(self, &pspec.name().replace('-', "_")); )? }
                Err(error) => {
                    let object = $crate::glib::subclass::types::ObjectSubclassExt::obj(self);
                    $crate::params::report(
                        $crate::glib::prelude::Cast::upcast_ref::<$crate::glib::Object>(&*object),
                        &error,
                    );
                }
            }
        }

        fn property(&self, _id: usize, pspec: &$crate::glib::ParamSpec) -> $crate::glib::Value {
            $(
                if pspec.name() == "stats" {
                    return $crate::glib::prelude::ToValue::to_value(&($stats)(self));
                }
            )?
            self.$field.value(pspec)
        }
    };
}

/// Says in the log that a property kept its old value. GObject's setters cannot fail.
#[doc(hidden)]
pub fn report(object: &glib::Object, error: &ParamError) {
    gst::warning!(gst::CAT_RUST, obj = object, "{error}; the property keeps its value");
}
