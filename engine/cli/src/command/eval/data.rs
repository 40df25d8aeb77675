//! The pictures or the film on which a filter is evaluated.

use std::path::{Path, PathBuf};

use anabranch_engine::{AppSink, Engine, MediaPipeline};
use anabranch_eval::truth::{Key, Truth};
use anabranch_graph::Document;
use anyhow::Result;
use gst_video::{VideoFormat, VideoInfo};
use serde_json::json;

use super::dump::frame_name;
use super::failure;
use crate::exit::bad_input;

/// Pictures that have nothing to do with one another are this far apart in time, so that nothing that a filter follows,
/// holds or tells only once in a while is carried from one to the next.
const APART: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Frames a second of a sequence of pictures whose rate nobody knows.
const USUAL_RATE: f64 = 25.0;
const PICTURES: [&str; 3] = ["jpg", "jpeg", "png"];

/// One frame to be analysed.
pub struct Still {
    /// Its name in the truth.
    pub key: Key,
    /// Its name for people.
    pub name: String,
    /// What the buffer holds.
    pub info: VideoInfo,
    pub caps: gst::Caps,
    pub buffer: gst::Buffer,
}

/// Where frames come from, one after the other.
pub enum Data {
    Pictures(Pictures),
    Film(Film),
}

/// Picture files.
pub struct Pictures {
    files: Vec<(PathBuf, Key)>,
    /// Time from one to the next.
    spacing: gst::ClockTime,
    next: usize,
}

/// A film, decoded by a pipeline of its own.
pub struct Film {
    pipeline: MediaPipeline,
    sink: AppSink,
    first: Option<gst::ClockTime>,
    next: u64,
}

/// What is known of data before they are opened.
pub struct Place {
    path: PathBuf,
    /// Picture files with their names below the folder; empty for a film.
    files: Vec<(PathBuf, String)>,
}

impl Place {
    /// Looks at a path.
    pub fn find(path: &Path) -> Result<Place> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            bad_input(format!("cannot read {}: {}", path.display(), crate::input::plain(&error)))
        })?;
        if metadata.is_dir() {
            let mut files = Vec::new();
            // A MOTChallenge sequence has its pictures in a folder of this name.
            let inner = path.join("img1");
            let folder = if inner.is_dir() { inner } else { path.to_owned() };
            collect(&folder, &folder, &mut files)?;
            files.sort();
            if files.is_empty() {
                let message =
                    format!("there is no picture ({}) in {}", PICTURES.join(", "), folder.display());
                return Err(bad_input(message));
            }
            return Ok(Place { path: folder, files });
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = if is_picture(path) { vec![(path.to_owned(), name)] } else { Vec::new() };
        Ok(Place { path: path.to_owned(), files })
    }

    /// The folder in which truth may lie.
    pub fn folder(&self) -> &Path {
        if self.path.is_dir() { &self.path } else { self.path.parent().unwrap_or(Path::new(".")) }
    }

    /// Opens the data. Pictures of which the truth says nothing are left out; `notes` tells.
    pub async fn open(
        &self,
        engine: &Engine,
        truth: Option<&Truth>,
        rate: Option<f64>,
        notes: &mut Vec<String>,
    ) -> Result<Data> {
        let film = truth.is_some_and(Truth::is_film) || rate.is_some();
        if self.files.is_empty() {
            if truth.is_some_and(|truth| truth.frames.keys().any(|key| matches!(key, Key::File(_)))) {
                let message =
                    "the truth names picture files, but --data is a film: its truth names frames by number";
                return Err(bad_input(message));
            }
            if rate.is_some() {
                notes.push("--fps has no effect: a film has its own times".to_owned());
            }
            return Ok(Data::Film(Film::open(engine, &self.path).await?));
        }
        let rate = rate.or(truth.and_then(|truth| truth.rate)).unwrap_or(USUAL_RATE);
        let spacing = if film { gst::ClockTime::from_nseconds((1e9 / rate) as u64) } else { APART };
        let files = match truth {
            Some(truth) if !truth.is_film() => self.with_truth(truth, notes)?,
            Some(_) => numbered(&self.files),
            None => self.files.iter().map(|(path, name)| (path.clone(), Key::File(name.clone()))).collect(),
        };
        Ok(Data::Pictures(Pictures { files, spacing, next: 0 }))
    }

    /// The pictures of which the truth says something, under the truth's names.
    fn with_truth(&self, truth: &Truth, notes: &mut Vec<String>) -> Result<Vec<(PathBuf, Key)>> {
        let mut pairs = Vec::new();
        let mut used = vec![false; self.files.len()];
        let mut missing = Vec::new();
        for key in truth.frames.keys() {
            let Key::File(wanted) = key else { continue };
            let base = wanted.rsplit('/').next().unwrap_or(wanted);
            let exact = self.files.iter().position(|(_, name)| name == wanted);
            // The set may have been copied without its folders.
            let ends = |name: &str| name == base || name.ends_with(&format!("/{base}"));
            let found = exact.or_else(|| {
                let mut same = self.files.iter().enumerate().filter(|(_, (_, name))| ends(name));
                same.next().filter(|_| same.next().is_none()).map(|(n, _)| n)
            });
            match found {
                Some(n) => {
                    used[n] = true;
                    pairs.push((self.files[n].0.clone(), key.clone()));
                }
                None => missing.push(wanted.clone()),
            }
        }
        if pairs.is_empty() {
            let example = missing.first().cloned().unwrap_or_default();
            return Err(bad_input(format!(
                "none of the pictures that the truth names is in {}, for instance '{example}'",
                self.path.display()
            )));
        }
        let rest = used.iter().filter(|used| !**used).count();
        if rest > 0 {
            notes.push(format!("{rest} pictures were left out: the truth does not name them"));
        }
        if let Some(example) = missing.first() {
            notes.push(format!(
                "{} pictures that the truth names are not there, for instance '{example}'",
                missing.len()
            ));
        }
        Ok(pairs)
    }
}

fn numbered(files: &[(PathBuf, String)]) -> Vec<(PathBuf, Key)> {
    files.iter().enumerate().map(|(n, (path, _))| (path.clone(), Key::Frame(n as u64))).collect()
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        bad_input(format!("cannot read {}: {}", folder.display(), crate::input::plain(&error)))
    })?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if is_picture(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((path, name));
        }
    }
    Ok(())
}

/// A picture file, decoded to RGBA.
pub fn decode(path: &Path) -> Result<image::RgbaImage> {
    let failed =
        |error: &dyn std::fmt::Display| bad_input(format!("cannot read {}: {error}", path.display()));
    let reader = image::ImageReader::open(path).and_then(image::ImageReader::with_guessed_format);
    let reader = reader.map_err(|error| failed(&crate::input::plain(&error)))?;
    Ok(reader.decode().map_err(|error| failed(&error))?.into_rgba8())
}

impl Data {
    /// How many frames there are, if that is known.
    pub fn count(&self) -> Option<u64> {
        match self {
            Data::Pictures(pictures) => Some(pictures.files.len() as u64),
            Data::Film(_) => None,
        }
    }

    /// The next frame.
    pub async fn next(&mut self) -> Result<Option<Still>> {
        match self {
            Data::Pictures(pictures) => pictures.next(),
            Data::Film(film) => film.next().await,
        }
    }

    /// Gives back what decodes.
    pub async fn close(self) {
        if let Data::Film(film) = self {
            film.pipeline.abort().await;
        }
    }
}

impl Pictures {
    fn next(&mut self) -> Result<Option<Still>> {
        let Some((path, key)) = self.files.get(self.next) else { return Ok(None) };
        let number = self.next as u64;
        self.next += 1;
        let picture = decode(path)?;
        let (width, height) = picture.dimensions();
        let info = VideoInfo::builder(VideoFormat::Rgba, width, height)
            .fps(gst::Fraction::new(0, 1))
            .build()
            .map_err(|_| bad_input(format!("{} is too large: {width} x {height}", path.display())))?;
        let mut buffer = gst::Buffer::from_mut_slice(picture.into_raw());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(self.spacing * number);
            buffer.set_duration(self.spacing);
        }
        let name = match key {
            Key::File(name) => name.clone(),
            Key::Frame(number) => frame_name(*number),
        };
        Ok(Some(Still { key: key.clone(), name, caps: info.to_caps()?, info, buffer }))
    }
}

impl Film {
    async fn open(engine: &Engine, path: &Path) -> Result<Film> {
        // Addresses of other kinds are not files: what is evaluated must stay the same.
        let document = Document::new("eval-data")
            .element("film", "player", json!({"uri": path.display().to_string(), "pace": "fastest"}))
            .element("frames", "app-sink", json!({"accept": "video/x-raw,format=I420", "max_buffers": 4}))
            .link("film.video -> frames.video");
        let spec = engine.check(&document)?;
        let pipeline = engine.create(spec)?;
        if let Err(error) = pipeline.start().await {
            return Err(bad_input(format!("cannot play {}: {error}", path.display())));
        }
        let element = pipeline.element("frames").ok_or_else(|| anyhow::anyhow!("the film has no sink"))?;
        let sink = element.app_sink().await?;
        Ok(Film { pipeline, sink, first: None, next: 0 })
    }

    async fn next(&mut self) -> Result<Option<Still>> {
        let Some(frame) = self.sink.next().await else {
            let outcome = self.pipeline.wait().await;
            failure::check("the film cannot be decoded", &outcome)?;
            return Ok(None);
        };
        let info = VideoInfo::from_caps(&frame.caps)?;
        let pts = frame.buffer.pts().unwrap_or_default();
        let first = *self.first.get_or_insert(pts);
        let mut buffer = frame.buffer;
        // The frames' memory is shared, only the times are this program's own.
        buffer.make_mut().set_pts(pts.saturating_sub(first));
        let number = self.next;
        self.next += 1;
        Ok(Some(Still { key: Key::Frame(number), name: frame_name(number), info, caps: frame.caps, buffer }))
    }
}
