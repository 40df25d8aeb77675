//! How many of the codes that the test draws are read, and what a look costs. To see the table:
//! `cargo nextest run --release --workspace --lib -E 'test(codes_that_are_drawn)' --no-capture`

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use super::drawing::{View, draw, fits};
use super::luma::Luma;
use super::{CodeType, Reader};

const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// Two texts of each type that can be drawn.
const TEXTS: &[(CodeType, [&str; 2])] = &[
    (CodeType::Qr, ["https://example.org/a/b?c=1", "Grüße aus Köln: 42"]),
    (CodeType::DataMatrix, ["SN 0042-7781-XY", "A1B2C3D4E5F6"]),
    (CodeType::Aztec, ["TICKET 20261122 SEAT 14B", "Hello, Aztec!"]),
    (CodeType::Pdf417, ["PDF417 document 12345", "DOE JOHN 19800101"]),
    (CodeType::Ean13, ["4006381333931", "9780306406157"]),
    (CodeType::Ean8, ["96385074", "73513537"]),
    (CodeType::UpcA, ["036000291452", "012345678905"]),
    (CodeType::UpcE, ["01234565", "04252614"]),
    (CodeType::Code128, ["ABC-abc-1234", "00123456789"]),
    (CodeType::Code39, ["CODE39 TEST", "A1-B2"]),
    (CodeType::Code93, ["CODE93", "SHELF 17"]),
    (CodeType::Itf, ["30712345000010", "123456"]),
    (CodeType::Codabar, ["A40156B", "A123456A"]),
    (CodeType::MicroQr, ["12345", "MICRO QR"]),
    (CodeType::Databar, ["0112345678901231", "0100012345678905"]),
    (CodeType::DatabarExpanded, ["[01]98898765432106[3202]012345[15]991231", "[10]ABC123"]),
    (CodeType::DatabarLimited, ["0115012345678907", "0100312345678906"]),
];

/// Pictures of one row of the table.
struct Group {
    name: String,
    views: Vec<View>,
    /// What must be read of areas and of lines, in per cent.
    least: [f64; 2],
}

fn groups() -> Vec<Group> {
    let plain = View::default();
    let mut all = Vec::new();
    let mut group =
        |name: String, least, views: &[View]| all.push(Group { name, views: views.to_vec(), least });
    for (module, least) in
        [(1.5, [10.0, 50.0]), (2.0, [95.0, 95.0]), (3.0, [95.0, 95.0]), (4.0, [95.0, 95.0])]
    {
        let views = [3.0, 90.0].map(|angle| View { module, angle, ..plain });
        group(format!("{module} pixels a module"), least, &views);
    }
    for (angle, least) in [
        (10.0, [95.0, 95.0]),
        (30.0, [95.0, 95.0]),
        (45.0, [95.0, 90.0]),
        (67.0, [95.0, 95.0]),
        (135.0, [90.0, 90.0]),
        (158.0, [95.0, 95.0]),
    ] {
        group(format!("turned by {angle} degrees"), least, &[View { angle, module: 2.5, ..plain }]);
    }
    for (blur, least) in [(1.0, [95.0, 95.0]), (1.5, [10.0, 60.0]), (2.0, [0.0, 0.0])] {
        group(format!("blur {blur} at 3 pixels a module"), least, &[View { blur, ..plain }]);
    }
    for (noise, least) in [(10.0, [95.0, 95.0]), (20.0, [95.0, 95.0]), (40.0, [20.0, 40.0])] {
        group(format!("noise {noise} of 255"), least, &[View { noise, ..plain }]);
    }
    for (contrast, least) in [(80.0, [95.0, 95.0]), (40.0, [95.0, 85.0])] {
        group(format!("contrast {contrast} of 255"), least, &[View { contrast, ..plain }]);
    }
    group("seen at a slant".into(), [95.0, 75.0], &[View { slant: 0.002, ..plain }]);
    group("white on black".into(), [70.0, 95.0], &[View { inverted: true, ..plain }]);
    all
}

/// What a code says to us, where writers and readers differ in what belongs to the text.
fn same(code_type: CodeType, text: &str, read: &super::Code) -> bool {
    let brackets = |c| code_type == CodeType::DatabarExpanded && matches!(c, '[' | ']');
    read.code_type == code_type && read.value == text.replace(brackets, "")
}

#[derive(Default)]
struct Rate {
    read: [usize; 2],
    shown: [usize; 2],
    /// Codes that are larger than the picture.
    left_out: usize,
    missed: Vec<&'static str>,
    wrong: Vec<String>,
}

impl Rate {
    /// What was read, in per cent.
    fn parts(&self) -> [f64; 2] {
        [0, 1].map(|column| 100.0 * self.read[column] as f64 / self.shown[column] as f64)
    }
}

fn measure(group: &Group) -> Rate {
    let mut rate = Rate::default();
    for (code_type, texts) in TEXTS {
        let column = usize::from(code_type.is_linear());
        // Each text is seen once at least.
        for (n, text) in texts.iter().enumerate() {
            let view = &group.views[n % group.views.len()];
            if !fits(*code_type, text, view, WIDTH, HEIGHT) {
                rate.left_out += 1;
                continue;
            }
            let picture =
                draw(*code_type, text, view, WIDTH, HEIGHT, rate.shown.iter().sum::<usize>() as u32);
            let found = Reader::new(&[], true, 8).read(&picture);
            rate.shown[column] += 1;
            if found.iter().any(|code| same(*code_type, text, code)) {
                rate.read[column] += 1;
            } else {
                rate.missed.push(code_type.name());
            }
            let others = found.iter().filter(|code| !same(*code_type, text, code));
            rate.wrong.extend(others.map(|code| format!("{code_type:?} '{text}' {view:?} as {code:?}")));
        }
    }
    rate
}

#[test]
fn codes_that_are_drawn_are_read() {
    let groups = groups();
    let next = AtomicUsize::new(0);
    let rates = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    let Some(group) = groups.get(n) else { break };
                    let rate = measure(group);
                    rates.lock().unwrap().insert(n, rate);
                }
            });
        }
    });
    let (mut shown, mut wrong, mut few) = (0, Vec::new(), Vec::new());
    println!("{:28} {:>8} {:>8} {:>9}   not read", "", "areas", "lines", "too large");
    for (group, rate) in groups.iter().zip(rates.into_inner().unwrap().into_values()) {
        let [areas, lines] = rate.parts();
        println!("{:28} {areas:>6.0} % {lines:>6.0} % {:>9}   {:?}", group.name, rate.left_out, rate.missed);
        if areas < group.least[0] || lines < group.least[1] {
            few.push(&group.name);
        }
        shown += rate.shown.iter().sum::<usize>();
        wrong.extend(rate.wrong);
    }
    println!("{} wrong texts in {shown} pictures: {wrong:#?}", wrong.len());
    assert!(few.is_empty(), "too few were read: {few:?}");
    assert!(wrong.len() * 200 <= shown, "{} texts that nobody drew", wrong.len());
}

/// Only printed: the decoder is bad at them.
#[test]
fn how_many_rectangular_micro_codes_are_read() {
    for module in [3.0, 4.0, 6.0, 8.0] {
        let views = [0.0, 10.0, 30.0, 90.0].map(|angle| View { module, angle, ..View::default() });
        let (mut read, mut shown) = (0, 0);
        for (view, text) in views.iter().flat_map(|v| ["rMQR code 123", "LOT 77-4A"].map(|text| (v, text))) {
            let picture = draw(CodeType::RectangularMicroQr, text, view, WIDTH, HEIGHT, shown);
            let found = Reader::new(&[], true, 8).read(&picture);
            shown += 1;
            read += usize::from(found.iter().any(|code| same(CodeType::RectangularMicroQr, text, code)));
        }
        println!("rMQR, {module} pixels a module: {read} of {shown}");
    }
}

/// Only printed: what a look costs depends on the machine.
#[test]
fn what_a_look_costs() {
    let empty = draw(CodeType::Qr, "x", &View { contrast: 0.0, ..View::default() }, WIDTH, HEIGHT, 1);
    let shown = draw(CodeType::Ean13, "4006381333931", &View::default(), WIDTH, HEIGHT, 1);
    for (what, picture) in [("without a code", &empty), ("with a code", &shown)] {
        for thorough in [false, true] {
            let mut reader = Reader::new(&[], thorough, 8);
            let begun = Instant::now();
            (0..16).for_each(|_| drop(reader.read(picture)));
            let look = 1e3 * begun.elapsed().as_secs_f64() / 16.0;
            println!("{WIDTH}x{HEIGHT} {what}, thorough {thorough}: {look:.1} ms");
        }
    }
}

#[test]
fn several_codes_in_a_picture_are_all_read_at_their_places() {
    let mut picture = Luma { width: 800, height: 600, pixels: vec![200; 800 * 600] };
    let mut expected = BTreeMap::new();
    let shown = [
        (CodeType::Qr, "first", 0, 0),
        (CodeType::Qr, "second", 400, 300),
        (CodeType::Ean13, "4006381333931", 400, 0),
        (CodeType::DataMatrix, "third", 0, 300),
    ];
    for (n, (code_type, text, left, top)) in shown.into_iter().enumerate() {
        let code = draw(code_type, text, &View { angle: 4.0, ..View::default() }, 400, 300, n as u32);
        for (y, row) in code.pixels.chunks(400).enumerate() {
            picture.pixels[(top + y) * 800 + left..][..400].copy_from_slice(row);
        }
        expected.insert(text.to_owned(), (left as f32 + 200.0, top as f32 + 150.0));
    }
    let found = Reader::new(&[], false, 8).read(&picture);
    assert_eq!(found.len(), 4, "{found:?}");
    for code in &found {
        let (x, y) = expected[&code.value];
        let centre = [0, 1].map(|axis| code.corners.iter().map(|p| p[axis]).sum::<f32>() / 4.0);
        assert!((centre[0] - x).abs() < 25.0 && (centre[1] - y).abs() < 25.0, "{code:?} is not at {x}, {y}");
        if code.code_type == CodeType::Ean13 {
            let height = (code.corners[3][1] - code.corners[0][1]).abs();
            assert!((90.0..125.0).contains(&height), "its bars are 114 pixels high: {code:?}");
        }
    }
    assert_eq!(
        Reader::new(&[CodeType::DataMatrix], false, 8).read(&picture).len(),
        1,
        "only what is asked for"
    );
    assert_eq!(Reader::new(&[], false, 2).read(&picture).len(), 2, "no more than asked for");
}

#[test]
fn pictures_without_codes_say_nothing() {
    for (n, noise) in [(1, 0.0), (2, 30.0), (3, 80.0)] {
        let view = View { contrast: 0.0, noise, ..View::default() };
        let picture = draw(CodeType::Qr, "nothing", &view, 320, 240, n);
        assert_eq!(Reader::new(&[], true, 8).read(&picture), []);
    }
    for (width, height) in [(0, 0), (1, 1), (7, 100), (9, 8), (3000, 8)] {
        let tiny = Luma { width, height, pixels: vec![0; width * height] };
        assert_eq!(Reader::new(&[], true, 8).read(&tiny), []);
    }
}
