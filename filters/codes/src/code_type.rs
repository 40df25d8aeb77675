//! The types of code that are read, and what the decoder calls them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zxingcpp::{Barcode, BarcodeFormat as Format};

/// A type of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CodeType {
    /// QR code.
    Qr,
    /// Micro QR code.
    MicroQr,
    /// Rectangular Micro QR code (rMQR); read well only from 6 pixels a dot on.
    #[serde(rename = "rmqr")]
    RectangularMicroQr,
    /// Data Matrix (ECC 200).
    DataMatrix,
    /// Aztec code.
    Aztec,
    /// PDF417; Compact and Micro PDF417 too.
    #[serde(rename = "pdf417")]
    Pdf417,
    /// EAN-13; books' ISBN too.
    #[serde(rename = "ean-13")]
    Ean13,
    /// EAN-8.
    #[serde(rename = "ean-8")]
    Ean8,
    /// UPC-A, an EAN-13 that begins with 0.
    UpcA,
    /// UPC-E.
    UpcE,
    /// Code 128, GS1-128 too.
    #[serde(rename = "code-128")]
    Code128,
    /// Code 39.
    #[serde(rename = "code-39")]
    Code39,
    /// Code 93.
    #[serde(rename = "code-93")]
    Code93,
    /// Interleaved 2 of 5, six digits or more (four if nothing else is read).
    Itf,
    /// Codabar, with the letters that it starts and stops with.
    Codabar,
    /// GS1 DataBar, stacked too.
    Databar,
    /// GS1 DataBar Expanded, stacked too.
    DatabarExpanded,
    /// GS1 DataBar Limited.
    DatabarLimited,
}

impl CodeType {
    /// All types.
    pub const ALL: [CodeType; 18] = [
        CodeType::Qr,
        CodeType::MicroQr,
        CodeType::RectangularMicroQr,
        CodeType::DataMatrix,
        CodeType::Aztec,
        CodeType::Pdf417,
        CodeType::Ean13,
        CodeType::Ean8,
        CodeType::UpcA,
        CodeType::UpcE,
        CodeType::Code128,
        CodeType::Code39,
        CodeType::Code93,
        CodeType::Itf,
        CodeType::Codabar,
        CodeType::Databar,
        CodeType::DatabarExpanded,
        CodeType::DatabarLimited,
    ];

    /// Its name in properties and events: `ean-13`.
    pub fn name(self) -> &'static str {
        match self {
            CodeType::Qr => "qr",
            CodeType::MicroQr => "micro-qr",
            CodeType::RectangularMicroQr => "rmqr",
            CodeType::DataMatrix => "data-matrix",
            CodeType::Aztec => "aztec",
            CodeType::Pdf417 => "pdf417",
            CodeType::Ean13 => "ean-13",
            CodeType::Ean8 => "ean-8",
            CodeType::UpcA => "upc-a",
            CodeType::UpcE => "upc-e",
            CodeType::Code128 => "code-128",
            CodeType::Code39 => "code-39",
            CodeType::Code93 => "code-93",
            CodeType::Itf => "itf",
            CodeType::Codabar => "codabar",
            CodeType::Databar => "databar",
            CodeType::DatabarExpanded => "databar-expanded",
            CodeType::DatabarLimited => "databar-limited",
        }
    }

    /// Whether it is lines, not an area of dots.
    pub fn is_linear(self) -> bool {
        !matches!(
            self,
            CodeType::Qr
                | CodeType::MicroQr
                | CodeType::RectangularMicroQr
                | CodeType::DataMatrix
                | CodeType::Aztec
                | CodeType::Pdf417
        )
    }

    /// What the decoder is asked for; the first is what the plain kind of it is called.
    pub(crate) fn formats(self) -> &'static [Format] {
        match self {
            CodeType::Qr => &[Format::QRCodeModel2, Format::QRCodeModel1],
            CodeType::MicroQr => &[Format::MicroQRCode],
            CodeType::RectangularMicroQr => &[Format::RMQRCode],
            CodeType::DataMatrix => &[Format::DataMatrix],
            // Not the rune: it is so small that it is seen where there is none.
            CodeType::Aztec => &[Format::AztecCode],
            CodeType::Pdf417 => &[Format::PDF417],
            CodeType::Ean13 => &[Format::EAN13],
            CodeType::Ean8 => &[Format::EAN8],
            CodeType::UpcA => &[Format::UPCA],
            CodeType::UpcE => &[Format::UPCE],
            CodeType::Code128 => &[Format::Code128],
            CodeType::Code39 => &[Format::Code39],
            CodeType::Code93 => &[Format::Code93],
            CodeType::Itf => &[Format::ITF],
            CodeType::Codabar => &[Format::Codabar],
            CodeType::Databar => &[Format::DataBarOmni, Format::DataBarStk, Format::DataBarStkOmni],
            CodeType::DatabarExpanded => &[Format::DataBarExp, Format::DataBarExpStk],
            CodeType::DatabarLimited => &[Format::DataBarLtd],
        }
    }

    /// The type of a code that the decoder has read.
    pub(crate) fn of(code: &Barcode) -> Option<Self> {
        // The decoder knows kinds of Code 39 and others that its Rust enum has no name for: their kind must not be asked for.
        let kind = match code.symbology() {
            Format::EANUPC | Format::QRCode | Format::DataBar => code.format(),
            whole => whole,
        };
        Some(match kind {
            Format::QRCode => CodeType::Qr,
            Format::Aztec => CodeType::Aztec,
            kind => CodeType::ALL.into_iter().find(|t| t.formats().contains(&kind))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_properties() {
        for code in CodeType::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        }
    }
}
