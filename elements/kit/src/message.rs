//! What elements tell the engine: bus messages with a name and JSON data.
//!
//! On the bus they are element messages whose structure is `anabranch` with the string fields `name` and `data`
//! (JSON text), so they can be read with `gst-launch-1.0 -m` as well.

use gst::prelude::*;
use serde_json::Value;

/// The name of the messages' structure.
pub const STRUCTURE: &str = "anabranch";

/// Posts a message of this name on the element's bus. Never call it while holding a lock: a synchronous bus handler
/// may call back into the element.
pub fn post(element: &impl IsA<gst::Element>, name: &str, data: Value) {
    let element = element.as_ref();
    // Without a bus (no pipeline yet, or shutting down) there is nobody to tell.
    let _ = element.post_message(message(element, name, &data));
}

/// The message that [`post`] would post.
pub fn message(source: &impl IsA<gst::Object>, name: &str, data: &Value) -> gst::Message {
    let structure =
        gst::Structure::builder(STRUCTURE).field("name", name).field("data", data.to_string()).build();
    gst::message::Element::builder(structure).src(source).build()
}

/// The name and data of a message that [`post`] made; `None` for any other message.
pub fn decode(message: &gst::MessageRef) -> Option<(String, Value)> {
    let gst::MessageView::Element(element) = message.view() else { return None };
    let structure = element.structure().filter(|s| s.name() == STRUCTURE)?;
    let name = structure.get::<String>("name").ok()?;
    let data = structure.get::<&str>("data").ok()?;
    Some((name, serde_json::from_str(data).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_posted_is_decoded() {
        gst::init().unwrap();
        let bus = gst::Bus::new();
        let bin = gst::Bin::new();
        bin.set_bus(Some(&bus));
        post(&bin, "faces", json!({"count": 2, "text": "ä \" ,;"}));
        let message = bus.pop().unwrap();
        assert_eq!(decode(&message), Some(("faces".into(), json!({"count": 2, "text": "ä \" ,;"}))));
        assert_eq!(message.src(), Some(bin.upcast_ref()));
    }

    #[test]
    fn other_messages_are_left_alone() {
        gst::init().unwrap();
        assert_eq!(decode(&gst::message::Eos::new()), None);
        let other = gst::message::Element::new(gst::Structure::new_empty("level"));
        assert_eq!(decode(&other), None);
    }
}
