//! Lines over axes, as SVG.

use std::fmt::Write;

use super::escape;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 40.0;
/// Colours of lines, one after the other.
const COLOURS: [&str; 2] = ["var(--there)", "var(--right)"];
/// More points than pixels cannot be seen.
const MOST_POINTS: usize = 2000;

/// A plot of lines.
pub(super) struct Plot {
    x_name: String,
    y_name: String,
    ranges: Option<[[f64; 2]; 2]>,
    lines: Vec<(String, Vec<[f64; 2]>)>,
}

impl Plot {
    pub fn lines(x_name: &str, y_name: &str) -> Plot {
        Plot { x_name: x_name.into(), y_name: y_name.into(), ranges: None, lines: Vec::new() }
    }

    /// Fixed ends of the axes; otherwise they follow from the points, and y begins at 0.
    pub fn range(mut self, x: [f64; 2], y: [f64; 2]) -> Plot {
        self.ranges = Some([x, y]);
        self
    }

    pub fn line(mut self, name: &str, points: Vec<[f64; 2]>) -> Plot {
        let step = points.len().div_ceil(MOST_POINTS).max(1);
        self.lines.push((name.into(), points.into_iter().step_by(step).collect()));
        self
    }

    fn ends(&self) -> [[f64; 2]; 2] {
        if let Some(ranges) = self.ranges {
            return ranges;
        }
        let all = || self.lines.iter().flat_map(|(_, points)| points);
        let most = |axis: usize| all().map(|p| p[axis]).fold(f64::MIN, f64::max);
        let least_x = all().map(|p| p[0]).fold(f64::MAX, f64::min);
        [[least_x, most(0).max(least_x + 1e-9)], [0.0, round_up(most(1))]]
    }

    pub fn svg(&self) -> String {
        let [x, y] = self.ends();
        let across = |v: f64| LEFT + (v - x[0]) / (x[1] - x[0]) * (WIDTH - LEFT - RIGHT);
        let up = |v: f64| HEIGHT - BOTTOM - (v - y[0]) / (y[1] - y[0]) * (HEIGHT - TOP - BOTTOM);
        let mut out = format!(
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
             font-size=\"11\" fill=\"currentColor\">"
        );
        for n in 0..=4 {
            let part = f64::from(n) / 4.0;
            let (vx, vy) = (x[0] + part * (x[1] - x[0]), y[0] + part * (y[1] - y[0]));
            let _ = write!(
                out,
                "<path d=\"M{LEFT} {0:.1}H{1}M{2:.1} {TOP}V{3}\" stroke=\"var(--line)\" fill=\"none\"/>\
                 <text x=\"{4}\" y=\"{5:.1}\" text-anchor=\"end\">{6}</text>\
                 <text x=\"{2:.1}\" y=\"{7}\" text-anchor=\"middle\">{8}</text>",
                up(vy),
                WIDTH - RIGHT,
                across(vx),
                HEIGHT - BOTTOM,
                LEFT - 6.0,
                up(vy) + 4.0,
                short(vy),
                HEIGHT - BOTTOM + 15.0,
                short(vx),
            );
        }
        for (n, (name, points)) in self.lines.iter().enumerate() {
            let colour = COLOURS[(n + usize::from(self.lines.len() == 1)) % COLOURS.len()];
            let path: Vec<String> = points
                .iter()
                .map(|p| format!("{:.1} {:.1}", across(p[0]), up(p[1].clamp(y[0], y[1]))))
                .collect();
            let _ = write!(
                out,
                "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
                path.join("L")
            );
            if !name.is_empty() {
                let at = WIDTH - RIGHT - 60.0 * (self.lines.len() - n - 1) as f64;
                let _ = write!(
                    out,
                    "<text x=\"{at}\" y=\"14\" text-anchor=\"end\" style=\"fill:{colour}\">{}</text>",
                    escape(name)
                );
            }
        }
        let _ = write!(
            out,
            "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">{2}</text><text x=\"{LEFT}\" y=\"14\">{3}</text></svg>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            escape(&self.x_name),
            escape(&self.y_name)
        );
        out
    }
}

/// The next number of the form 1, 2, 4 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().map(|n| n * power).find(|n| *n >= value).unwrap_or(value)
}

fn short(value: f64) -> String {
    let text = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!((round_up(0.7), round_up(3.0), round_up(81.0), round_up(0.0)), (0.8, 4.0, 100.0, 1.0));
        assert_eq!((short(0.25), short(4.0), short(1234.5)), ("0.25".into(), "4".into(), "1234".into()));
    }

    #[test]
    fn points_lie_inside_of_the_axes() {
        let svg = Plot::lines("x", "y").line("", vec![[0.0, 0.0], [10.0, 8.0]]).svg();
        assert!(svg.contains("M52.0 220.0L428.0 22.0"), "{svg}");
        let one = Plot::lines("x", "y").line("", vec![[3.0, 0.0]]).svg();
        assert!(!one.contains("NaN") && !one.contains("inf"), "{one}");
    }
}
