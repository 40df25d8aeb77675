//! Whether anybody takes what goes out: asked by a query down from a source pad, answered by the engine's output hub,
//! which is linked to every output whether there are consumers or not.

use gst::prelude::*;

/// The name of the query's structure.
const NAME: &str = "anabranch-consumers";
/// Its field.
const COUNT: &str = "count";

/// How many consumers a source pad has. One that is linked to something that does not know is told to have one.
pub fn count(pad: &gst::Pad) -> u32 {
    if !pad.is_linked() {
        return 0;
    }
    let mut query = gst::query::Custom::new(gst::Structure::new_empty(NAME));
    if !pad.peer_query(&mut query) {
        return 1;
    }
    query.structure().and_then(|answer| answer.get(COUNT).ok()).unwrap_or(1)
}

/// Answers the query, if it is this one.
pub fn answer(query: &mut gst::QueryRef, count: impl FnOnce() -> u32) -> bool {
    let gst::QueryViewMut::Custom(custom) = query.view_mut() else { return false };
    let structure = custom.structure_mut();
    if structure.name() != NAME {
        return false;
    }
    structure.set(COUNT, count());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_answers_and_others_count_as_one() {
        gst::init().unwrap();
        let source = gst::Pad::builder(gst::PadDirection::Src).name("src").build();
        assert_eq!(count(&source), 0, "not linked");
        let sink = gst::Pad::builder(gst::PadDirection::Sink)
            .name("sink")
            .query_function(|_, _, query| answer(query, || 3))
            .build();
        source.link(&sink).unwrap();
        assert_eq!(count(&source), 3);
        source.unlink(&sink).unwrap();
        let dumb =
            gst::Pad::builder(gst::PadDirection::Sink).name("sink").query_function(|_, _, _| false).build();
        source.link(&dumb).unwrap();
        assert_eq!(count(&source), 1);
    }
}
