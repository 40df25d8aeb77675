//! The search for codes in one picture.

use std::panic::{AssertUnwindSafe, catch_unwind};

use zxingcpp::{Barcode, BarcodeFormat, BarcodeReader, ImageFormat, ImageView, TextMode};

use super::CodeType;
use super::luma::Luma;

/// Up to this many pixels a picture is also looked at twice as large.
const MOST_DOUBLED: usize = 640 * 480;
/// The same where time does not matter.
const MOST_DOUBLED_THOROUGH: usize = 1280 * 720;

/// Sides of a picture that has any place for a code, in pixels.
const SMALLEST: usize = 8;

/// A code that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// Its type.
    pub code_type: CodeType,
    /// Its text.
    pub value: String,
    /// Its corners in pixels of the picture, in order around it.
    pub corners: [[f32; 2]; 4],
}

/// Reads codes, and remembers what has not been tried.
pub struct Reader {
    types: Vec<CodeType>,
    thorough: bool,
    most: usize,
    looks: usize,
}

/// Ways to look at a picture in which nothing was found as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// For noise, where doubling costs too much.
    Halved,
    /// For tiny codes and for noise: what is between pixels is smooth.
    Doubled,
    /// For lines only: the decoder looks for areas that are white on black, not for lines.
    Inverted,
    /// By so many degrees, for [`crossed`] types.
    Turned(f32),
}

/// Types that are looked for along rows and columns, which must cross them from end to end.
fn crossed(code_type: CodeType) -> bool {
    code_type.is_linear() || code_type == CodeType::Pdf417
}

impl Reader {
    /// Reads codes of these types (all if there are none), at most so many in a picture. A picture in which nothing is found is
    /// looked at in one other way each time, or, if `thorough`, in all of them.
    pub fn new(types: &[CodeType], thorough: bool, most: usize) -> Reader {
        let types = if types.is_empty() { &CodeType::ALL } else { types };
        Reader { types: types.to_vec(), thorough, most: most.max(1), looks: 0 }
    }

    /// The codes in a picture.
    pub fn read(&mut self, picture: &Luma) -> Vec<Code> {
        let mut found = self.all(picture, |_| true, |p| p);
        if found.is_empty() {
            let ways = self.ways(picture);
            let turn = self.looks;
            self.looks = self.looks.wrapping_add(1);
            let ways = if self.thorough { &ways[..] } else { &ways[turn % ways.len()..][..1] };
            let mut looks = ways.iter().map(|way| self.other(picture, *way));
            found = looks.find(|found| !found.is_empty()).unwrap_or_default();
        }
        found.truncate(self.most);
        found
    }

    /// What helps most comes first; there is one at least.
    fn ways(&self, picture: &Luma) -> Vec<Way> {
        let most = if self.thorough { MOST_DOUBLED_THOROUGH } else { MOST_DOUBLED };
        let small = picture.width * picture.height <= most;
        let mut ways = vec![if small { Way::Doubled } else { Way::Halved }];
        if self.types.iter().any(|t| crossed(*t)) {
            ways.extend([45.0, 30.0, 60.0, 15.0, 75.0].map(Way::Turned));
        }
        if self.types.iter().any(|t| t.is_linear()) {
            ways.push(Way::Inverted);
        }
        ways
    }

    fn other(&self, picture: &Luma, way: Way) -> Vec<Code> {
        let halves = |p: [f32; 2]| p.map(|v| v / 2.0 - 0.25);
        match way {
            Way::Halved => self.all(&picture.halved(), |_| true, |p| p.map(|v| 2.0 * v + 0.5)),
            Way::Doubled => self.all(&picture.doubled(), |_| true, halves),
            Way::Inverted => self.all(&picture.inverted(), CodeType::is_linear, |p| p),
            Way::Turned(degrees) => {
                let turned = picture.turned(degrees);
                self.all(&turned.picture, crossed, |[x, y]| turned.back(x, y).into())
            }
        }
    }

    fn all(
        &self,
        picture: &Luma,
        wanted: impl Fn(CodeType) -> bool,
        place: impl Fn([f32; 2]) -> [f32; 2],
    ) -> Vec<Code> {
        let types = self.types.iter().copied().filter(|t| wanted(*t));
        let formats: Vec<BarcodeFormat> = types.flat_map(|t| t.formats().iter().copied()).collect();
        let read = decode(picture, &formats).unwrap_or_default();
        let codes = read.iter().filter_map(|code| {
            let (code_type, value) = said(code, &self.types)?;
            let at = code.position();
            let corners = [at.top_left, at.top_right, at.bottom_right, at.bottom_left];
            let mut corners = corners.map(|p| [p.x as f32, p.y as f32]);
            if code_type.is_linear() {
                // Of a large picture the decoder takes some of the rows.
                let rows = code.line_count().max(0) as usize * (picture.height / 512).max(1);
                if !is_sure(code_type, rows as f32, &corners) {
                    return None;
                }
                corners = upright(corners);
            }
            Some(Code { code_type, value, corners: corners.map(&place) })
        });
        codes.collect()
    }
}

/// What the decoder finds.
fn decode(picture: &Luma, formats: &[BarcodeFormat]) -> Option<Vec<Barcode>> {
    if picture.width < SMALLEST || picture.height < SMALLEST || formats.is_empty() {
        return None;
    }
    // Its exceptions come back as errors, but the layer between panics on some of them: then nothing was found.
    let read = || {
        let view =
            ImageView::from_slice(&picture.pixels, picture.width, picture.height, ImageFormat::Lum).ok()?;
        BarcodeReader::new().formats(formats).text_mode(TextMode::Plain).from(&view).ok()
    };
    catch_unwind(AssertUnwindSafe(read)).ok().flatten()
}

/// The type and the text of a code, if it is to be believed.
fn said(code: &Barcode, types: &[CodeType]) -> Option<(CodeType, String)> {
    let code_type = CodeType::of(code)?;
    let text = code.text();
    Some(match code_type {
        // Both are told as an EAN-13 that begins with 0.
        CodeType::Ean13 | CodeType::UpcA if types.contains(&CodeType::UpcA) && text.starts_with('0') => {
            (CodeType::UpcA, text[1..].to_owned())
        }
        CodeType::UpcE => (CodeType::UpcE, code.extra_with_key("UPCE")),
        other => (other, text),
    })
}

/// A line that runs out of a code through its side may see a shorter one, on a few rows only. Types with a weak check and no
/// letter at the end must be seen on so many rows, in parts of their length.
const DOUBTFUL_ROWS: f32 = 0.06;

fn is_sure(code_type: CodeType, rows: f32, [a, b, ..]: &[[f32; 2]; 4]) -> bool {
    let doubtful = matches!(code_type, CodeType::UpcE | CodeType::Itf);
    !doubtful || rows >= (DOUBTFUL_ROWS * (b[0] - a[0]).hypot(b[1] - a[1])).max(4.0)
}

/// The whole code from the rows that cross all of its bars. If it is tilted they make a slanted strip, whose left and right sides
/// lie along the bars; the code is the rectangle around it.
fn upright(corners: [[f32; 2]; 4]) -> [[f32; 2]; 4] {
    let [a, b, c, d] = corners;
    let (dx, dy) = (d[0] - a[0] + c[0] - b[0], d[1] - a[1] + c[1] - b[1]);
    let length = dx.hypot(dy);
    // Of a few rows nothing can be said, and some are known by one row alone.
    if length < 16.0 {
        return corners;
    }
    let (along, across) = ([dx / length, dy / length], [dy / length, -dx / length]);
    let dot = |p: [f32; 2], to: [f32; 2]| p[0] * to[0] + p[1] * to[1];
    let range = |to: [f32; 2]| {
        let all = corners.map(|p| dot(p, to));
        (all.into_iter().fold(f32::INFINITY, f32::min), all.into_iter().fold(f32::NEG_INFINITY, f32::max))
    };
    let ((top, bottom), (left, right)) = (range(along), range(across));
    let (left, right) = if dot(a, across) <= dot(b, across) { (left, right) } else { (right, left) };
    [(left, top), (right, top), (right, bottom), (left, bottom)]
        .map(|(u, v)| [u * across[0] + v * along[0], u * across[1] + v * along[1]])
}
