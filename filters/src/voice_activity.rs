//! Says when somebody speaks.

use anabranch_kit::audio::{AudioFilter, Resampler, Sound};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::register_audio_filter;
use earshot::Detector;
use gst_audio::AudioInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the detector takes: 16 ms of one channel at this rate.
const RATE: u32 = 16_000;
const BLOCK: usize = 256;
const BLOCK_MS: u32 = 16;

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How sure the detector must be that it hears a voice, 0 to 1; tones and noise alone reach 0.7, words 0.9.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub threshold: f64,
    /// Below this a voice that speaks counts as paused, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0), extend("x-live" = true))]
    pub release: f64,
    /// Sound that is quieter is no voice, in dBFS (RMS).
    #[schemars(range(min = -120.0, max = 0.0), extend("x-live" = true))]
    pub least_db: f64,
    /// How long there must be a voice before that is told, in milliseconds.
    #[schemars(range(min = 0, max = 10000), extend("x-live" = true))]
    pub begin_ms: u32,
    /// How long a pause must be before the voice has ended, in milliseconds.
    #[schemars(range(min = 0, max = 60000), extend("x-live" = true))]
    pub end_ms: u32,
}

impl Default for Params {
    fn default() -> Self {
        Params { threshold: 0.8, release: 0.5, least_db: -55.0, begin_ms: 96, end_ms: 600 }
    }
}

/// Somebody began to speak.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VoiceBegan {
    /// How sure the detector is, 0 to 1.
    score: f64,
    /// How long the voice has been there already, in milliseconds.
    since_ms: u64,
}

/// Nobody speaks any more.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VoiceEnded {
    /// From the first word to the last, in milliseconds.
    spoken_ms: u64,
    /// The pause by which the end was noticed, in milliseconds.
    pause_ms: u64,
}

/// The filter.
pub struct VoiceActivity {
    resampler: Resampler,
    /// What does not fill a block yet.
    waiting: Vec<f32>,
    detector: Box<Detector>,
    turn: Turn,
}

impl AudioFilter for VoiceActivity {
    type Params = Params;

    fn check(params: &Params) -> Result<(), FilterError> {
        if params.release > params.threshold {
            return Err(FilterError::fatal(format!(
                "`release` ({}) is above `threshold` ({}): make it smaller",
                params.release, params.threshold
            )));
        }
        Ok(())
    }

    fn new(_: &Params, info: &AudioInfo) -> Result<Self, FilterError> {
        Ok(VoiceActivity {
            resampler: Resampler::new(info.rate(), RATE),
            waiting: Vec::new(),
            detector: Detector::default_boxed(),
            turn: Turn::default(),
        })
    }

    fn process(&mut self, params: &Params, sound: &mut Sound, ctx: &mut Context) -> Result<(), FilterError> {
        let finite = |sample: f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        self.resampler.push(sound.mono().map(finite), &mut self.waiting);
        let (blocks, rest) = self.waiting.as_chunks_mut::<BLOCK>();
        for block in blocks {
            // The resampler's filter may overshoot a little.
            block.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
            let score = f64::from(self.detector.predict_f32(block).clamp(0.0, 1.0));
            let score = if level(block) < params.least_db { 0.0 } else { score };
            self.turn.hear(params, score, ctx);
        }
        let keep = rest.len();
        let used = self.waiting.len() - keep;
        self.waiting.drain(..used);
        // Both may change while sound flows; that they contradict each other is told.
        Self::check(params).map_err(FilterError::failed)
    }
}

/// The RMS level in dBFS.
fn level(block: &[f32]) -> f64 {
    let squares: f64 = block.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
    10.0 * (squares / block.len().max(1) as f64).max(1e-12).log10()
}

/// Whose turn it is: makes turns of speech from scores that flicker. Times are in milliseconds.
#[derive(Debug, Default)]
struct Turn {
    speaking: bool,
    /// How long there has been a voice, less the gaps; while nobody speaks.
    voiced: u32,
    /// Since the voice was first heard.
    since: u64,
    /// How long there has been none; while somebody speaks.
    pause: u32,
}

impl Turn {
    fn hear(&mut self, params: &Params, score: f64, ctx: &mut Context) {
        if self.speaking {
            self.since += u64::from(BLOCK_MS);
            self.pause = if score < params.release { self.pause + BLOCK_MS } else { 0 };
            if self.pause > 0 && self.pause >= params.end_ms {
                let pause_ms = u64::from(self.pause);
                ctx.emit(VoiceEnded { spoken_ms: self.since.saturating_sub(pause_ms), pause_ms });
                *self = Turn::default();
            }
        } else {
            if score >= params.threshold {
                self.voiced += BLOCK_MS;
            } else {
                self.voiced = self.voiced.saturating_sub(BLOCK_MS);
            }
            self.since = if self.voiced > 0 { self.since + u64::from(BLOCK_MS) } else { 0 };
            if self.voiced > 0 && self.voiced >= params.begin_ms {
                ctx.emit(VoiceBegan { score, since_ms: self.since });
                (self.speaking, self.pause) = (true, 0);
            }
        }
        ctx.scalar("voice", score);
        ctx.scalar("speaking", f64::from(u8::from(self.speaking)));
    }
}

register_audio_filter!(
    VoiceActivity,
    name: "voice-activity",
    type_name: "AbVoiceActivity",
    summary: "Says when somebody speaks",
    author: "The Anabranch developers",
    doc: "Listens for voices with a small neural network (the crate `earshot`, whose network is part of it; in any \
          language), 16 ms at a time, and tells when speech begins and ends. A voice begins when it has been \
          heard for `begin_ms` and ends after a pause of `end_ms`; between `release` and `threshold` things stay as \
          they are. All channels are taken together. The sound goes on as it came.",
    events: [VoiceBegan, VoiceEnded],
    example: "player uri=talk.mp4 -> voice-activity -> null-sink",
);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    anabranch_kit::filter_tests!(super::VoiceActivity);

    /// Feeds sound in pieces of 20 ms and returns the events with the second at which they came.
    fn events(channels: usize, rate: u32, samples: &[f32]) -> Vec<(f64, String, Value)> {
        gst::init().unwrap();
        let info =
            AudioInfo::builder(gst_audio::AudioFormat::F32le, rate, channels as u32).build().unwrap();
        let params = Params::default();
        let mut filter = VoiceActivity::new(&params, &info).unwrap();
        let mut all = Vec::new();
        for (at, piece) in samples.chunks(channels * rate as usize / 50).enumerate() {
            let mut ctx = Context::default();
            let mut sound = Sound::new(piece.to_vec(), channels, rate, None);
            filter.process(&params, &mut sound, &mut ctx).unwrap();
            all.extend(ctx.take_events().into_iter().map(|(name, data)| (at as f64 / 50.0, name, data)));
        }
        all
    }

    /// White noise, always the same.
    fn noise(level: f32, count: usize) -> Vec<f32> {
        let mut state = 0x2545_f491u32;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state as f32 / u32::MAX as f32 - 0.5) * 2.0 * level
        };
        (0..count).map(|_| next()).collect()
    }

    fn tone(hertz: f64, level: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as u32;
        let phase = |n: u32| std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate);
        (0..count).map(|n| (level * phase(n).sin()) as f32).collect()
    }

    /// A WAV file with 16-bit samples of one channel.
    fn wav(path: &str) -> Option<(u32, Vec<f32>)> {
        let bytes = std::fs::read(path).ok()?;
        let rate = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
        let data = bytes.windows(4).position(|w| w == b"data").unwrap() + 8;
        let samples = bytes[data..].as_chunks::<2>().0.iter();
        Some((rate, samples.map(|s| f32::from(i16::from_le_bytes(*s)) / 32768.0).collect()))
    }

    #[test]
    fn limits_that_contradict_each_other_are_told_while_sound_flows() {
        gst::init().unwrap();
        let info = AudioInfo::builder(gst_audio::AudioFormat::F32le, RATE, 1).build().unwrap();
        let mut filter = VoiceActivity::new(&Params::default(), &info).unwrap();
        let params = Params { threshold: 0.4, ..Params::default() };
        let mut sound = Sound::new(vec![0.0; 320], 1, RATE, None);
        let told = filter.process(&params, &mut sound, &mut Context::default()).unwrap_err();
        assert!(matches!(&told, FilterError::Failed(text) if text.contains("`threshold` (0.4)")), "{told:?}");
    }

    #[test]
    fn noise_tones_and_silence_are_no_voices() {
        for rate in [16_000, 48_000] {
            let count = rate as usize * 4;
            assert_eq!(events(1, rate, &vec![0.0; count]), []);
            for level in [0.01, 0.05, 0.2, 0.5] {
                assert_eq!(events(1, rate, &noise(level, count)), [], "noise of {level}");
            }
            for hertz in [110.0, 220.0, 440.0, 1000.0, 3000.0] {
                assert_eq!(events(1, rate, &tone(hertz, 0.5, rate, 4.0)), [], "{hertz} Hz");
            }
        }
    }

    #[test]
    fn spoken_words_begin_and_end() {
        // Debian's alsa-utils: people who say where a loudspeaker is, a second and a half each.
        for file in ["Front_Center", "Front_Left", "Rear_Right", "Side_Left"] {
            let Some((rate, word)) = wav(&format!("/usr/share/sounds/alsa/{file}.wav")) else {
                eprintln!("skipped: alsa-utils is not installed");
                return;
            };
            let silence = vec![0.0; rate as usize];
            let both: Vec<f32> = [&silence, &word, &silence, &silence].into_iter().flatten().copied().collect();
            let length = word.len() as f64 / f64::from(rate);
            // One channel of two has the voice, and there is some noise.
            let stereo: Vec<f32> =
                both.iter().zip(noise(0.003, both.len())).flat_map(|(s, n)| [s + n, n]).collect();
            for (channels, sound) in [(1, &both), (2, &stereo)] {
                let events = events(channels, rate, sound);
                // One turn, or two: some take a breath between the words.
                assert!(matches!(events.len(), 2 | 4), "{file} {channels}: {events:?}");
                for turn in events.chunks(2) {
                    let [(began, first, _), (ended, second, data)] = turn else { panic!("{events:?}") };
                    assert_eq!((first.as_str(), second.as_str()), ("voice-began", "voice-ended"));
                    assert!(*began > 1.0 && *began < 1.0 + length, "{file}: began at {began}");
                    let spoken = data["spoken_ms"].as_f64().unwrap() / 1e3;
                    assert!(spoken > 0.15 && spoken < length, "{file}: {spoken} s of {length}");
                    assert!(*ended > began + spoken * 0.8 && *ended < 1.0 + length + 0.8, "{file}: {ended}");
                }
            }
        }
    }

    #[test]
    fn a_turn_needs_a_lasting_voice_and_survives_short_pauses() {
        let params = Params { begin_ms: 48, end_ms: 160, ..Params::default() };
        let mut turn = Turn::default();
        let mut heard = |scores: &[f64]| {
            let mut ctx = Context::default();
            scores.iter().for_each(|score| turn.hear(&params, *score, &mut ctx));
            ctx.take_events().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert!(heard(&[0.9, 0.9, 0.0, 0.0, 0.0]).is_empty(), "a click");
        assert_eq!(heard(&[0.9, 0.2, 0.9, 0.9]), Vec::<String>::new());
        assert_eq!(heard(&[0.9]), ["voice-began"]);
        assert!(heard(&[0.0; 9]).is_empty(), "a pause of 144 ms");
        assert!(heard(&[0.9]).is_empty());
        assert!(heard(&[0.6; 100]).is_empty(), "what lies between keeps it");
        assert_eq!(heard(&[0.1; 10]), ["voice-ended"]);
    }

    #[test]
    fn limits_that_exclude_each_other_are_refused() {
        let wrong = Params { release: 0.9, ..Params::default() };
        assert!(VoiceActivity::check(&wrong).unwrap_err().to_string().contains("release"));
    }
}
