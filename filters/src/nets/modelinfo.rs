//! `.modelinfo` files, as GStreamer's inference elements read them beside a model: INI, one section for each tensor, with
//! `dir`, `dims`, `ranges` and `id` (documentation of `GstAnalyticsModelInfo`).

use std::collections::BTreeMap;
use std::path::Path;

use super::family::{Family, classifier, segmentation};
use super::input::{Colour, Fit, Input, Layout, Size};
use super::{Spec, Wish};

/// A section: the line that it begins at, its name, its keys with their lines.
struct Section {
    line: usize,
    name: String,
    keys: BTreeMap<String, (usize, String)>,
}

fn sections(text: &str) -> Result<Vec<Section>, (usize, String)> {
    let mut all: Vec<Section> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let (number, line) = (number + 1, line.trim());
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            all.push(Section { line: number, name: name.to_owned(), keys: BTreeMap::new() });
            continue;
        }
        let (Some((key, value)), Some(section)) = (line.split_once('='), all.last_mut()) else {
            return Err((number, "this is neither a [section] nor a key=value in one".into()));
        };
        section.keys.insert(key.trim().to_owned(), (number, value.trim().to_owned()));
    }
    Ok(all)
}

/// Reads a `.modelinfo` file.
///
/// # Errors
///
/// A sentence that names the file, the line and the field.
pub fn read(path: &Path) -> Result<Spec, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text).map_err(|(line, what)| match line {
        0 => format!("{}: {what}", path.display()),
        line => format!("{}, line {line}: {what}", path.display()),
    })
}

fn parse(text: &str) -> Result<Spec, (usize, String)> {
    let sections = sections(text)?;
    let value = |section: &Section, key: &str| section.keys.get(key).cloned();
    let directed = |wanted: &str| {
        sections.iter().filter(move |s| value(s, "dir").is_some_and(|(_, v)| v == wanted)).collect::<Vec<_>>()
    };
    let [tensor] = directed("input")[..] else {
        return Err((0, "it must have one section with dir=input".into()));
    };
    let input = input(tensor)?;
    let header = sections.iter().find(|s| s.name == "modelinfo").and_then(|s| value(s, "group-id"));
    let ids = directed("output").into_iter().filter_map(|s| value(s, "id"));
    let id = header.into_iter().chain(ids).map(|(line, id)| (line, id.to_ascii_lowercase()));
    let known = |(_, id): &(usize, String)| {
        if id.starts_with("yolo") {
            Some(Family::Yolov8)
        } else if id.starts_with("classification") {
            Some(Family::Classifier(classifier::Scores { softmax: !id.contains("softmaxed") }))
        } else if id.contains("segmentation") {
            Some(Family::Segmentation(segmentation::Classes::default()))
        } else {
            None
        }
    };
    let ids: Vec<(usize, String)> = id.collect();
    let family = ids.iter().find_map(known).ok_or_else(|| {
        let (line, id) = ids.first().cloned().unwrap_or_default();
        (
            line,
            format!("what the outputs of '{id}' mean is not known here; write a spec in YAML that says it"),
        )
    })?;
    Ok(Spec { input, family, wish: Wish { threshold: 0.5, overlap: 0.5, most: 100, labels: Vec::new() } })
}

fn input(section: &Section) -> Result<Input, (usize, String)> {
    let missing = |key: &str| (section.line, format!("the section [{}] has no {key}", section.name));
    let (line, dims) = section.keys.get("dims").ok_or_else(|| missing("dims"))?;
    let wrong = |what: &str| (*line, format!("field 'dims': {what}"));
    let sizes: Result<Vec<i64>, _> = dims.split(',').map(|d| d.trim().parse::<i64>()).collect();
    let sizes = sizes.map_err(|_| wrong("it must be whole numbers"))?;
    let (layout, channels, height, width) = match sizes[..] {
        [_, c @ (1 | 3), h, w] => (Layout::Nchw, c, h, w),
        [_, h, w, c @ (1 | 3)] => (Layout::Nhwc, c, h, w),
        _ => return Err(wrong("it must be four numbers, with 1 or 3 channels")),
    };
    let size = match (usize::try_from(width), usize::try_from(height)) {
        (Ok(width), Ok(height)) if (1..=4096).contains(&width) && (1..=4096).contains(&height) => {
            Size::Fixed(width, height)
        }
        _ => Size::Fitted { longest: 640, multiple: 32 },
    };
    let (mut mean, mut scale) = ([0.0; 3], [1.0; 3]);
    if let Some((line, ranges)) = section.keys.get("ranges") {
        let wrong =
            || (*line, "field 'ranges': it must be pairs of numbers, as 0.0,1.0;0.0,1.0;0.0,1.0".to_owned());
        let pairs: Option<Vec<(f32, f32)>> = ranges
            .split(';')
            .map(|pair| {
                let (low, high) = pair.split_once(',')?;
                Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
            })
            .collect();
        let pairs = pairs.filter(|p| p.len() == 1 || p.len() == 3).ok_or_else(wrong)?;
        for channel in 0..3 {
            // A component of 0 to 255 becomes a number from `low` to `high`.
            let (low, high) = pairs[channel.min(pairs.len() - 1)];
            scale[channel] = (high - low) / 255.0;
            mean[channel] = if scale[channel] == 0.0 { 0.0 } else { -low / scale[channel] };
        }
    }
    let colour = if channels == 1 { Colour::Grey } else { Colour::Rgb };
    Ok(Input { size, fit: Fit::Stretch, colour, mean, scale, layout, pad: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "[modelinfo]\nversion=1.0\ngroup-id=yolo-v8-out\n\n[images]\nid=images\ntype=float32\n\
                        dims=1,3,640,480\ndir=input\nranges=-1.0,1.0;0.0,1.0;0.0,255.0\n\n[output0]\nid=yolo-v8-out\n\
                        dims=1,84,8400\ndir=output\n";

    #[test]
    fn a_modelinfo_becomes_a_spec() {
        let spec = parse(INFO).unwrap();
        assert_eq!(spec.input.shape(9, 9), [1, 3, 640, 480]);
        assert_eq!(spec.family, Family::Yolov8);
        let at = |component: f32, n: usize| (component - spec.input.mean[n]) * spec.input.scale[n];
        assert!((at(0.0, 0) + 1.0).abs() < 1e-4 && (at(255.0, 0) - 1.0).abs() < 1e-4);
        assert_eq!((at(255.0, 1), at(200.0, 2)), (1.0, 200.0));
        let flat = parse(&INFO.replace("1,3,640,480", "-1,-1,-1,3")).unwrap();
        assert_eq!(flat.input.shape(640, 480), [1, 480, 640, 3]);
    }

    #[test]
    fn errors_name_line_and_field() {
        for (from, to, line, words) in [
            ("dims=1,3,640,480", "dims=1,3,x,480", 8, "dims"),
            ("ranges=-1.0,1.0;", "ranges=1;", 10, "ranges"),
            ("yolo-v8-out", "secret-out", 3, "secret-out"),
            ("dir=input", "dir=output", 0, "dir=input"),
            ("version=1.0", "version", 2, "section"),
        ] {
            let (at, what) = parse(&INFO.replace(from, to)).unwrap_err();
            assert!(at == line && what.contains(words), "{to}: line {at}: {what}");
        }
    }
}
