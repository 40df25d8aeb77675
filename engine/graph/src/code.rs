//! The table of diagnostic codes.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::diagnostic::Severity;

/// The documentation of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodePage {
    /// The code: `G0201`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// A few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident, $title:literal;)+) => {
        /// What kind of finding a diagnostic is. Codes never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// Its documentation.
            pub fn page(self) -> &'static CodePage {
                match self {
                    $(Code::$name => &CodePage {
                        code: $code,
                        severity: Severity::$severity,
                        title: $title,
                        text: concat!($($doc, "\n"),+),
                    },)+
                }
            }
        }
    };
}

codes! {
    /// The text is not YAML (of which JSON is a part). Nothing after the place can be read, so other mistakes may
    /// appear once it is mended.
    Syntax = "G0001", Error, "not YAML";
    /// The text is larger, deeper or more repetitive than any graph needs: at most 1 MiB, 24 levels, 64 aliases,
    /// 1,000 elements and 4,000 links.
    TooLarge = "G0002", Error, "too large";
    /// A part of the description has another shape than the language says: for instance, `elements` is a list, or a
    /// name is a number.
    Shape = "G0003", Error, "wrong shape";
    /// The language has no such key at this place. At the top there are `name`, `description`, `elements` and
    /// `links`; in a link `from`, `to`, `media` and its options.
    UnknownKey = "G0004", Error, "unknown key";
    /// A key appears twice in one mapping; only one of the two can be meant.
    DuplicateKey = "G0005", Error, "key given twice";
    /// A one-liner is elements joined by `->`, each a type name followed by `property=value`; chains are parted by
    /// `;`. An element is named by `id:type`, and the id alone stands for it later.
    OneLiner = "G0006", Error, "one-liner not understood";
    /// A graph needs at least one element.
    Empty = "G0100", Error, "no elements";
    /// Every element needs a `type`. `anabranch list` shows them.
    MissingType = "G0101", Error, "element without type";
    /// There is no element type of that name. `anabranch list` shows them.
    UnknownType = "G0102", Error, "unknown element type";
    /// An element's id is a letter or `_`, followed by letters, digits, `-` and `_`, at most 64 characters.
    BadId = "G0103", Error, "bad element id";
    /// Two elements have the same id.
    DuplicateId = "G0104", Error, "id used twice";
    /// `on-error` is one of `stop-pipeline`, `drop-element` and `restart`.
    BadOnError = "G0105", Error, "unknown on-error policy";
    /// The element is linked to nothing, so it does nothing.
    Unused = "G0106", Warning, "element not linked";
    /// The element type has no such property. `anabranch show TYPE` lists them.
    UnknownProperty = "G0201", Error, "unknown property";
    /// The property takes another type of value.
    WrongType = "G0202", Error, "wrong type of value";
    /// The number lies outside the property's range.
    OutOfRange = "G0203", Error, "value out of range";
    /// The property takes one of a few words, and this is none of them.
    BadWord = "G0204", Error, "unknown word";
    /// The element type has a property that must be given.
    MissingProperty = "G0205", Error, "required property missing";
    /// The element itself refuses the value, for the reason given.
    RefusedValue = "G0206", Error, "value refused";
    /// A property is given twice, perhaps once with `-` and once with `_`.
    DuplicateProperty = "G0207", Error, "property given twice";
    /// A link is `from -> to`, with `element` or `element.port` at each end, or a mapping with `from` and `to`.
    BadLink = "G0301", Error, "link not understood";
    /// The link names an element that is not in the graph.
    UnknownElement = "G0302", Error, "link to nowhere";
    /// The element has no such port on this side. `anabranch show TYPE` lists them.
    UnknownPort = "G0303", Error, "unknown port";
    /// The two elements have no kind of media in common, in this direction.
    NoCommonMedium = "G0304", Error, "no medium in common";
    /// What the output produces can be turned into nothing that the input takes.
    IncompatibleFormats = "G0305", Error, "incompatible formats";
    /// Media would go round in a circle of filters and never leave it.
    Cycle = "G0306", Error, "cycle among filters";
    /// An input takes one link, unless the element mixes.
    InputTaken = "G0307", Error, "two links into one input";
    /// The same link is given twice.
    DuplicateLink = "G0308", Error, "link given twice";
    /// The element makes no sense with this port unlinked.
    UnlinkedPort = "G0309", Error, "required port not linked";
    /// A link's `media`, or an option of it, has a value that the language does not know.
    BadLinkOption = "G0310", Error, "bad link option";
    /// GStreamer lacks an element that is needed. The help names the Debian package that has it.
    MissingPlugin = "G0401", Error, "GStreamer plugin missing";
    /// The source's format must be decoded, and this machine has no decoder for it.
    NoDecoder = "G0402", Error, "no decoder";
    /// The consumer takes only formats for which this machine has no encoder.
    NoEncoder = "G0403", Error, "no encoder";
    /// The link says `transcoding: forbid`, but the source's format does not suit the consumer.
    TranscodingForbidden = "G0404", Error, "transcoding forbidden";
    /// The source's media cannot be read.
    Unreadable = "G0405", Error, "source cannot be read";
}

impl Code {
    /// The code as text: `G0201`.
    pub fn as_str(self) -> &'static str {
        self.page().code
    }

    /// How bad findings of this kind are.
    pub fn severity(self) -> Severity {
        self.page().severity
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The documentation of a code given as text (`G0201`; case does not matter).
pub fn explain_code(code: &str) -> Option<&'static CodePage> {
    Code::ALL.iter().map(|c| c.page()).find(|page| page.code.eq_ignore_ascii_case(code.trim()))
}
