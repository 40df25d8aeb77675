//! What the property `profile` may say: which container, and which media go into it.

use anabranch_graph::format::Medium;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::container::Container;

/// What the property `profile` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// As the extension of the location says.
    #[default]
    Auto,
    /// WebM.
    Webm,
    /// WebM, pictures only.
    WebmVideoOnly,
    /// WebM, sound only.
    WebmAudioOnly,
    /// Matroska.
    Mkv,
    /// Matroska, pictures only.
    MkvVideoOnly,
    /// Matroska, sound only.
    MkvAudioOnly,
    /// MP4.
    Mp4,
    /// MP4, pictures only.
    Mp4VideoOnly,
    /// MP4, sound only.
    Mp4AudioOnly,
    /// Flash video.
    Flv,
    /// Flash video, pictures only.
    FlvVideoOnly,
    /// Flash video, sound only.
    FlvAudioOnly,
    /// One picture, the first that comes.
    Jpeg,
}

impl Profile {
    /// The container that it names; none if the location does.
    pub fn container(self) -> Option<Container> {
        use Profile::*;
        match self {
            Auto => None,
            Webm | WebmVideoOnly | WebmAudioOnly => Some(Container::Webm),
            Mkv | MkvVideoOnly | MkvAudioOnly => Some(Container::Mkv),
            Mp4 | Mp4VideoOnly | Mp4AudioOnly => Some(Container::Mp4),
            Flv | FlvVideoOnly | FlvAudioOnly => Some(Container::Flv),
            Jpeg => Some(Container::Jpeg),
        }
    }

    /// Whether a medium is recorded into that container.
    pub fn takes(self, container: Container, medium: Medium) -> bool {
        use Profile::*;
        let wanted = match self {
            WebmVideoOnly | MkvVideoOnly | Mp4VideoOnly | FlvVideoOnly => medium == Medium::Video,
            WebmAudioOnly | MkvAudioOnly | Mp4AudioOnly | FlvAudioOnly => medium == Medium::Audio,
            _ => true,
        };
        wanted && !container.formats(medium).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_medium_alone_is_taken_where_the_profile_says_so() {
        let takes = |profile: Profile, medium| profile.takes(profile.container().unwrap(), medium);
        assert!(takes(Profile::Webm, Medium::Audio) && takes(Profile::Webm, Medium::Video));
        assert!(!takes(Profile::MkvVideoOnly, Medium::Audio) && takes(Profile::MkvVideoOnly, Medium::Video));
        assert!(takes(Profile::FlvAudioOnly, Medium::Audio) && !takes(Profile::FlvAudioOnly, Medium::Video));
        assert!(takes(Profile::Jpeg, Medium::Video) && !takes(Profile::Jpeg, Medium::Audio));
        assert!(Profile::Auto.takes(Container::Mp4, Medium::Audio));
    }
}
