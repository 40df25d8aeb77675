//! A report as tables of text.

use super::Report;

/// A table: its heading, and rows of which the first one names the columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

fn table(title: &str, head: &[&str], rows: Vec<Vec<String>>) -> Table {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    Table { title: title.to_owned(), rows: std::iter::once(head).chain(rows).collect() }
}

fn three(value: f64) -> String {
    format!("{value:.3}")
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

impl Report {
    /// The tables that a terminal and an HTML report show.
    pub fn tables(&self) -> Vec<Table> {
        let scores = &self.scores;
        let mut all = Vec::new();
        if !scores.detection.is_empty() {
            let rows = scores.detection.iter().flat_map(|label| {
                let sizes = label.sizes.iter().filter(|size| size.truths > 0 || size.size == "all");
                sizes.map(|size| {
                    let mut row = vec![label.label.clone(), size.size.clone(), size.truths.to_string()];
                    row.extend([size.ap50, size.ap75, size.ap, size.recall50].map(three));
                    row
                })
            });
            let head = ["label", "size", "there", "AP50", "AP75", "AP", "recall50"];
            all.push(table("Boxes by size", &head, rows.collect()));
            let rows = scores.detection.iter().map(|label| {
                let mut row = vec![label.label.clone(), label.found.to_string()];
                row.extend(
                    [label.precision, label.recall, label.f1, label.best_f1, label.best_threshold].map(three),
                );
                row
            });
            let head = ["label", "found", "precision", "recall", "F1", "best F1", "at threshold"];
            all.push(table("Boxes at an overlap of 0.5", &head, rows.collect()));
        }
        if let Some(c) = &scores.counting {
            let row = vec![two(c.mae), two(c.bias), two(c.rmse), three(c.exact), two(c.mean_truth)];
            let head = ["mean error", "bias", "root mean square", "exact", "there on average"];
            all.push(table("Counts", &head, vec![row]));
        }
        if let Some(t) = &scores.tracking {
            let mut row: Vec<String> = [t.mota, t.motp, t.idf1].map(three).into();
            row.extend([t.switches, t.fragmentations, t.missed, t.wrong].map(|n| n.to_string()));
            row.push(format!("{} of {}", t.mostly_tracked, t.identities));
            let head = ["MOTA", "MOTP", "IDF1", "switches", "fragments", "missed", "wrong", "mostly tracked"];
            all.push(table("Identities", &head, vec![row]));
        }
        if let Some(r) = &scores.reading {
            let mut row = vec![r.truths.to_string(), r.read.to_string(), r.exact.to_string()];
            row.extend([r.exact_rate, r.precision, r.character_error_rate].map(three));
            let head = ["there", "read", "exact", "exact rate", "precision", "character errors"];
            all.push(table("Texts", &head, vec![row]));
        }
        if !scores.events.is_empty() {
            let rows = scores.events.iter().map(|e| {
                let mut row = vec![e.name.clone()];
                row.extend([e.truths, e.found, e.right].map(|n| n.to_string()));
                row.extend([e.precision, e.recall].map(three));
                row.push(two(e.delay));
                row
            });
            let head = ["event", "expected", "happened", "right", "precision", "recall", "delay, s"];
            all.push(table("Events", &head, rows.collect()));
        }
        let cost = &self.cost;
        if cost.frames_per_second == 0.0 {
            // Nothing ran: the results came from a file.
            return all;
        }
        let l = &cost.latency_ms;
        let mut row: Vec<String> =
            [l.p50, l.p95, l.p99, l.max, cost.first_ms, cost.cpu_ms_per_frame].map(two).into();
        row.push(format!("{:.1}", cost.frames_per_second));
        let head = ["ms p50", "p95", "p99", "max", "first frame", "CPU ms a frame", "frames a second"];
        all.push(table("Cost", &head, vec![row]));
        if let Some(r) = &cost.realtime {
            let analysed = r.analysed.map_or_else(|| "-".to_owned(), |n| n.to_string());
            let row = vec![r.offered.to_string(), r.dropped.to_string(), analysed];
            all.push(table("Real time, frames", &["offered", "dropped", "analysed"], vec![row]));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::report::figures::tests::report;

    #[test]
    fn every_row_has_a_cell_for_every_column() {
        let tables = report().tables();
        let titles: Vec<&str> = tables.iter().map(|t| t.title.as_str()).collect();
        assert_eq!(titles, ["Boxes by size", "Boxes at an overlap of 0.5", "Counts", "Cost"]);
        for table in tables {
            assert!(table.rows.iter().all(|row| row.len() == table.rows[0].len()), "{table:?}");
        }
    }
}
