//! SRTP with keys in the session description (SDES, RFC 4568 and RFC 6188).

use std::fmt;

use gst::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use anabranch_kit::endpoint::EndpointError;

/// How packets are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Crypto {
    /// They are not.
    #[default]
    None,
    /// AES with 128 bits, 80 bits of authentication: what everybody knows.
    #[serde(rename = "aes-128-sha1-80")]
    Aes128Sha1_80,
    /// AES with 128 bits, 32 bits of authentication.
    #[serde(rename = "aes-128-sha1-32")]
    Aes128Sha1_32,
    /// AES with 256 bits, 80 bits of authentication.
    #[serde(rename = "aes-256-sha1-80")]
    Aes256Sha1_80,
    /// AES with 256 bits, 32 bits of authentication.
    #[serde(rename = "aes-256-sha1-32")]
    Aes256Sha1_32,
}

impl Crypto {
    const SUITES: [Crypto; 4] =
        [Crypto::Aes128Sha1_80, Crypto::Aes128Sha1_32, Crypto::Aes256Sha1_80, Crypto::Aes256Sha1_32];

    /// Its name in an SDP.
    pub fn suite(self) -> &'static str {
        match self {
            Crypto::None => "",
            Crypto::Aes128Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Crypto::Aes128Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Crypto::Aes256Sha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Crypto::Aes256Sha1_32 => "AES_256_CM_HMAC_SHA1_32",
        }
    }

    /// The suite of that name; Kurento writes the first two otherwise.
    fn of_suite(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase().replace("AES_128_CM", "AES_CM_128");
        Self::SUITES.into_iter().find(|crypto| crypto.suite() == name)
    }

    /// Bytes of key and salt together.
    pub fn key_length(self) -> usize {
        match self {
            Crypto::None => 0,
            Crypto::Aes128Sha1_80 | Crypto::Aes128Sha1_32 => 30,
            Crypto::Aes256Sha1_80 | Crypto::Aes256Sha1_32 => 46,
        }
    }

    fn cipher(self) -> &'static str {
        if self.key_length() == 46 { "aes-256-icm" } else { "aes-128-icm" }
    }

    fn authentication(self) -> &'static str {
        match self {
            Crypto::Aes128Sha1_32 | Crypto::Aes256Sha1_32 => "hmac-sha1-32",
            _ => "hmac-sha1-80",
        }
    }
}

/// A suite and its master key with salt. It prints without the key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub crypto: Crypto,
    key: Vec<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("crypto", &self.crypto).finish_non_exhaustive()
    }
}

impl Keys {
    /// The keys that the properties name; random ones if they name a suite but no key.
    ///
    /// # Errors
    ///
    /// `bad-key`.
    pub fn of_properties(crypto: Crypto, base64: &str) -> Result<Option<Self>, EndpointError> {
        if crypto == Crypto::None {
            return if base64.is_empty() {
                Ok(None)
            } else {
                Err(EndpointError::invalid("bad-key", "`crypto_key` is given, but `crypto` is none"))
            };
        }
        if base64.is_empty() {
            return Self::random(crypto).map(Some);
        }
        let key = decode(base64).filter(|key| key.len() == crypto.key_length());
        let wrong = || {
            let length = crypto.key_length();
            EndpointError::invalid(
                "bad-key",
                format!(
                    "`crypto_key` must be {length} bytes, key and salt, in base64 for {}",
                    crypto.suite()
                ),
            )
        };
        Ok(Some(Keys { crypto, key: key.ok_or_else(wrong)? }))
    }

    /// New keys.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn random(crypto: Crypto) -> Result<Self, EndpointError> {
        let mut key = vec![0; crypto.key_length()];
        // SAFETY: the buffer is as long as it says.
        let got = unsafe { libc::getrandom(key.as_mut_ptr().cast(), key.len(), 0) };
        if usize::try_from(got) == Ok(key.len()) {
            Ok(Keys { crypto, key })
        } else {
            Err(EndpointError::failed("the system has no random numbers for a key"))
        }
    }

    /// As `a=crypto:` has it, with this tag.
    pub fn attribute(&self, tag: u32) -> String {
        format!("{tag} {} inline:{}", self.crypto.suite(), glib::base64_encode(&self.key))
    }

    /// Reads the value of `a=crypto:`: its tag and keys. `None`: what it asks is not spoken here.
    pub fn parse(value: &str) -> Option<(u32, Self)> {
        let mut parts = value.split_ascii_whitespace();
        let tag = parts.next()?.parse().ok()?;
        let crypto = Crypto::of_suite(parts.next()?)?;
        // Several keys, or a key with an identifier in each packet.
        let mut inline = parts.next()?.strip_prefix("inline:")?.split('|');
        let key = decode(inline.next()?).filter(|key| key.len() == crypto.key_length())?;
        if inline.any(|part| part.contains(':') || part.contains(';')) {
            return None;
        }
        // Such as UNENCRYPTED_SRTP; a window size changes nothing for the other side.
        if parts.any(|parameter| !parameter.starts_with("WSH=")) {
            return None;
        }
        Some((tag, Keys { crypto, key }))
    }

    /// As `srtpdec` wants to be told.
    pub fn caps(&self) -> gst::Caps {
        gst::Caps::builder("application/x-srtp")
            .field("srtp-key", gst::Buffer::from_slice(self.key.clone()))
            .field("srtp-cipher", self.crypto.cipher())
            .field("srtp-auth", self.crypto.authentication())
            .field("srtcp-cipher", self.crypto.cipher())
            .field("srtcp-auth", "hmac-sha1-80")
            .build()
    }

    /// What encrypts RTP and RTCP with them.
    ///
    /// # Errors
    ///
    /// A missing element.
    pub fn encryptor(&self) -> Result<gst::Element, EndpointError> {
        let encryptor = anabranch_kit::endpoint::make("srtpenc")?;
        encryptor.set_property("key", gst::Buffer::from_slice(self.key.clone()));
        encryptor.set_property_from_str("rtp-cipher", self.crypto.cipher());
        encryptor.set_property_from_str("rtcp-cipher", self.crypto.cipher());
        encryptor.set_property_from_str("rtp-auth", self.crypto.authentication());
        encryptor.set_property_from_str("rtcp-auth", "hmac-sha1-80");
        // What was lost is sent again as it was.
        encryptor.set_property("allow-repeat-tx", true);
        encryptor.set_property("replay-window-size", WINDOW);
        Ok(encryptor)
    }

    /// What decrypts RTP and RTCP with them.
    ///
    /// # Errors
    ///
    /// A missing element.
    pub fn decryptor(&self) -> Result<gst::Element, EndpointError> {
        let decryptor = anabranch_kit::endpoint::make("srtpdec")?;
        decryptor.set_property("replay-window-size", WINDOW);
        let keys = self.clone();
        decryptor.connect("request-key", false, move |_| Some(keys.caps().to_value()));
        Ok(decryptor)
    }
}

/// Packets that may come again out of order.
const WINDOW: u32 = 1024;

/// Base64, with all its padding and nothing else.
fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')) {
        return None;
    }
    let bytes = glib::base64_decode(text);
    (glib::base64_encode(&bytes).trim_end_matches('=') == text.trim_end_matches('=')).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn attributes_are_read_and_written() {
        for crypto in Crypto::SUITES {
            let keys = Keys::random(crypto).unwrap();
            assert_eq!(Keys::parse(&keys.attribute(7)), Some((7, keys)));
        }
        let rfc = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20 WSH=64");
        assert_eq!(Keys::parse(&rfc).unwrap().1.crypto, Crypto::Aes128Sha1_80);
        let kurento = format!("2 AES_128_CM_HMAC_SHA1_32 inline:{KEY}");
        assert_eq!(Keys::parse(&kurento).unwrap().1.crypto, Crypto::Aes128Sha1_32);
        assert_eq!(format!("{:?}", Keys::parse(&rfc).unwrap().1), "Keys { crypto: Aes128Sha1_80, .. }");
    }

    #[test]
    fn what_is_not_spoken_is_passed_over() {
        for bad in [
            "",
            "1",
            "x AES_CM_128_HMAC_SHA1_80 inline:",
            "1 AES_CM_128_HMAC_SHA1_80 inline:AAAA",
            &format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            &format!("1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"),
            &format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}!"),
        ] {
            assert_eq!(Keys::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_must_fit_its_suite() {
        assert_eq!(Keys::of_properties(Crypto::None, "").unwrap(), None);
        assert!(Keys::of_properties(Crypto::Aes128Sha1_80, KEY).unwrap().is_some());
        assert!(Keys::of_properties(Crypto::Aes256Sha1_80, "").unwrap().is_some());
        for (crypto, key) in
            [(Crypto::None, KEY), (Crypto::Aes256Sha1_80, KEY), (Crypto::Aes128Sha1_80, "??")]
        {
            assert_eq!(Keys::of_properties(crypto, key).unwrap_err().code, "bad-key");
        }
    }
}
