//! Tests that every filter gets for free, and golden pictures. Feature `test`.
//!
//! `filter_tests!(MyFilter)` in a filter's test module makes them; `filter_tests!(MyFilter, image = "hat.png")` sets
//! properties that the filter cannot do without.

mod feed;
mod golden;
mod leaks;
mod suite;

pub use feed::{run_audio_filter, run_filter};
pub use golden::{check_golden, golden_dir};
pub use leaks::Watch;
pub use suite::Suite;

/// Makes the tests of one filter or analyser, of video or sound.
///
/// It is listed and described, goes to PLAYING and back, takes every value of every property and gives it back, refuses
/// those that do not fit, takes live ones while media flow, runs on every format that it declares at odd sizes, and
/// leaves nothing behind that GStreamer's leak tracer sees. `[requires: expression]` (a `Result` whose error is
/// printed) skips what needs something that is not there.
#[macro_export]
macro_rules! filter_tests {
    ($filter:ty $(, [requires: $requires:expr])? $(, $property:ident = $value:expr)* $(,)?) => {
        type FilterUnderTest = $filter;

        mod filter_suite {
            #[allow(unused_imports)]
            use super::*;

            fn suite() -> Option<$crate::testing::Suite> {
                $(
                    if let Err(reason) = $requires {
                        eprintln!("skipped: {reason}");
                        return None;
                    }
                )?
                let mut suite =
                    $crate::testing::Suite::new(<FilterUnderTest as $crate::filter::Named>::descriptor());
                $( suite.set(stringify!($property), $crate::serde_json::json!($value)); )*
                Some(suite)
            }

            #[test]
            fn is_described_well() {
                $crate::testing::Suite::new(<FilterUnderTest as $crate::filter::Named>::descriptor()).described_well();
            }

            #[test]
            fn every_property_round_trips() {
                $crate::testing::Suite::new(<FilterUnderTest as $crate::filter::Named>::descriptor()).properties();
            }

            #[test]
            fn is_listed() {
                $crate::testing::Suite::new(<FilterUnderTest as $crate::filter::Named>::descriptor()).listed();
            }

            #[test]
            fn live_properties_change_while_media_flow() {
                if let Some(suite) = suite() {
                    suite.changes();
                }
            }

            #[test]
            fn every_format_and_odd_sizes() {
                if let Some(suite) = suite() {
                    suite.formats();
                }
            }

            #[test]
            fn starts_stops_and_starts_again() {
                if let Some(suite) = suite() {
                    suite.states();
                }
            }

            #[test]
            fn leaves_nothing_behind() {
                if let Some(suite) = suite() {
                    suite.leaks();
                }
            }
        }
    };
}
