//! Reads a configuration file and says what is wrong with it.

use std::path::{Path, PathBuf};

use anabranch_graph::catalog::Catalog;
use anabranch_graph::{Completeness, Document, check_all};
use axum::http::HeaderValue;

use super::Config;
use crate::whip::ENDPOINT;

/// The least characters of a token.
const TOKEN_LENGTH: usize = 16;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// It is not TOML, or a key is unknown or has a wrong type of value.
    #[error("{}: {reason}", .file.display())]
    Parse {
        /// The file.
        file: PathBuf,
        /// Why, with line and key.
        reason: String,
    },
    /// A value makes no sense.
    #[error("{}: {key}: {reason}", .file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The key: `tokens[0].token`.
        key: String,
        /// Why.
        reason: String,
    },
}

impl Config {
    /// The defaults as a configuration file with comments.
    pub const DEFAULT_TEXT: &'static str = include_str!("default.toml");

    /// Reads a file. Relative paths in it mean: from its folder.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the file and the key.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|reason| ConfigError::Read { file: file.to_owned(), reason })?;
        Config::parse(file, &text)
    }

    /// As [`Config::load`], for a text at hand; `file` is what errors name, and its folder that of relative paths.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|error| ConfigError::Parse {
            file: file.to_owned(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let folder = file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        config.settle(folder).map_err(|(key, reason)| ConfigError::Value {
            file: file.to_owned(),
            key,
            reason,
        })?;
        Ok(config)
    }

    /// Makes paths absolute, reads secrets, looks at values.
    fn settle(&mut self, folder: &Path) -> Result<(), (String, String)> {
        let settle = |path: &mut PathBuf| *path = folder.join(&*path);
        self.pipelines.iter_mut().for_each(settle);
        let files = &mut self.files;
        files.read.iter_mut().chain(&mut files.write).chain(&mut files.code).for_each(settle);
        if let Some(tls) = &mut self.tls {
            settle(&mut tls.cert);
            settle(&mut tls.key);
        }
        for (index, token) in self.tokens.iter_mut().enumerate() {
            let wrong = |key: &str, reason: String| (format!("tokens[{index}].{key}"), reason);
            match (&token.token_file, token.token.is_empty()) {
                (Some(_), false) => {
                    return Err(wrong("token_file", "give token or token_file, not both".into()));
                }
                (Some(file), true) => {
                    let file = folder.join(file);
                    let text = std::fs::read_to_string(&file)
                        .map_err(|e| wrong("token_file", format!("cannot read {}: {e}", file.display())))?;
                    text.trim().clone_into(&mut token.token);
                }
                (None, _) => {}
            }
            if token.token.len() < TOKEN_LENGTH {
                let reason = format!("a token has at least {TOKEN_LENGTH} characters");
                return Err(wrong("token", reason));
            }
            if token.token.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Err(wrong("token", "a token has no blanks".into()));
            }
            if token.name.is_empty() {
                return Err(wrong("name", "a token needs a name".into()));
            }
            if token.scopes.is_empty() {
                return Err(wrong("scopes", "a token without scopes may do nothing".into()));
            }
        }
        for (index, origin) in self.browser.origins.iter().enumerate() {
            let plain =
                origin.split_once("://").is_some_and(|(_, host)| !host.is_empty() && !host.contains('/'));
            if origin != "*" && origin != "null" && !plain {
                let reason = format!("'{origin}' is no origin: https://host or https://host:port");
                return Err((format!("browser.origins[{index}]"), reason));
            }
        }
        for (index, base) in self.network.write.iter().enumerate() {
            // One that cannot be read would allow nothing, and nobody would know why.
            if !url::Url::parse(base).is_ok_and(|url| url.has_host()) {
                let reason = format!("'{base}' is no address: https://host/folder/ or s3://bucket/folder/");
                return Err((format!("network.write[{index}]"), reason));
            }
        }
        for (index, server) in self.ice_servers.iter().enumerate() {
            let known = ["stun:", "stuns:", "turn:", "turns:"];
            if !known.iter().any(|scheme| server.url.starts_with(scheme)) {
                let reason = format!("'{}' is no server: stun:host:port or turn:host:port", server.url);
                return Err((format!("ice_servers[{index}].url"), reason));
            }
            // It would be left out of the answers.
            if HeaderValue::from_str(&server.link()).is_err() {
                let reason = "it cannot be written into a header".to_owned();
                return Err((format!("ice_servers[{index}]"), reason));
            }
        }
        // Names are written as in descriptions; what clients give is looked up with '_'.
        let webrtc = std::mem::take(&mut self.webrtc);
        self.webrtc = webrtc.into_iter().map(|(name, value)| (name.replace('-', "_"), value)).collect();
        let files = &mut self.files;
        for (name, folders) in [
            ("files.read", &mut files.read),
            ("files.write", &mut files.write),
            ("files.code", &mut files.code),
        ] {
            for (index, path) in folders.iter_mut().enumerate() {
                let found = path.canonicalize().map_err(|e| {
                    (format!("{name}[{index}]"), format!("the folder {} cannot be used: {e}", path.display()))
                })?;
                if !found.is_dir() {
                    return Err((format!("{name}[{index}]"), format!("{} is no folder", path.display())));
                }
                *path = found;
            }
        }
        let limits = &self.limits;
        let numbers = [
            ("connections", limits.connections),
            ("connections_per_client", limits.connections_per_client),
            ("header_seconds", limits.header_seconds as usize),
            ("body_seconds", limits.body_seconds as usize),
            ("body_bytes", limits.body_bytes),
            ("message_bytes", limits.message_bytes),
            ("requests_per_second", limits.requests_per_second as usize),
            ("request_burst", limits.request_burst as usize),
        ];
        match numbers.iter().find(|(_, number)| *number == 0) {
            Some((key, _)) => Err((format!("limits.{key}"), "must be greater than 0".into())),
            None => Ok(()),
        }
    }

    /// Looks at what can be known only with the catalogue; returns the key and what is wrong with it.
    ///
    /// # Errors
    ///
    /// The first wrong key.
    pub fn check(&self, catalog: &Catalog) -> Result<(), (String, String)> {
        let Some(descriptor) = catalog.get(ENDPOINT) else { return Ok(()) };
        if let Some(name) = self.webrtc.keys().find(|name| descriptor.property(name).is_none()) {
            return Err((format!("webrtc.{name}"), format!("`{ENDPOINT}` has no such property")));
        }
        // As in a description: otherwise every peer would fail for a value that was wrong from the start.
        let properties = serde_json::Value::Object(self.webrtc.clone());
        let document = Document::new(ENDPOINT).element(ENDPOINT, ENDPOINT, properties);
        let found = check_all(&document, catalog, None, Completeness::Partial).diagnostics;
        match found.into_iter().find(|finding| finding.is_error()) {
            Some(wrong) => Err(("webrtc".to_owned(), wrong.message)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/etc/anabranch/server.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        assert_eq!(parse(Config::DEFAULT_TEXT).unwrap(), Config::default());
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn every_key_is_in_the_printed_file() {
        let all = toml::Value::try_from(Config {
            tls: Some(crate::config::Tls { cert: "a".into(), key: "b".into() }),
            tokens: vec![crate::config::Token {
                name: "n".into(),
                token: "t".into(),
                token_file: Some("f".into()),
                scopes: vec![Scope::Observe],
                pipelines: Some(Vec::new()),
            }],
            ice_servers: vec![crate::config::IceServer {
                url: "u".into(),
                username: "n".into(),
                credential: "c".into(),
            }],
            ..Config::default()
        });
        let mut keys = Vec::new();
        collect(&all.unwrap(), &mut keys);
        for key in keys {
            let there = Config::DEFAULT_TEXT.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.starts_with(&format!("{key} ="))
                    || line.trim_matches(['[', ']']) == key
                    || line.contains(&format!("or {key} ="))
            });
            assert!(there, "{key} is not in the printed configuration");
        }
    }

    fn collect(value: &toml::Value, keys: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    keys.push(key.clone());
                    collect(value, keys);
                }
            }
            toml::Value::Array(list) => list.iter().for_each(|v| collect(v, keys)),
            _ => {}
        }
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let config =
            parse("pipelines = [\"a.yaml\", \"/b.yaml\"]\n[tls]\ncert = \"c\"\nkey = \"k\"").unwrap();
        assert_eq!(config.pipelines, [Path::new("/etc/anabranch/a.yaml"), Path::new("/b.yaml")]);
        assert_eq!(config.tls.unwrap().cert, Path::new("/etc/anabranch/c"));
    }

    #[test]
    fn names_of_properties_may_have_dashes() {
        let config = parse("[webrtc]\nmin-port = 40000").unwrap();
        assert_eq!(config.webrtc.get("min_port"), Some(&serde_json::json!(40000)));
    }

    #[test]
    fn errors_name_file_and_key() {
        let token = "[[tokens]]\nname = \"n\"\nscopes = [\"observe\"]\n";
        let cases = [
            ("listn = 1", "listn"),
            ("listen = \"nowhere\"", "listen"),
            ("[limits]\nbody_bytes = \"x\"", "body_bytes"),
            ("[limits]\nbody_bytes = 0", "limits.body_bytes"),
            ("[limits]\nfoo = 0", "foo"),
            (&format!("{token}token = \"short\""), "tokens[0].token"),
            (&format!("{token}token = \"a token with blanks in it\""), "tokens[0].token"),
            (&format!("{token}token_file = \"/none\""), "tokens[0].token_file"),
            ("[[tokens]]\nname = \"n\"\ntoken = \"0123456789abcdef\"\nscopes = [\"all\"]", "all"),
            ("[[tokens]]\nname = \"n\"\ntoken = \"0123456789abcdef\"\nscopes = []", "tokens[0].scopes"),
            ("[[tokens]]\ntoken = \"0123456789abcdef\"\nscopes = [\"play\"]", "name"),
            ("[browser]\norigins = [\"example.org\"]", "browser.origins[0]"),
            ("[files]\nread = [\"/none/at/all\"]", "files.read[0]"),
            ("[network]\nwrite = [\"store.example.org/films\"]", "network.write[0]"),
            ("[[ice_servers]]\nurl = \"example.org:3478\"", "ice_servers[0].url"),
            ("[[ice_servers]]\nurl = \"turn:example.org\"\nusername = \"a\\nb\"", "ice_servers[0]"),
            ("[tls]\ncert = \"c\"", "key"),
            ("= 1", "line 1"),
        ];
        for (text, key) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("/etc/anabranch/server.toml: "), "{error}");
            assert!(error.contains(key), "{text}: {error}");
        }
    }
}
