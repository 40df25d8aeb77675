//! What a link is told besides its ends.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic, Span, did_you_mean};
use crate::format::{Format, Medium};
use crate::link_options::LinkOptions;
use crate::spec::Transcoding;
use crate::syntax::{Data, Link, Spanned, Value};

/// The words for formats of a link; `raw` is both kinds.
fn words() -> Vec<&'static str> {
    std::iter::once("raw").chain(Format::KNOWN.iter().map(Format::word)).collect()
}

fn formats_of(word: &str) -> Vec<Format> {
    match word {
        "raw" => vec![Format::RawVideo, Format::RawAudio],
        word => Format::KNOWN.iter().filter(|format| format.word() == word).cloned().collect(),
    }
}

impl Checker<'_> {
    pub(super) fn link_options(&mut self, link: &Link) -> LinkOptions {
        let mut options = LinkOptions::default();
        let mut limits: [Option<Span>; 2] = [None, None];
        for (key, value) in &link.options {
            match key.value.as_str() {
                "transcoding" => options.transcoding = self.transcoding(value),
                "format" => options.formats = self.link_formats(value),
                "bitrate" => options.bitrate = self.bitrate(key, value),
                "min-bitrate" => {
                    options.min_bitrate = self.bitrate(key, value);
                    limits[0] = Some(value.span);
                }
                "max-bitrate" => {
                    options.max_bitrate = self.bitrate(key, value);
                    limits[1] = Some(value.span);
                }
                "max-width" => options.picture.max_width = self.pixels(key, value),
                "max-height" => options.picture.max_height = self.pixels(key, value),
                "max-frame-rate" => {
                    options.picture.max_frame_rate = self.whole(key, value, (1, 240), "of frames per second");
                }
                // The parser has reported any other.
                _ => {}
            }
        }
        if let (Some(least), Some(most), [Some(here), Some(there)]) =
            (options.min_bitrate, options.max_bitrate, limits)
            && least > most
        {
            self.problems.push(
                Diagnostic::new(Code::BadLinkOption, "`min-bitrate` is above `max-bitrate`")
                    .label(here, "more than")
                    .label(there, "this"),
            );
        }
        options
    }

    pub(super) fn media(&mut self, value: &Value) -> Vec<Medium> {
        let mut all = Vec::new();
        for word in items(value) {
            let found = match &word.data {
                Data::Text(text) => Medium::ALL.into_iter().find(|medium| medium.name() == text),
                _ => None,
            };
            match found {
                Some(medium) => all.push(medium),
                None => {
                    self.problems.push(
                        Diagnostic::new(Code::BadLinkOption, "`media` names no medium")
                            .label(word.span, "here")
                            .help("it is `video`, `audio`, `data`, or a list of these"),
                    );
                    return Vec::new();
                }
            }
        }
        all
    }

    fn link_formats(&mut self, value: &Value) -> Vec<Format> {
        let mut all: Vec<Format> = Vec::new();
        for item in items(value) {
            let word = match &item.data {
                Data::Text(word) => word.as_str(),
                _ => "",
            };
            let found = formats_of(word);
            if found.is_empty() {
                let help = match did_you_mean(word, words()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("it is one of {}, or a list of these", words().join(", ")),
                };
                self.problems.push(
                    Diagnostic::new(Code::BadLinkOption, "`format` names no format")
                        .label(item.span, "here")
                        .help(help),
                );
                return Vec::new();
            }
            all.extend(found.into_iter().filter(|format| !all.contains(format)).collect::<Vec<_>>());
        }
        all
    }

    fn transcoding(&mut self, value: &Value) -> Transcoding {
        match &value.data {
            Data::Text(word) if word == "allow" => Transcoding::Allow,
            Data::Text(word) if word == "forbid" => Transcoding::Forbid,
            _ => {
                self.problems.push(
                    Diagnostic::new(Code::BadLinkOption, "`transcoding` has an unknown value")
                        .label(value.span, "here")
                        .help("it is `allow` (the default) or `forbid`"),
                );
                Transcoding::Allow
            }
        }
    }

    fn bitrate(&mut self, key: &Spanned<String>, value: &Value) -> Option<u32> {
        self.whole(key, value, (1, 1_000_000), "of kbit/s")
    }

    /// Of a picture's side; less than 16 no encoder takes.
    fn pixels(&mut self, key: &Spanned<String>, value: &Value) -> Option<u32> {
        self.whole(key, value, (16, 16_384), "of pixels")
    }

    fn whole(
        &mut self,
        key: &Spanned<String>,
        value: &Value,
        (least, most): (u32, u32),
        unit: &str,
    ) -> Option<u32> {
        match value.data {
            Data::Integer(n) => {
                if let Some(n) = u32::try_from(n).ok().filter(|n| (least..=most).contains(n)) {
                    return Some(n);
                }
            }
            Data::Null => return None,
            _ => {}
        }
        self.problems.push(
            Diagnostic::new(Code::BadLinkOption, format!("`{}` has an unusable value", key.value))
                .label(value.span, "here")
                .help(format!("it is a whole number {unit}, {least} to {most}")),
        );
        None
    }
}

fn items(value: &Value) -> Vec<&Value> {
    match &value.data {
        Data::List(items) => items.iter().collect(),
        _ => vec![value],
    }
}
