//! One report held against another.

use super::{Better, Report};

/// How much worse a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// For figures of the results: by this much, in the figure's own unit (0.01: one point of a hundred).
    pub results: f64,
    /// For times: by this part of the earlier value (0.5: half as much again). None: times are only shown, since
    /// another machine or a busy one changes them.
    pub times: Option<f64>,
}

impl Default for Tolerance {
    fn default() -> Self {
        Tolerance { results: 0.01, times: None }
    }
}

/// What became of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same, or nearly.
    Same,
    /// It is better than the tolerance.
    Better,
    /// It is worse than the tolerance allows.
    Worse,
    /// It is no measure of quality.
    Shown,
    /// Only the earlier report has it.
    Gone,
    /// Only the newer report has it.
    New,
}

/// One figure in both reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The figure's name.
    pub name: String,
    /// Its value in the earlier report.
    pub before: Option<f64>,
    /// Its value now.
    pub now: Option<f64>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Compares a report with an earlier one. A quality figure that is gone counts as worse.
pub fn compare(before: &Report, now: &Report, tolerance: Tolerance) -> Vec<Difference> {
    let (old, new) = (before.figures(), now.figures());
    let mut all = Vec::new();
    for figure in &new {
        let earlier = old.iter().find(|f| f.name == figure.name).map(|f| f.value);
        let verdict = match earlier {
            None => Verdict::New,
            Some(earlier) => {
                let worse_by = match figure.better {
                    Better::Higher => earlier - figure.value,
                    Better::Lower => figure.value - earlier,
                    Better::Zero => figure.value.abs() - earlier.abs(),
                    Better::Neither => 0.0,
                };
                let limit = match (figure.better, figure.machine) {
                    (Better::Neither, _) => None,
                    (_, false) => Some(tolerance.results),
                    (_, true) => tolerance.times.map(|part| part * earlier.abs()),
                };
                match limit {
                    None => Verdict::Shown,
                    // A little more, for values that are not exact in binary.
                    Some(limit) if worse_by > limit + 1e-9 => Verdict::Worse,
                    Some(limit) if -worse_by > limit + 1e-9 => Verdict::Better,
                    Some(_) => Verdict::Same,
                }
            }
        };
        all.push(Difference { name: figure.name.clone(), before: earlier, now: Some(figure.value), verdict });
    }
    for figure in old.iter().filter(|f| new.iter().all(|n| n.name != f.name)) {
        let counts = figure.better != Better::Neither && !figure.machine;
        let verdict = if counts { Verdict::Worse } else { Verdict::Gone };
        all.push(Difference { name: figure.name.clone(), before: Some(figure.value), now: None, verdict });
    }
    all
}

/// Reads an earlier report.
///
/// # Errors
///
/// In words, with the line: it is no report, or one of another form.
pub fn parse(name: &str, text: &str) -> Result<Report, String> {
    let report: Report = serde_json::from_str(text)
        .map_err(|error| format!("{name} is no report of `anabranch eval --json`: {error}"))?;
    if report.schema != super::SCHEMA {
        return Err(format!(
            "{name} has the form {}, and this program reads {}; make it anew",
            report.schema,
            super::SCHEMA
        ));
    }
    Ok(report)
}

/// The differences as rows of a table: verdict, name, before, now; figures that are as they were are left out.
pub fn rows(differences: &[Difference]) -> Vec<Vec<String>> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.4}"));
    let changed = |d: &&Difference| {
        !matches!(d.verdict, Verdict::Same | Verdict::Shown) || number(d.before) != number(d.now)
    };
    let word = |verdict: Verdict| match verdict {
        Verdict::Worse => "WORSE",
        Verdict::Better => "better",
        Verdict::Same => "about the same",
        Verdict::Shown => "",
        Verdict::Gone => "gone",
        Verdict::New => "new",
    };
    let row = |d: &Difference| vec![word(d.verdict).into(), d.name.clone(), number(d.before), number(d.now)];
    differences.iter().filter(changed).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::tests::report;

    fn verdict(now: &Report, name: &str, tolerance: Tolerance) -> Verdict {
        compare(&report(), now, tolerance).into_iter().find(|d| d.name == name).unwrap().verdict
    }

    #[test]
    fn worse_is_worse_whichever_way_a_figure_goes() {
        let mut now = report();
        now.scores.detection[0].sizes[0].ap50 = 0.7;
        now.scores.detection[0].sizes[0].ap = 0.505;
        if let Some(counting) = &mut now.scores.counting {
            (counting.mae, counting.bias) = (0.6, 0.2);
        }
        now.cost.latency_ms.p50 = 8.0;
        let default = Tolerance::default();
        assert_eq!(verdict(&now, "face.all.ap50", default), Verdict::Worse);
        assert_eq!(verdict(&now, "face.all.ap", default), Verdict::Same);
        assert_eq!(verdict(&now, "count.mae", default), Verdict::Worse);
        assert_eq!(verdict(&now, "count.bias", default), Verdict::Better, "0.2 is nearer to 0 than -0.5");
        assert_eq!(verdict(&now, "ms.p50", default), Verdict::Shown);
        assert_eq!(verdict(&now, "ms.p50", Tolerance { times: Some(0.5), ..default }), Verdict::Worse);
        assert_eq!(verdict(&now, "ms.p50", Tolerance { times: Some(1.0), ..default }), Verdict::Same);
        assert_eq!(verdict(&now, "face.all.ap50", Tolerance { results: 0.1, ..default }), Verdict::Same);
    }

    #[test]
    fn what_is_gone_is_worse_and_what_is_new_is_told() {
        let mut now = report();
        now.scores.counting = None;
        assert_eq!(verdict(&now, "count.mae", Tolerance::default()), Verdict::Worse);
        let back = compare(&now, &report(), Tolerance::default());
        assert!(back.iter().any(|d| d.name == "count.mae" && d.verdict == Verdict::New));
        assert!(back.iter().all(|d| d.verdict != Verdict::Worse));
    }

    #[test]
    fn the_same_report_has_no_rows() {
        assert!(rows(&compare(&report(), &report(), Tolerance::default())).is_empty());
        let gone = rows(&compare(&report(), &Report::default(), Tolerance::default()));
        assert!(
            gone.iter().any(|row| row[0] == "WORSE" && row[1] == "face.all.ap50" && row[3] == "-"),
            "{gone:?}"
        );
    }

    #[test]
    fn other_files_are_refused_in_words() {
        let error = parse("b.json", "{}").unwrap_err();
        assert!(error.contains("b.json is no report"), "{error}");
        let text = serde_json::to_string(&Report { schema: 99, ..report() }).unwrap();
        assert!(parse("b.json", &text).unwrap_err().contains("form 99"));
        assert_eq!(parse("b.json", &serde_json::to_string(&report()).unwrap()).unwrap(), report());
    }
}
