//! The figures of a report, one by one, each with its name: what tables show and comparisons compare.

use super::Report;

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The greater the better.
    Higher,
    /// The less the better.
    Lower,
    /// The nearer to 0 the better.
    Zero,
    /// It says how much there was, not how good it is.
    Neither,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name, such as `face.all.ap50`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Which way it is better.
    pub better: Better,
    /// Whether the machine decides it: such a figure is no measure of the results.
    pub machine: bool,
}

impl Report {
    /// All figures, in a fixed order.
    pub fn figures(&self) -> Vec<Figure> {
        use Better::{Higher, Lower, Neither, Zero};
        let mut all = Vec::new();
        let mut add = |name: String, value: f64, better: Better, machine: bool| {
            all.push(Figure { name, value, better, machine });
        };
        let scores = &self.scores;
        for label in &scores.detection {
            for size in label.sizes.iter().filter(|s| s.truths > 0 || s.size == "all") {
                let name = |what: &str| format!("{}.{}.{what}", label.label, size.size);
                add(name("truths"), size.truths as f64, Neither, false);
                for (what, value) in [
                    ("ap", size.ap),
                    ("ap50", size.ap50),
                    ("ap75", size.ap75),
                    ("recall", size.recall),
                    ("recall50", size.recall50),
                ] {
                    add(name(what), value, Higher, false);
                }
            }
            let name = |what: &str| format!("{}.{what}", label.label);
            add(name("found"), label.found as f64, Neither, false);
            for (what, value) in [("precision", label.precision), ("recall", label.recall), ("f1", label.f1)]
            {
                add(name(what), value, Higher, false);
            }
            add(name("best_f1"), label.best_f1, Higher, false);
            add(name("best_threshold"), label.best_threshold, Neither, false);
        }
        if let Some(counting) = &scores.counting {
            add("count.mae".into(), counting.mae, Lower, false);
            add("count.bias".into(), counting.bias, Zero, false);
            add("count.rmse".into(), counting.rmse, Lower, false);
            add("count.exact".into(), counting.exact, Higher, false);
        }
        if let Some(tracking) = &scores.tracking {
            add("track.mota".into(), tracking.mota, Higher, false);
            add("track.motp".into(), tracking.motp, Higher, false);
            add("track.idf1".into(), tracking.idf1, Higher, false);
            add("track.switches".into(), tracking.switches as f64, Lower, false);
            add("track.fragmentations".into(), tracking.fragmentations as f64, Lower, false);
        }
        if let Some(reading) = &scores.reading {
            add("text.exact".into(), reading.exact_rate, Higher, false);
            add("text.precision".into(), reading.precision, Higher, false);
            add("text.character_errors".into(), reading.character_error_rate, Lower, false);
        }
        for event in &scores.events {
            let name = |what: &str| format!("event.{}.{what}", event.name);
            add(name("precision"), event.precision, Higher, false);
            add(name("recall"), event.recall, Higher, false);
            add(name("delay"), event.delay, Zero, false);
        }
        let cost = &self.cost;
        if let Some(realtime) = &cost.realtime {
            add("realtime.dropped".into(), realtime.dropped as f64, Lower, true);
        }
        for (what, value) in
            [("p50", cost.latency_ms.p50), ("p95", cost.latency_ms.p95), ("p99", cost.latency_ms.p99)]
        {
            add(format!("ms.{what}"), value, Lower, true);
        }
        add("ms.cpu".into(), cost.cpu_ms_per_frame, Lower, true);
        all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::evaluate::Scores;
    use crate::metrics::counting::Counting;
    use crate::metrics::detection::{LabelScores, SizeScores};
    use crate::metrics::latency::Latency;
    use crate::report::Cost;

    /// A report on faces.
    pub(in crate::report) fn report() -> Report {
        let size = SizeScores { size: "all".into(), truths: 10, ap: 0.5, ap50: 0.8, ..SizeScores::default() };
        let label = LabelScores {
            label: "face".into(),
            found: 9,
            sizes: vec![size, SizeScores { size: "small".into(), ..SizeScores::default() }],
            precision: 0.9,
            recall: 0.8,
            curve: vec![[0.5, 1.0, 0.9], [0.8, 0.9, 0.5]],
            ..LabelScores::default()
        };
        let counting = Counting { frames: 6, mae: 0.5, bias: -0.5, ..Counting::default() };
        Report {
            schema: super::super::SCHEMA,
            scores: Scores {
                frames: 6,
                detection: vec![label],
                counting: Some(counting),
                ..Scores::default()
            },
            cost: Cost {
                latency_ms: Latency { frames: 5, p50: 4.0, p95: 5.0, p99: 6.0, ..Latency::default() },
                cpu_ms_per_frame: 3.5,
                frames_per_second: 50.0,
                ..Cost::default()
            },
            ..Report::default()
        }
    }

    #[test]
    fn every_figure_has_one_name_and_empty_sizes_are_left_out() {
        let figures = report().figures();
        let mut names: Vec<&str> = figures.iter().map(|f| f.name.as_str()).collect();
        assert!(
            names.contains(&"face.all.ap50") && names.contains(&"count.bias") && names.contains(&"ms.p99")
        );
        assert!(!names.iter().any(|name| name.contains("small")));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_report_survives_its_json() {
        let text = serde_json::to_string_pretty(&report()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    }
}
