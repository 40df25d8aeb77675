//! COCO's JSON: `images` with id, file name and size; `annotations` with the image's id, a box and a category; and
//! `categories` with names. Besides, an annotation may have `track_id`, and `text` (also among its `attributes`).
//!
//! The file is read twice, images and categories first, so that a mistake of an annotation is found at its line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{FrameTruth, Key, Thing, Truth, TruthError};
use crate::case::Pixels;

#[derive(Deserialize)]
struct Head {
    images: Vec<Image>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    #[serde(default)]
    category_id: Option<u64>,
    bbox: Vec<f64>,
    area: Option<f64>,
    #[serde(default)]
    iscrowd: Flag,
    #[serde(default)]
    ignore: Flag,
    track_id: Option<u64>,
    text: Option<String>,
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
struct Attributes {
    text: Option<String>,
}

/// 0 and 1, or false and true.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(untagged)]
enum Flag {
    #[default]
    None,
    Bool(bool),
    Number(u8),
}

impl Flag {
    fn is_set(self) -> bool {
        matches!(self, Flag::Bool(true) | Flag::Number(1..))
    }
}

/// What annotations refer to, and where they go.
struct Reader {
    images: BTreeMap<u64, String>,
    categories: BTreeMap<u64, String>,
    truth: Truth,
}

pub(super) fn parse(name: &str, text: &str) -> Result<Truth, TruthError> {
    let head: Head = serde_json::from_str(text).map_err(|error| located(name, &error))?;
    let mut reader = Reader { images: BTreeMap::new(), categories: BTreeMap::new(), truth: Truth::default() };
    for image in head.images {
        let file = image.file_name.replace('\\', "/");
        reader.truth.frames.insert(Key::File(file.clone()), FrameTruth::default());
        if reader.images.insert(image.id, file).is_some() {
            let message = format!("two entries of `images` have the id {}", image.id);
            return Err(TruthError { file: name.to_owned(), line: None, message });
        }
    }
    for category in head.categories {
        reader.categories.insert(category.id, category.name);
    }
    let mut json = serde_json::Deserializer::from_str(text);
    Whole(&mut reader).deserialize(&mut json).map_err(|error| located(name, &error))?;
    Ok(reader.truth)
}

fn located(name: &str, error: &serde_json::Error) -> TruthError {
    let text = error.to_string();
    let plain = text.rsplit_once(" at line ").map_or(text.as_str(), |(before, _)| before);
    TruthError::new(name, error.line().max(1), plain)
}

impl Reader {
    fn add(&mut self, annotation: Annotation) -> Result<(), String> {
        let id = annotation.image_id;
        let file = self.images.get(&id).ok_or_else(|| format!("no entry of `images` has the id {id}"))?;
        let [x, y, width, height] = annotation.bbox[..] else {
            let count = annotation.bbox.len();
            return Err(format!("a `bbox` is [left, top, width, height], and this one has {count} numbers"));
        };
        if width < 0.0 || height < 0.0 {
            return Err(format!("a `bbox` cannot be {width} x {height} large"));
        }
        let label = match annotation.category_id {
            None => String::new(),
            Some(id) => {
                let name = self.categories.get(&id);
                name.ok_or_else(|| format!("no entry of `categories` has the id {id}"))?.clone()
            }
        };
        let frame = self.truth.frames.entry(Key::File(file.clone())).or_default();
        let crowd = annotation.iscrowd.is_set();
        frame.things.push(Thing {
            label,
            at: Pixels::new(x, y, width, height),
            area: annotation.area,
            id: annotation.track_id,
            text: annotation.text.or(annotation.attributes.text),
            ignore: crowd || annotation.ignore.is_set(),
            crowd,
        });
        Ok(())
    }
}

/// The whole file, of which only `annotations` are read.
struct Whole<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `images` and `annotations`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut there = false;
        while let Some(key) = map.next_key::<String>()? {
            if key == "annotations" {
                there = true;
                map.next_value_seed(Annotations(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if there { Ok(()) } else { Err(A::Error::missing_field("annotations")) }
    }
}

/// The list of annotations.
struct Annotations<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for Annotations<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Annotations<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of annotations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(One(self.0))?.is_some() {}
        Ok(())
    }
}

/// One annotation. It is judged before its closing brace is read, so that an error has its line.
struct One<'a>(&'a mut Reader);

impl<'de> DeserializeSeed<'de> for One<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for One<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an annotation")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let annotation = Annotation::deserialize(MapAccessDeserializer::new(map))?;
        self.0.add(annotation).map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(annotations: &str) -> String {
        format!(
            "{{\n\"annotations\": [\n{annotations}\n],\n\"images\": [{{\"id\": 1, \"file_name\": \"a.jpg\", \"width\": 9}}, \
             {{\"id\": 2, \"file_name\": \"b.jpg\"}}],\n\"categories\": [{{\"id\": 1, \"name\": \"face\"}}]}}"
        )
    }

    #[test]
    fn annotations_find_their_images_in_any_order() {
        let truth = parse(
            "c.json",
            &file(
                r#"{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3.5, 4], "area": 9, "track_id": 5, "attributes": {"text": "hi"}},
                {"id": 2, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1}"#,
            ),
        )
        .unwrap();
        let a = &truth.frames[&Key::File("a.jpg".into())];
        assert_eq!(a.things[0].at, Pixels::new(1.0, 2.0, 3.5, 4.0));
        assert_eq!((a.things[0].area, a.things[0].id), (Some(9.0), Some(5)));
        assert_eq!((a.things[0].text.as_deref(), a.things[0].label.as_str()), (Some("hi"), "face"));
        assert!(a.things[1].crowd && a.things[1].ignore);
        assert_eq!(a.count(), 1.0);
        assert_eq!(truth.frames[&Key::File("b.jpg".into())].things, [], "a picture without anything counts");
    }

    #[test]
    fn mistakes_have_their_line() {
        for (annotations, line, words) in [
            (
                r#"{"image_id": 3, "category_id": 1, "bbox": [1,2,3,4]}"#,
                3,
                "no entry of `images` has the id 3",
            ),
            ("\n{\"image_id\": 1, \"category_id\": 4, \"bbox\": [1,2,3,4]}", 4, "`categories` has the id 4"),
            (r#"{"image_id": 1, "category_id": 1, "bbox": [1,2,3]}"#, 3, "has 3 numbers"),
            (r#"{"image_id": 1, "category_id": 1, "bbox": [1,2,-3,4]}"#, 3, "-3 x 4"),
            (r#"{"image_id": 1, "category_id": 1}"#, 3, "missing field `bbox`"),
            (r#"{"image_id": 1, "category_id": 1, "bbox": [1,2,3,"x"]}"#, 3, "invalid type"),
            (r#"{"image_id": 1,"#, 4, "key must be a string"),
        ] {
            let error = parse("c.json", &file(annotations)).unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = parse("c.json", "{\"images\": []}").unwrap_err();
        assert!(error.to_string().contains("annotations"), "{error}");
    }
}
