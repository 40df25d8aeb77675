//! A report as one HTML file: tables, plots as inline SVG, and pictures of the worst cases with truth and results drawn.
//! It loads nothing from anywhere.

mod plot;
mod shot;

use std::fmt::Write;

use serde::Serialize;

use super::{Report, compare};
pub use shot::{Shot, Worst, shot, worst};

/// What an HTML report shows beyond the numbers.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Milliseconds of each frame.
    pub times_ms: Vec<f64>,
    /// For a film: time, count found, count there.
    pub counts: Vec<[f64; 3]>,
    /// The worst cases.
    pub shots: Vec<Shot>,
    /// Differences from an earlier report.
    pub differences: Vec<compare::Difference>,
}

const STYLE: &str = "
:root{color-scheme:light dark;--line:#8884;--there:#1f9d55;--right:#2f6fde;--wrong:#d97706;--missed:#dc2626}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;margin:.5rem 0}th,td{padding:.2rem .75rem;text-align:right;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{text-align:left}th{font-weight:600}code{font-size:.9em;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{opacity:.7}dd{margin:0}
.plots{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0}figcaption{font-size:.9em;margin-top:.25rem}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:1.25rem}
.shot{position:relative}.shot img,.shot svg{display:block;width:100%;height:auto}
.shot svg{position:absolute;inset:0}.shot rect{fill:none;vector-effect:non-scaling-stroke;stroke-width:2.5}
.right{stroke:var(--right)}.wrong{stroke:var(--wrong)}.missed{stroke:var(--missed);stroke-dasharray:6 4}
.ignored{stroke:#999;stroke-dasharray:2 3}.key span{margin-right:1.25rem}.key b{display:inline-block;width:1.4rem;margin-right:.4rem;vertical-align:middle;border-top:3px solid}
.worse{color:var(--missed);font-weight:600}
";

/// The whole page.
pub fn page(report: &Report, extras: &Extras) -> String {
    let mut out = String::new();
    let subject = &report.subject;
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}: evaluation</title>\
         <style>{STYLE}</style></head><body>\n<h1>Evaluation</h1>\n<p><code>{0}</code></p>\n",
        escape(&subject.filter)
    );
    out.push_str("<dl>");
    let pace = if subject.realtime { "real time" } else { "frame by frame, each waited for" };
    let machine = &report.machine;
    let versions = format!("Anabranch {}, GStreamer {}", machine.anabranch, machine.gstreamer);
    let place = format!("{}, {} threads, {}", machine.cpu, machine.threads, machine.system);
    for (name, text) in [
        ("elements", subject.elements.join(" -> ").as_str()),
        ("data", &subject.data),
        ("truth", &subject.truth),
        ("frames", &report.scores.frames.to_string()),
        ("pace", pace),
        ("machine", &place),
        ("versions", &versions),
    ] {
        let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escape(text));
    }
    out.push_str("</dl>\n");
    for note in &report.scores.notes {
        let _ = writeln!(out, "<p>Note: {}.</p>", escape(note));
    }
    for table in report.tables() {
        rows(&mut out, &table.title, &table.rows);
    }
    if !extras.differences.is_empty() {
        let head = ["", "figure", "before", "now"].map(str::to_owned).to_vec();
        let found = compare::rows(&extras.differences);
        if found.is_empty() {
            out.push_str("<h2>Compared with the earlier report</h2><p>Nothing changed.</p>\n");
        } else {
            let all: Vec<Vec<String>> = std::iter::once(head).chain(found).collect();
            rows(&mut out, "Compared with the earlier report", &all);
        }
    }
    plots(&mut out, report, extras);
    if !extras.shots.is_empty() {
        out.push_str(
            "<h2>The worst cases</h2>\n<p class=\"key\"><span><b style=\"color:var(--right)\"></b>found, right</span>\
             <span><b style=\"color:var(--wrong)\"></b>found, wrong</span>\
             <span><b style=\"color:var(--missed);border-top-style:dashed\"></b>missed</span>\
             <span><b style=\"color:#999;border-top-style:dotted\"></b>does not count</span></p>\n<div class=\"shots\">\n",
        );
        extras.shots.iter().for_each(|shot| shot.write(&mut out));
        out.push_str("</div>\n");
    }
    out.push_str("</body></html>\n");
    out
}

fn rows(out: &mut String, title: &str, rows: &[Vec<String>]) {
    let _ = write!(out, "<h2>{}</h2>\n<table>", escape(title));
    for (n, row) in rows.iter().enumerate() {
        let tag = if n == 0 { "th" } else { "td" };
        out.push_str("<tr>");
        for cell in row {
            let class = if cell == "WORSE" { " class=\"worse\"" } else { "" };
            let _ = write!(out, "<{tag}{class}>{}</{tag}>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table>\n");
}

fn plots(out: &mut String, report: &Report, extras: &Extras) {
    let mut figures = Vec::new();
    for label in report.scores.detection.iter().filter(|label| !label.curve.is_empty()) {
        let points = label.curve.iter().map(|[recall, precision, _]| [*recall, *precision]).collect();
        let plot = plot::Plot::lines("recall", "precision").range([0.0, 1.0], [0.0, 1.0]).line("", points);
        figures.push((plot, format!("{}: precision over recall, overlap 0.5", label.label)));
    }
    if extras.counts.len() > 1 {
        let series = |n: usize| extras.counts.iter().map(|c| [c[0], c[n]]).collect();
        let plot = plot::Plot::lines("seconds", "count").line("there", series(2)).line("found", series(1));
        figures.push((plot, "Counts over time".to_owned()));
    }
    if extras.times_ms.len() > 1 {
        let points = extras.times_ms.iter().enumerate().map(|(n, ms)| [n as f64, *ms]).collect();
        figures.push((
            plot::Plot::lines("frame", "ms").line("", points),
            "Milliseconds in the filters, frame by frame".into(),
        ));
    }
    if figures.is_empty() {
        return;
    }
    out.push_str("<h2>Plots</h2>\n<div class=\"plots\">\n");
    for (plot, caption) in figures {
        let _ = writeln!(out, "<figure>{}<figcaption>{}</figcaption></figure>", plot.svg(), escape(&caption));
    }
    out.push_str("</div>\n");
}

/// Text as it stands in HTML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// As indented JSON with a line end: the form of report files.
///
/// # Errors
///
/// A number that JSON has not, which no score is.
pub fn json(report: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::tests::report;

    #[test]
    fn a_page_has_tables_plots_and_pictures_and_loads_nothing() {
        let shot = Shot {
            name: "<a>.jpg".into(),
            caption: "1 missed".into(),
            width: 64,
            height: 48,
            jpeg: vec![1, 2, 3],
            boxes: vec![([1.0, 2.0, 3.0, 4.0], "missed", "face".into())],
        };
        let extras = Extras {
            times_ms: vec![1.0, 2.0, 3.0],
            counts: vec![[0.0, 1.0, 2.0], [1.0, 2.0, 2.0]],
            shots: vec![shot],
            differences: compare::compare(&report(), &Report::default(), compare::Tolerance::default()),
        };
        let page = page(&report(), &extras);
        assert_eq!(page.matches("<svg").count(), 4, "three plots and a picture");
        for wanted in ["AP50", "face", "WORSE", "data:image/jpeg;base64,AQID", "&lt;a&gt;.jpg", "1 missed"] {
            assert!(page.contains(wanted), "{wanted} is missing");
        }
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
        for tag in ["table", "tr", "svg", "figure", "div", "body"] {
            let count = |text: String| page.matches(&text).count();
            assert_eq!(
                count(format!("<{tag}>")) + count(format!("<{tag} ")),
                count(format!("</{tag}>")),
                "{tag}"
            );
        }
    }

    #[test]
    fn a_page_without_anything_is_still_a_page() {
        let page = page(&Report::default(), &Extras::default());
        assert!(page.ends_with("</body></html>\n") && !page.contains("NaN"));
    }
}
