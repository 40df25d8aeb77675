//! Specs in YAML.
//!
//! ```yaml
//! type: ssd-anchors            # or retinaface, centerface, yunet, yolox, yolov8-like, nanodet, heatmap, classifier,
//!                              # segmentation, ctc-ocr
//! input:
//!   size: [300, 300]           # width, height; or longest: 320 and multiple: 32, the picture's own shape
//!   fit: stretch               # or letterbox, corner
//!   colour: rgb                # or bgr, grey
//!   mean: 127.5                # is subtracted from components of 0 to 255; one number or three
//!   scale: 0.00784             # is then multiplied
//!   layout: nchw               # or nhwc
//!   pad: 114                   # the bars' components
//! labels: [nothing, person]    # or labels_file: names.txt, one a line
//! threshold: 0.5
//! overlap: 0.5
//! most: 100
//! options: {sigmoid: true}     # what differs between members of a family
//! ```

use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::family::{Family, classifier, ctc_ocr, heatmap, nanodet, segmentation, ssd_anchors, yolox};
use super::input::{Colour, Fit, Input, Layout, Size};
use super::{Spec, Wish};

/// A spec file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    family: Kind,
    input: RawInput,
    #[serde(default)]
    labels: Vec<String>,
    labels_file: Option<Spanned<String>>,
    threshold: Option<Spanned<f32>>,
    overlap: Option<Spanned<f32>>,
    most: Option<Spanned<usize>>,
    #[serde(default)]
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Retinaface,
    Centerface,
    Yunet,
    SsdAnchors,
    Yolox,
    #[serde(rename = "yolov8-like")]
    Yolov8,
    Nanodet,
    Heatmap,
    Classifier,
    Segmentation,
    CtcOcr,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    size: Option<Spanned<[usize; 2]>>,
    longest: Option<Spanned<usize>>,
    multiple: Option<Spanned<usize>>,
    #[serde(default)]
    fit: Fit,
    #[serde(default, alias = "color")]
    colour: Colour,
    mean: Option<Three>,
    scale: Option<Three>,
    #[serde(default)]
    layout: Layout,
    pad: Option<f32>,
}

/// One number for all components, or three.
#[derive(Clone, Copy, Debug)]
struct Three([f32; 3]);

impl<'de> Deserialize<'de> for Three {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Three;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or three")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Three, E> {
                Ok(Three([value as f32; 3]))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Three, E> {
                Ok(Three([value as f32; 3]))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Three, E> {
                Ok(Three([value as f32; 3]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Three, A::Error> {
                let mut all = [0.0; 3];
                for (at, value) in all.iter_mut().enumerate() {
                    let number: Option<f32> = seq.next_element()?;
                    *value = number.ok_or_else(|| serde::de::Error::invalid_length(at, &self))?;
                }
                match seq.next_element::<f32>()? {
                    None => Ok(Three(all)),
                    Some(_) => Err(serde::de::Error::invalid_length(4, &self)),
                }
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Read {
    Points,
    Areas,
}

/// The options of all families. Each family takes its own; what is left is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    strides: Option<Spanned<Vec<usize>>>,
    min_scale: Option<Spanned<f32>>,
    max_scale: Option<Spanned<f32>>,
    ratios: Option<Spanned<Vec<f32>>>,
    between: Option<Spanned<bool>>,
    reduced: Option<Spanned<bool>>,
    coder: Option<Spanned<[f32; 4]>>,
    background: Option<Spanned<bool>>,
    sigmoid: Option<Spanned<bool>>,
    bins: Option<Spanned<usize>>,
    offset: Option<Spanned<f32>>,
    read: Option<Spanned<Read>>,
    grow: Option<Spanned<f32>>,
    mean: Option<Spanned<f32>>,
    least: Option<Spanned<usize>>,
    softmax: Option<Spanned<bool>>,
    characters: Option<Spanned<String>>,
    characters_file: Option<Spanned<String>>,
    allowed: Option<Spanned<String>>,
}

/// Moves an option's value out, if it is there.
fn take<T>(option: &mut Option<Spanned<T>>, into: &mut T) {
    if let Some(value) = option.take() {
        *into = value.value;
    }
}

/// Reads a spec. `metadata` is the model's own; it may have the characters of a reader of text.
///
/// # Errors
///
/// A sentence that names the file, the line and the field.
pub fn read(path: &Path, metadata: Option<&str>) -> Result<Spec, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&text, path, metadata)
}

/// Where a problem is.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    fn problem(&self, line: u64, what: &str) -> String {
        let file = self.path.display();
        let at = usize::try_from(line).unwrap_or(0);
        match self.field(at) {
            _ if at == 0 => format!("{file}: {what}"),
            Some(field) => format!("{file}, line {at}, field '{field}': {what}"),
            None => format!("{file}, line {at}: {what}"),
        }
    }

    /// The key on a line; for an item of a list the key above it.
    fn field(&self, line: usize) -> Option<String> {
        let lines: Vec<&str> = self.text.lines().take(line).collect();
        let key = |line: &&str| {
            let (key, _) = line.split_once(':')?;
            let key = key.trim().trim_start_matches("- ").trim_matches(['"', '\'']);
            let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
            plain.then(|| key.to_owned())
        };
        lines.iter().rev().find_map(key)
    }

    fn wrong<T>(&self, value: &Spanned<T>, what: &str) -> String {
        self.problem(value.referenced.line(), what)
    }

    fn range(&self, value: &Option<Spanned<f32>>, default: f32, low: f32, high: f32) -> Result<f32, String> {
        let Some(value) = value else { return Ok(default) };
        if (low..=high).contains(&value.value) {
            return Ok(value.value);
        }
        Err(self.wrong(value, &format!("it is {}, but must be from {low} to {high}", value.value)))
    }

    fn count(&self, value: &Option<Spanned<usize>>, default: usize, most: usize) -> Result<usize, String> {
        let Some(value) = value else { return Ok(default) };
        if (1..=most).contains(&value.value) {
            return Ok(value.value);
        }
        Err(self.wrong(value, &format!("it is {}, but must be from 1 to {most}", value.value)))
    }

    /// The lines of a file beside the spec.
    fn lines_of(&self, name: &Spanned<String>) -> Result<Vec<String>, String> {
        let path = self.path.parent().unwrap_or(Path::new("")).join(&name.value);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|e| self.wrong(name, &format!("{}: {e}", path.display())))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn parse(text: &str, path: &Path, metadata: Option<&str>) -> Result<Spec, String> {
    let place = Place { path, text };
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    let file: File = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let line = error.location().map_or(0, |l| l.line());
        let full = error.to_string();
        place.problem(line, full.split(" at line ").next().unwrap_or(&full).trim())
    })?;
    let input = input(&file.input, &place)?;
    let labels = match &file.labels_file {
        Some(name) if file.labels.is_empty() => place.lines_of(name)?,
        Some(name) => {
            return Err(place.wrong(name, "there are labels in the spec as well; one of the two is enough"));
        }
        None => file.labels.clone(),
    };
    let wish = Wish {
        threshold: place.range(&file.threshold, 0.5, 0.0, 1.0)?,
        overlap: place.range(&file.overlap, 0.5, 0.0, 1.0)?,
        most: place.count(&file.most, 100, 10_000)?,
        labels,
    };
    let mut options = file.options;
    let family = family(file.family, &mut options, &place, metadata)?;
    if let Some((name, line)) = options.left() {
        return Err(place.problem(line, &format!("the type {} has no option '{name}'", family.name())));
    }
    Ok(Spec { input, family, wish })
}

fn input(raw: &RawInput, place: &Place<'_>) -> Result<Input, String> {
    let size = match (&raw.size, &raw.longest) {
        (Some(size), None) => {
            let [width, height] = size.value;
            if !(1..=4096).contains(&width) || !(1..=4096).contains(&height) {
                return Err(place.wrong(size, "width and height must be from 1 to 4096"));
            }
            if let Some(multiple) = &raw.multiple {
                return Err(place.wrong(multiple, "it goes with longest, not with size"));
            }
            Size::Fixed(width, height)
        }
        (None, Some(_)) => Size::Fitted {
            longest: place.count(&raw.longest, 320, 4096)?,
            multiple: place.count(&raw.multiple, 32, 256)?,
        },
        (Some(_), Some(longest)) => {
            return Err(place.wrong(longest, "there is a size as well; one of the two is enough"));
        }
        (None, None) => {
            return Err(place.problem(0, "the input needs a size: [width, height], or longest: pixels"));
        }
    };
    Ok(Input {
        size,
        fit: raw.fit,
        colour: raw.colour,
        mean: raw.mean.map_or([0.0; 3], |three| three.0),
        scale: raw.scale.map_or([1.0; 3], |three| three.0),
        layout: raw.layout,
        pad: raw.pad,
    })
}

fn family(
    kind: Kind,
    options: &mut Options,
    place: &Place<'_>,
    metadata: Option<&str>,
) -> Result<Family, String> {
    if let Some(strides) = options.strides.as_ref().filter(|s| s.value.is_empty() || s.value.contains(&0)) {
        return Err(place.wrong(strides, "it needs the sizes of cells, in pixels"));
    }
    let bins = place.count(&options.bins, 8, 64)?;
    Ok(match kind {
        Kind::Retinaface => Family::Retinaface,
        Kind::Centerface => Family::Centerface,
        Kind::Yunet => Family::Yunet,
        Kind::Yolov8 => Family::Yolov8,
        Kind::SsdAnchors => {
            let mut anchors = ssd_anchors::Anchors::default();
            take(&mut options.strides, &mut anchors.strides);
            take(&mut options.min_scale, &mut anchors.min_scale);
            take(&mut options.max_scale, &mut anchors.max_scale);
            take(&mut options.ratios, &mut anchors.ratios);
            take(&mut options.between, &mut anchors.between);
            take(&mut options.reduced, &mut anchors.reduced);
            take(&mut options.coder, &mut anchors.coder);
            take(&mut options.background, &mut anchors.background);
            take(&mut options.sigmoid, &mut anchors.sigmoid);
            Family::SsdAnchors(anchors)
        }
        Kind::Yolox => {
            let mut cells = yolox::Cells::default();
            take(&mut options.strides, &mut cells.strides);
            Family::Yolox(cells)
        }
        Kind::Nanodet => {
            let mut distribution = nanodet::Distribution { bins, ..nanodet::Distribution::default() };
            options.bins = None;
            take(&mut options.strides, &mut distribution.strides);
            take(&mut options.offset, &mut distribution.offset);
            take(&mut options.sigmoid, &mut distribution.sigmoid);
            Family::Nanodet(distribution)
        }
        Kind::Heatmap => {
            let (mut read, mut grow, mut mean, mut least) = (Read::Points, 0.0, 0.0, 1);
            take(&mut options.read, &mut read);
            if read == Read::Areas {
                take(&mut options.grow, &mut grow);
                take(&mut options.mean, &mut mean);
                take(&mut options.least, &mut least);
            }
            Family::Heatmap(match read {
                Read::Points => heatmap::Reading::Points,
                Read::Areas => heatmap::Reading::Areas { grow, mean, least },
            })
        }
        Kind::Classifier => {
            let mut scores = classifier::Scores::default();
            take(&mut options.softmax, &mut scores.softmax);
            Family::Classifier(scores)
        }
        Kind::Segmentation => {
            let mut classes = segmentation::Classes::default();
            take(&mut options.background, &mut classes.background);
            Family::Segmentation(classes)
        }
        Kind::CtcOcr => {
            let mut alphabet = ctc_ocr::Alphabet::default();
            take(&mut options.allowed, &mut alphabet.allowed);
            alphabet.characters = match (options.characters.take(), options.characters_file.take(), metadata)
            {
                (Some(_), Some(name), _) => {
                    let problem = "there are characters in the spec as well; one of the two is enough";
                    return Err(place.wrong(&name, problem));
                }
                (Some(text), None, _) => text.value.chars().map(String::from).collect(),
                (None, Some(name), _) => place.lines_of(&name)?,
                (None, None, Some(lines)) => ctc_ocr::Alphabet::of_metadata(lines),
                (None, None, None) => {
                    return Err(
                        place.problem(0, "the type ctc-ocr needs options.characters or characters_file")
                    );
                }
            };
            Family::CtcOcr(alphabet)
        }
    })
}

impl Options {
    /// An option that nobody took, and its line.
    fn left(&self) -> Option<(&'static str, u64)> {
        fn line<T>(name: &'static str, option: &Option<Spanned<T>>) -> Option<(&'static str, u64)> {
            option.as_ref().map(|value| (name, value.referenced.line()))
        }
        line("strides", &self.strides)
            .or_else(|| line("min_scale", &self.min_scale))
            .or_else(|| line("max_scale", &self.max_scale))
            .or_else(|| line("ratios", &self.ratios))
            .or_else(|| line("between", &self.between))
            .or_else(|| line("reduced", &self.reduced))
            .or_else(|| line("coder", &self.coder))
            .or_else(|| line("background", &self.background))
            .or_else(|| line("sigmoid", &self.sigmoid))
            .or_else(|| line("bins", &self.bins))
            .or_else(|| line("offset", &self.offset))
            .or_else(|| line("read", &self.read))
            .or_else(|| line("grow", &self.grow))
            .or_else(|| line("mean", &self.mean))
            .or_else(|| line("least", &self.least))
            .or_else(|| line("softmax", &self.softmax))
            .or_else(|| line("characters", &self.characters))
            .or_else(|| line("characters_file", &self.characters_file))
            .or_else(|| line("allowed", &self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Spec, String> {
        parse(text, Path::new("people.yaml"), None)
    }

    #[test]
    fn a_whole_spec() {
        let spec = read(
            "type: ssd-anchors\ninput:\n  size: [300, 200]\n  fit: letterbox\n  color: bgr\n  mean: 127.5\n  \
             scale: [0.1, 0.2, 0.3]\n  layout: nhwc\n  pad: 114\nlabels: [nothing, person]\nthreshold: 0.4\n\
             overlap: 0.6\nmost: 7\noptions:\n  coder: [1, 2, 3, 4]\n  reduced: false\n",
        )
        .unwrap();
        assert_eq!(spec.input.shape(9, 9), [1, 200, 300, 3]);
        assert_eq!((spec.input.fit, spec.input.colour), (Fit::Letterbox, Colour::Bgr));
        assert_eq!((spec.input.mean, spec.input.scale), ([127.5; 3], [0.1, 0.2, 0.3]));
        assert_eq!((spec.wish.threshold, spec.wish.overlap, spec.wish.most), (0.4, 0.6, 7));
        assert_eq!(spec.wish.label(1), "person");
        let Family::SsdAnchors(anchors) = spec.family else { panic!() };
        assert_eq!((anchors.coder, anchors.reduced, anchors.between), ([1.0, 2.0, 3.0, 4.0], false, true));
    }

    #[test]
    fn every_family_can_be_named() {
        for name in [
            "retinaface",
            "centerface",
            "yunet",
            "ssd-anchors",
            "yolox",
            "yolov8-like",
            "nanodet",
            "heatmap",
            "classifier",
            "segmentation",
        ] {
            let spec = read(&format!("type: {name}\ninput: {{longest: 320, multiple: 16}}\n")).unwrap();
            assert_eq!(spec.family.name(), name);
            assert_eq!(spec.input.shape(640, 400), [1, 3, 208, 320]);
        }
        let text = "type: ctc-ocr\ninput: {size: [320, 48]}\n";
        assert!(read(text).unwrap_err().contains("characters"));
        let spec = parse(text, Path::new("x"), Some("a\nb")).unwrap();
        let Family::CtcOcr(alphabet) = spec.family else { panic!() };
        assert_eq!(alphabet.characters, ["a", "b", " "]);
    }

    #[test]
    fn errors_name_file_line_and_field() {
        let input = "input: {size: [300, 300]}\n";
        for (text, place, words) in [
            (format!("type: yolo\n{input}"), "people.yaml, line 1, field 'type'", "yolox"),
            (
                format!("type: yolox\n{input}threshold: 3\n"),
                "people.yaml, line 3, field 'threshold'",
                "from 0 to 1",
            ),
            (
                format!("type: yolox\n{input}thresold: 0.3\n"),
                "people.yaml, line 3, field 'thresold'",
                "threshold",
            ),
            (format!("type: yolox\n{input}most: many\n"), "people.yaml, line 3, field 'most'", ""),
            ("type: yolox\ninput:\n  size: [300]\n".into(), "people.yaml, line 3, field 'size'", ""),
            ("type: yolox\ninput:\n  size: [0, 300]\n".into(), "people.yaml, line 3, field 'size'", "4096"),
            ("type: yolox\ninput:\n  mean: [1, 2]\n".into(), "people.yaml, line 3, field 'mean'", "three"),
            ("type: yolox\ninput: {}\n".into(), "people.yaml", "needs a size"),
            (
                "type: yolox\ninput:\n  size: [300, 300]\n  multiple: 32\n".into(),
                "people.yaml, line 4, field 'multiple'",
                "longest",
            ),
            (
                format!("type: ctc-ocr\n{input}options:\n  characters: ab\n  characters_file: c.txt\n"),
                "people.yaml, line 5, field 'characters_file'",
                "one of the two",
            ),
            (
                format!("type: yolox\n{input}options:\n  bins: 4\n"),
                "people.yaml, line 4, field 'bins'",
                "the type yolox has no option 'bins'",
            ),
            (
                format!("type: yolox\n{input}labels_file: none.txt\n"),
                "people.yaml, line 3, field 'labels_file'",
                "none.txt",
            ),
            ("type: [".into(), "people.yaml", ""),
            (input.into(), "people.yaml", "type"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.starts_with(place) && error.contains(words), "{text}: {error}");
        }
        assert!(super::read(Path::new("/none.yaml"), None).unwrap_err().starts_with("/none.yaml: "));
    }
}
