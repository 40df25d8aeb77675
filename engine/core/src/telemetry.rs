//! GStreamer's own log, as events of `tracing` with the target `gst`.

use gst::DebugLevel;
use tracing::Level;

/// The target of GStreamer's log.
const TARGET: &str = "gst";

/// Hands what GStreamer logs to `tracing`, under the target `gst`, with the fields `category` (GStreamer's, such as
/// `rtspsrc`) and `object` (the element or pad). What GStreamer logs at all is up to `GST_DEBUG`; without it errors are.
/// With `GST_DEBUG_FILE` GStreamer goes on writing that file as well.
///
/// To be called once, after the program has set up its `tracing` subscriber and before it makes an [`Engine`].
///
/// [`Engine`]: crate::Engine
pub fn log_gstreamer() {
    // Before GStreamer starts, which is when it reads GST_DEBUG.
    if std::env::var_os("GST_DEBUG").is_none() {
        gst::log::set_default_threshold(DebugLevel::Error);
    }
    if std::env::var_os("GST_DEBUG_FILE").is_none() {
        gst::log::remove_default_log_function();
    }
    gst::log::add_log_function(|category, level, file, _, line, object, message| {
        let Some(level) = level_of(level) else { return };
        // An object that is logged about may be locked by whoever logs: only its name is read.
        macro_rules! event {
            ($level:expr) => {
                if tracing::enabled!(target: TARGET, $level) {
                    let object = object.map(ToString::to_string).unwrap_or_default();
                    let text = message.get();
                    let text = text.as_deref().map(glib::GStr::as_str).unwrap_or_default();
                    let place = format_args!("{file}:{line}");
                    tracing::event!(target: TARGET, $level, category = category.name(), object, %place, "{text}");
                }
            };
        }
        match level {
            Level::ERROR => event!(Level::ERROR),
            Level::WARN => event!(Level::WARN),
            Level::INFO => event!(Level::INFO),
            Level::DEBUG => event!(Level::DEBUG),
            Level::TRACE => event!(Level::TRACE),
        }
    });
}

fn level_of(level: DebugLevel) -> Option<Level> {
    Some(match level {
        DebugLevel::None => return None,
        DebugLevel::Error => Level::ERROR,
        DebugLevel::Warning => Level::WARN,
        DebugLevel::Fixme | DebugLevel::Info => Level::INFO,
        DebugLevel::Debug => Level::DEBUG,
        _ => Level::TRACE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gstreamers_levels_have_their_likes() {
        assert_eq!(level_of(DebugLevel::None), None);
        assert_eq!(level_of(DebugLevel::Error), Some(Level::ERROR));
        assert_eq!(level_of(DebugLevel::Fixme), Some(Level::INFO));
        assert_eq!(level_of(DebugLevel::Log), Some(Level::TRACE));
        assert_eq!(level_of(DebugLevel::Memdump), Some(Level::TRACE));
    }
}
