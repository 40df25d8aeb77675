//! GEnum types made at run time from lists of words.

use std::ffi::CString;

use glib::gobject_ffi;
use glib::translate::{FromGlib, IntoGlib, ToGlibPtr, ToGlibPtrMut, from_glib_none};

/// The GEnum type of that name, made if it does not exist yet. `None` if a word has a NUL byte in it or the
/// name is taken by something else.
pub(super) fn enum_type(name: &str, words: &[String]) -> Option<glib::Type> {
    if let Some(existing) = glib::Type::from_name(name) {
        return existing.is_a(glib::Type::ENUM).then_some(existing);
    }
    let c_words = words.iter().map(|w| CString::new(w.as_str()).ok()).collect::<Option<Vec<_>>>()?;
    let c_name = CString::new(name).ok()?;
    // A GType lives as long as the process, and it points at this table: both are given away for good.
    let mut values: Vec<gobject_ffi::GEnumValue> = c_words
        .into_iter()
        .enumerate()
        .map(|(i, word)| {
            let word = word.into_raw();
            gobject_ffi::GEnumValue { value: i as i32, value_name: word, value_nick: word }
        })
        .collect();
    values.push(gobject_ffi::GEnumValue {
        value: 0,
        value_name: std::ptr::null(),
        value_nick: std::ptr::null(),
    });
    let values = values.leak();
    // SAFETY: name and table are NUL-terminated; the table is never freed.
    let ty = unsafe {
        glib::Type::from_glib(gobject_ffi::g_enum_register_static(c_name.as_ptr(), values.as_ptr()))
    };
    ty.is_a(glib::Type::ENUM).then_some(ty)
}

/// A property of a GEnum type.
pub(super) fn enum_spec(
    name: &str,
    nick: &str,
    blurb: &str,
    ty: glib::Type,
    default: i32,
    flags: glib::ParamFlags,
) -> glib::ParamSpec {
    // SAFETY: the strings outlive the call and the type is an enum, as `enum_type` made it.
    unsafe {
        from_glib_none(gobject_ffi::g_param_spec_enum(
            name.to_glib_none().0,
            nick.to_glib_none().0,
            blurb.to_glib_none().0,
            ty.into_glib(),
            default,
            flags.into_glib(),
        ))
    }
}

/// The word that an enum value stands for.
pub(super) fn word(value: &glib::Value) -> Option<String> {
    let (_, value) = glib::EnumValue::from_value(value)?;
    Some(value.nick().to_owned())
}

/// The value of an enum type that a word stands for.
pub(super) fn value_of(ty: glib::Type, word: &str) -> Option<glib::Value> {
    glib::EnumClass::with_type(ty)?.to_value_by_nick(word)
}

/// The words of an enum type.
pub(super) fn words(ty: glib::Type) -> Vec<String> {
    let Some(class) = glib::EnumClass::with_type(ty) else { return Vec::new() };
    class.values().iter().map(|v| v.nick().to_owned()).collect()
}

/// Whether the property would have to change the value (clamp it to its range, say) to take it.
pub(super) fn would_change(pspec: &glib::ParamSpec, value: &mut glib::Value) -> bool {
    // SAFETY: both pointers are valid for the call; the callers give a value of the property's type, and GLib
    // returns at once if it is not.
    unsafe {
        gobject_ffi::g_param_value_validate(pspec.to_glib_none().0, value.to_glib_none_mut().0)
            != glib::ffi::GFALSE
    }
}
