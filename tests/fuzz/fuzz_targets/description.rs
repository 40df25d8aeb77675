//! Any text, as YAML and as a one-liner, through parser, checker, planner and surgery.
//!
//! ```text
//! cd tests/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run description -- -max_total_time=60
//! ```
#![no_main]

use anabranch_graph::plan::{Plan, surgery};
use anabranch_graph::testing::{Machine, catalog};
use anabranch_graph::{Completeness, Document, check_all, plan, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (catalog, machine) = (catalog(), Machine::full());
    for document in [Document::yaml("fuzz.yaml", text), Document::one_liner(text)] {
        let checked = check_all(&document, &catalog, Some(&machine), Completeness::Complete);
        for diagnostic in &checked.diagnostics {
            for label in &diagnostic.labels {
                assert!(text.get(label.span.range()).is_some(), "{:?} lies outside", label.span);
            }
            assert!(!diagnostic.draw(false).is_empty());
        }
        let Some(spec) = checked.spec else { continue };
        let again = check_all(&Document::from(&spec), &catalog, Some(&machine), Completeness::Complete);
        assert_eq!(again.spec.as_ref(), Some(&spec));
        if let Ok(plan) = plan(&spec, &catalog, &machine) {
            assert!(surgery(&plan, &plan, &catalog).is_empty());
            surgery(&Plan::default(), &plan, &catalog);
            render::plan_text(&plan);
        }
    }
});
