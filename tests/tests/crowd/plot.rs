//! Lines and marks over time, as an SVG picture.

use std::fmt::Write;

/// Pixels of one panel.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 60.0;
const GAP: f64 = 34.0;
pub const COLOURS: [&str; 4] = ["#1f6fd0", "#d0481f", "#2f9a4c", "#7a4bc2"];

/// One line of a panel.
pub struct Series {
    pub name: String,
    /// Seconds and values.
    pub points: Vec<(f64, f64)>,
    /// Whether the points are joined.
    pub joined: bool,
}

/// Some lines over the same axes.
pub struct Panel {
    pub title: String,
    pub most: f64,
    pub series: Vec<Series>,
}

/// The picture of the panels, one below the other, over so many seconds.
pub fn svg(title: &str, seconds: f64, panels: &[Panel]) -> String {
    let tall = 40.0 + panels.len() as f64 * (HEIGHT + GAP) + 20.0;
    let wide = LEFT + WIDTH + 20.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {tall}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"{wide}\" height=\"{tall}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    for (row, panel) in panels.iter().enumerate() {
        let top = 44.0 + row as f64 * (HEIGHT + GAP);
        let x = |t: f64| LEFT + t / seconds * WIDTH;
        let y = |v: f64| top + HEIGHT * (1.0 - v / panel.most);
        let _ = writeln!(
            out,
            "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>"
        );
        for part in 0..=4 {
            let value = panel.most * f64::from(part) / 4.0;
            let line = y(value);
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>\
                 <path d=\"M{LEFT} {line:.1}h{WIDTH}\" stroke=\"#eee\"/>",
                LEFT - 6.0,
                line + 4.0
            );
        }
        let mut label = LEFT + 6.0;
        let _ = writeln!(out, "<text x=\"{label}\" y=\"{}\">{}</text>", top - 4.0, panel.title);
        label += 7.0 * panel.title.len() as f64 + 20.0;
        for (series, colour) in panel.series.iter().zip(COLOURS) {
            let _ = writeln!(
                out,
                "<text x=\"{label}\" y=\"{}\" fill=\"{colour}\">{}</text>",
                top - 4.0,
                series.name
            );
            label += 7.0 * series.name.len() as f64 + 20.0;
            if series.joined {
                let points: Vec<String> =
                    series.points.iter().map(|(t, v)| format!("{:.1},{:.1}", x(*t), y(*v))).collect();
                let points = points.join(" ");
                let _ = writeln!(
                    out,
                    "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
                );
            } else {
                for (t, v) in &series.points {
                    let _ = writeln!(
                        out,
                        "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\" fill=\"{colour}\"/>",
                        x(*t),
                        y(*v)
                    );
                }
            }
        }
        for second in (0..=seconds as u32).step_by(10) {
            let at = x(f64::from(second));
            let _ = writeln!(
                out,
                "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{second} s</text>",
                top + HEIGHT + 14.0
            );
        }
    }
    out.push_str("</svg>\n");
    out
}
