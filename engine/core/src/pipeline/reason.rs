//! From GStreamer's error messages to words that a person understands.

use gst::prelude::*;

/// A failure in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reason {
    /// A sentence for a person.
    pub text: String,
    /// What GStreamer said, with its debug text.
    pub detail: String,
    /// Whether it only says that data no longer flows: the cause is told elsewhere.
    pub is_follow_up: bool,
}

impl Reason {
    /// Reads an error or warning.
    pub fn new(source: Option<&gst::Object>, error: &glib::Error, debug: Option<&str>) -> Self {
        let message = error.message().trim().to_owned();
        let debug = debug.unwrap_or_default();
        let name = source.map(|s| s.name().to_string()).unwrap_or_default();
        let is_follow_up = message.starts_with("Internal data st");
        let text = if is_follow_up {
            stopped_flowing(debug)
        } else if let Some(kind) = error.kind::<gst::ResourceError>() {
            resource(kind, &message)
        } else {
            message.clone()
        };
        let detail = if debug.is_empty() {
            format!("{name}: {message}")
        } else {
            format!("{name}: {message} ({})", debug.replace('\n', " "))
        };
        Reason { text, detail, is_follow_up }
    }
}

fn resource(kind: gst::ResourceError, message: &str) -> String {
    match kind {
        gst::ResourceError::NoSpaceLeft if !message.contains("full") => {
            format!("the disk is full ({})", message.trim_end_matches('.'))
        }
        _ => message.to_owned(),
    }
}

fn stopped_flowing(debug: &str) -> String {
    if debug.contains("not-negotiated") {
        "the element and the one after it could not agree on a media format".into()
    } else if debug.contains("not-linked") {
        "the element produces media that nothing takes".into()
    } else {
        "media stopped flowing; the element after it refused it without saying why".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(error: glib::Error, debug: &str) -> Reason {
        Reason::new(None, &error, Some(debug))
    }

    #[test]
    fn a_full_disk_is_called_a_full_disk() {
        let error = glib::Error::new(gst::ResourceError::NoSpaceLeft, "No space left on the resource.");
        assert_eq!(reason(error, "").text, "the disk is full (No space left on the resource)");
    }

    #[test]
    fn sentences_of_our_own_elements_stay() {
        let error = glib::Error::new(gst::ResourceError::NoSpaceLeft, "the disk is full: cannot write '/x'");
        assert_eq!(reason(error, "").text, "the disk is full: cannot write '/x'");
    }

    #[test]
    fn follow_ups_are_known_and_explained() {
        let error = glib::Error::new(gst::StreamError::Failed, "Internal data stream error.");
        let r = reason(error, "streaming stopped, reason not-negotiated (-4)");
        assert!(r.is_follow_up);
        assert!(r.text.contains("could not agree"));
        assert!(r.detail.contains("not-negotiated"));
    }
}
