//! SVG, placed by `layout-rs`, drawn here.

use std::collections::HashMap;
use std::fmt::Write;

use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow as Edge, Element, ShapeKind};
use layout::topo::layout::VisualGraph;

use crate::catalog::Catalog;
use crate::spec::GraphSpec;

use super::picture::{Block, Picture};

const BOX_HEIGHT: f64 = 46.0;
const MARGIN: f64 = 24.0;
/// Room above the picture for its name.
const HEAD: f64 = 40.0;
/// `layout-rs` takes a letter to be as wide as it is high; this size leaves a label of 11 px the room that it needs.
const LABEL_SIZE: usize = 7;

/// The graph as a picture that needs no other program.
pub fn svg(spec: &GraphSpec, catalog: &Catalog) -> String {
    let picture = Picture::new(spec, catalog);
    let mut canvas = Canvas::new(&picture);
    if !picture.boxes.is_empty() {
        place(&picture, &mut canvas);
    }
    canvas.finish(&picture)
}

fn place(picture: &Picture<'_>, canvas: &mut Canvas<'_>) {
    let mut graph = VisualGraph::new(Orientation::LeftToRight);
    let look = StyleAttr::new(Color::fast("black"), 1, None, 8, 12);
    let mut handles = HashMap::new();
    for block in &picture.boxes {
        let size = Point::new(width(block), BOX_HEIGHT);
        // The text is drawn here, not there; the id comes back with the box.
        let shape = ShapeKind::new_box("");
        let element =
            Element::create_with_properties(shape, look.clone(), Orientation::LeftToRight, size, block.id);
        handles.insert(block.id, graph.add_node(element));
    }
    for arrow in picture.arrows.iter().filter(|arrow| arrow.from != arrow.to) {
        let (Some(from), Some(to)) = (handles.get(arrow.from), handles.get(arrow.to)) else { continue };
        let mut edge = Edge::simple(&arrow.labels.join("\n"));
        edge.look.font_size = LABEL_SIZE;
        edge.properties = Some(if arrow.crosses { "crosses" } else { "stays" }.to_owned());
        graph.add_edge(edge, *from, *to);
    }
    graph.do_it(false, false, false, canvas);
}

fn width(block: &Block<'_>) -> f64 {
    let letters = (block.id.chars().count() as f64 * 8.0).max(block.type_name.chars().count() as f64 * 6.8);
    (letters + 28.0).max(84.0)
}

/// Collects what the layout draws, in layers: arrows lie under boxes, labels on top.
struct Canvas<'a> {
    blocks: HashMap<&'a str, &'a Block<'a>>,
    /// Labels of elements that are linked to themselves, which the layout does not draw.
    loops: HashMap<&'a str, String>,
    arrows: String,
    boxes: String,
    labels: String,
    extent: Point,
}

impl<'a> Canvas<'a> {
    fn new(picture: &'a Picture<'a>) -> Self {
        Self {
            blocks: picture.boxes.iter().map(|block| (block.id, block)).collect(),
            loops: picture
                .arrows
                .iter()
                .filter(|arrow| arrow.from == arrow.to)
                .map(|arrow| (arrow.from, arrow.labels.join(", ")))
                .collect(),
            arrows: String::new(),
            boxes: String::new(),
            labels: String::new(),
            extent: Point::new(0.0, 0.0),
        }
    }

    fn grow(&mut self, x: f64, y: f64) {
        self.extent.x = self.extent.x.max(x);
        self.extent.y = self.extent.y.max(y);
    }

    fn finish(self, picture: &Picture<'_>) -> String {
        let (width, height) = (self.extent.x.max(160.0) + 2.0 * MARGIN, self.extent.y + MARGIN + HEAD);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, 'DejaVu Sans', sans-serif\">"
        );
        let _ = writeln!(out, "<title>{}</title>", escape(picture.name));
        out.push_str(
            "<defs><marker id=\"tip\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto-start-reverse\" \
             markerUnits=\"userSpaceOnUse\"><path d=\"M0 0 L9 4 L0 8 Z\" fill=\"#6b7280\"/></marker></defs>\n",
        );
        let _ = writeln!(out, "<rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{MARGIN}\" y=\"26\" font-size=\"15\" font-weight=\"600\" fill=\"#111827\">{}</text>",
            escape(picture.name)
        );
        let _ = writeln!(out, "<g transform=\"translate({MARGIN} {HEAD})\">");
        out.push_str(&self.arrows);
        out.push_str(&self.boxes);
        out.push_str(&self.labels);
        out.push_str("</g>\n</svg>\n");
        out
    }
}

impl RenderBackend for Canvas<'_> {
    fn draw_rect(
        &mut self,
        xy: Point,
        size: Point,
        look: &StyleAttr,
        properties: Option<String>,
        _clip: Option<ClipHandle>,
    ) {
        let Some(block) = properties.and_then(|id| self.blocks.get(id.as_str()).copied()) else { return };
        self.grow(xy.x + size.x, xy.y + size.y);
        let colours = block.colours();
        let middle = xy.x + size.x / 2.0;
        let _ = writeln!(
            self.boxes,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"9\" fill=\"{}\" stroke=\"{}\" \
             stroke-width=\"1.5\"/>\n<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"13\" \
             font-weight=\"600\" fill=\"#111827\">{}</text>\n<text x=\"{middle:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\" font-size=\"11\" fill=\"#4b5563\">{}</text>",
            xy.x,
            xy.y,
            size.x,
            size.y,
            colours.fill,
            colours.edge,
            xy.y + 20.0,
            escape(block.id),
            xy.y + 36.0,
            escape(block.type_name),
        );
        if let Some(label) = self.loops.get(block.id).cloned() {
            let (right, left, top) = (middle + 16.0, middle - 16.0, xy.y - 24.0);
            let _ = writeln!(
                self.arrows,
                "<path d=\"M{right:.1} {:.1} C{right:.1} {top:.1}, {left:.1} {top:.1}, {left:.1} {:.1}\" fill=\"none\" \
                 stroke=\"#6b7280\" stroke-width=\"1.5\" marker-end=\"url(#tip)\"/>",
                xy.y, xy.y
            );
            self.draw_text(Point::new(middle, xy.y - 26.0), &label, look);
        }
    }

    fn draw_line(&mut self, _start: Point, _stop: Point, _look: &StyleAttr, _properties: Option<String>) {}

    fn draw_circle(&mut self, _xy: Point, _size: Point, _look: &StyleAttr, _properties: Option<String>) {}

    fn draw_text(&mut self, xy: Point, text: &str, _look: &StyleAttr) {
        let lines: Vec<&str> = text.lines().collect();
        let letters = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        if letters == 0 {
            return;
        }
        let (width, height) = (letters as f64 * 6.4 + 8.0, lines.len() as f64 * 14.0 + 2.0);
        let (left, top) = (xy.x - width / 2.0, xy.y - height / 2.0);
        self.grow(left + width, top + height);
        let _ = writeln!(
            self.labels,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\" fill=\"#ffffff\"/>"
        );
        for (index, line) in lines.iter().enumerate() {
            let _ = writeln!(
                self.labels,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#374151\">{}</text>",
                xy.x,
                top + 12.0 + index as f64 * 14.0,
                escape(line)
            );
        }
    }

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _dashed: bool,
        head: (bool, bool),
        _look: &StyleAttr,
        properties: Option<String>,
        _text: &str,
    ) {
        let [first, second, rest @ ..] = path else { return };
        let mut line = format!(
            "M{:.1} {:.1} C{:.1} {:.1}, {:.1} {:.1}, {:.1} {:.1}",
            first.0.x, first.0.y, first.1.x, first.1.y, second.0.x, second.0.y, second.1.x, second.1.y
        );
        for (control, point) in rest {
            let _ = write!(line, " S{:.1} {:.1}, {:.1} {:.1}", control.x, control.y, point.x, point.y);
        }
        for (_, point) in path {
            self.grow(point.x, point.y);
        }
        let dash = match properties.as_deref() {
            Some("crosses") => " stroke-dasharray=\"5 4\"",
            _ => "",
        };
        let tip =
            |on: bool, end: &str| if on { format!(" marker-{end}=\"url(#tip)\"") } else { String::new() };
        let _ = writeln!(
            self.arrows,
            "<path d=\"{line}\" fill=\"none\" stroke=\"#6b7280\" stroke-width=\"1.5\"{dash}{}{}/>",
            tip(head.0, "start"),
            tip(head.1, "end"),
        );
    }

    fn create_clip(&mut self, _xy: Point, _size: Point, _rounded_px: usize) -> ClipHandle {
        0
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
