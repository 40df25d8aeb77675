//! The console's files.

use std::sync::LazyLock;

use indexmap::IndexMap;

macro_rules! files {
    ($($name:literal => $path:literal,)+) => {
        &[$(($name, include_bytes!($path)),)+]
    };
}

/// Names below `/console/`.
const ALL: &[(&str, &[u8])] = files! {
    "api.js" => "web/api.js",
    "base.css" => "web/base.css",
    "camera.js" => "web/camera.js",
    "catalog.js" => "web/catalog.js",
    "catalogue.js" => "web/catalogue.js",
    "create.js" => "web/create.js",
    "dialogs.js" => "web/dialogs.js",
    "dom.js" => "web/dom.js",
    "editor.js" => "web/editor.js",
    "element.js" => "web/element.js",
    "events.js" => "web/events.js",
    "examples.js" => "web/examples.js",
    "feed.js" => "web/feed.js",
    "graph.js" => "web/graph.js",
    "icon.svg" => "web/icon.svg",
    "index.html" => "web/index.html",
    "latency.js" => "web/latency.js",
    "layout.js" => "web/layout.js",
    "main.js" => "web/main.js",
    "markdown.js" => "web/markdown.js",
    "notices.js" => "web/notices.js",
    "peer.js" => "web/peer.js",
    "pictures.js" => "web/pictures.js",
    "pipeline.css" => "web/pipeline.css",
    "pipeline.js" => "web/pipeline.js",
    "pipelines.js" => "web/pipelines.js",
    "plot.js" => "web/plot.js",
    "series.js" => "web/series.js",
    "statistics.js" => "web/statistics.js",
    "views.css" => "web/views.css",
    "watch.js" => "web/watch.js",
    "words.js" => "web/words.js",
    "webrtc-loopback.yaml" => "../../../../pipelines/webrtc-loopback.yaml",
    "webrtc-magic-mirror.yaml" => "../../../../pipelines/webrtc-magic-mirror.yaml",
    "webrtc-one-to-many.yaml" => "../../../../pipelines/webrtc-one-to-many.yaml",
    "webrtc-recorder.yaml" => "../../../../pipelines/webrtc-recorder.yaml",
};

static FILES: LazyLock<IndexMap<&str, File>> = LazyLock::new(|| {
    ALL.iter().map(|&(name, bytes)| (name, File { name, bytes, tag: tag(bytes) })).collect()
});

/// One file of the page.
pub(super) struct File {
    name: &'static str,
    /// What is in it.
    pub(super) bytes: &'static [u8],
    tag: String,
}

impl File {
    /// Its type on the wire, by its ending.
    pub(super) fn kind(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("yaml") => "application/yaml; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    /// Its entity tag, quoted: another content has another.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }
}

/// The file of that name.
pub(super) fn find(name: &str) -> Option<&'static File> {
    FILES.get(name)
}

/// FNV-1a: enough to tell one build's file from another's.
fn tag(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn text(name: &str) -> &'static str {
        std::str::from_utf8(find(name).unwrap().bytes).unwrap()
    }

    /// What follows `before` up to a quote, wherever that is in the text.
    fn quoted<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(['"', '\'']).next())
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/web");
        let mut there = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            there.push(entry.unwrap().file_name().into_string().unwrap());
        }
        for name in &there {
            assert!(find(name).is_some(), "{name} is not in the table");
        }
    }

    #[test]
    fn every_file_that_a_file_names_is_served() {
        for (name, file) in &*FILES {
            if !matches!(name.rsplit('.').next(), Some("js" | "html")) {
                continue;
            }
            assert_ne!(file.kind(), "application/octet-stream", "{name}");
            for before in ["from './", "import('./", "\"/console/", "'/console/"] {
                for other in quoted(text(name), before) {
                    assert!(find(other).is_some(), "{name} names {other}, which is not there");
                }
            }
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        for (name, file) in &*FILES {
            let text = String::from_utf8_lossy(file.bytes);
            for scheme in ["src=\"http", "href=\"http", "url(http", "from 'http", "import('http"] {
                assert!(!text.contains(scheme), "{name} has {scheme}");
            }
        }
    }
}
