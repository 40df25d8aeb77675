//! Says how loud sound is, when it is silent and when it clips.

use anabranch_kit::audio::{AudioFilter, Sound};
use anabranch_kit::filter::{Context, FilterError};
use anabranch_kit::register_audio_filter;
use gst_audio::AudioInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What silence is in dBFS; minus infinity is no number in JSON.
const FLOOR_DB: f64 = -120.0;
/// So many samples in a row at full scale are clipping: a single one may be a peak that just fits.
const CLIPPED_RUN: u32 = 3;

/// The properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Params {
    /// How often the levels are told, in milliseconds of sound; 0 is never.
    #[schemars(range(min = 0, max = 3_600_000), extend("x-live" = true))]
    pub interval_ms: u32,
    /// Sound whose RMS level is below this is silent, in dBFS.
    #[schemars(range(min = -120.0, max = 0.0), extend("x-live" = true))]
    pub silence_db: f64,
    /// How long it has to be silent before that is told, in milliseconds.
    #[schemars(range(min = 10, max = 3_600_000), extend("x-live" = true))]
    pub silence_ms: u32,
    /// Samples at or above this level are at full scale, in dBFS; three of them in a row are clipping.
    #[schemars(range(min = -20.0, max = 0.0), extend("x-live" = true))]
    pub clip_db: f64,
}

impl Default for Params {
    fn default() -> Self {
        Params { interval_ms: 500, silence_db: -60.0, silence_ms: 2000, clip_db: -0.01 }
    }
}

/// How loud it was since the last time.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Levels {
    /// The length of the sound that was measured, in milliseconds.
    duration_ms: u64,
    /// The channels, in order.
    channels: Vec<ChannelLevel>,
}

/// One channel's level. 0 dBFS is full scale; a sine at full scale has a peak of 0 and an RMS level of -3 dBFS.
#[derive(Debug, Serialize, JsonSchema)]
struct ChannelLevel {
    /// The greatest sample, in dBFS.
    peak_db: f64,
    /// The root of the mean square, in dBFS.
    rms_db: f64,
}

/// It has been silent for a while.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SilenceBegan {
    /// For how long, in milliseconds.
    silent_ms: u64,
}

/// There is sound again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SilenceEnded {
    /// How long it was silent, in milliseconds.
    silent_ms: u64,
}

/// Samples are at full scale: the sound is distorted. Told once an interval at most.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Clipping {
    /// The channel, from 0.
    channel: usize,
    /// How many samples there were since the last time.
    samples: u64,
}

/// The meter.
pub struct LevelMeter {
    rate: u64,
    channels: Vec<Channel>,
    /// Moments since the levels were told.
    measured: u64,
    silence: Silence,
    /// Moments until clipping may be told again.
    clip_pause: u64,
}

#[derive(Clone, Default)]
struct Channel {
    peak: f32,
    squares: f64,
    clipped_run: u32,
    clipped: u64,
}

impl AudioFilter for LevelMeter {
    type Params = Params;

    fn new(_: &Params, info: &AudioInfo) -> Result<Self, FilterError> {
        Ok(LevelMeter {
            rate: u64::from(info.rate().max(1)),
            channels: vec![Channel::default(); info.channels() as usize],
            measured: 0,
            silence: Silence::default(),
            clip_pause: 0,
        })
    }

    fn process(&mut self, params: &Params, sound: &mut Sound, ctx: &mut Context) -> Result<(), FilterError> {
        let full = amplitude(params.clip_db);
        let interval = self.moments(params.interval_ms);
        let mut rest = sound.samples();
        while !rest.is_empty() {
            // Up to the end of the interval, so that its length does not depend on how the sound is cut.
            let left = if interval > 0 { interval.saturating_sub(self.measured).max(1) } else { u64::MAX };
            let count = (rest.len() / self.channels.len().max(1)) as u64;
            let take = left.min(self.block_left()).min(count.max(1));
            let end = (take as usize * self.channels.len().max(1)).min(rest.len());
            let (piece, later) = rest.split_at(end);
            rest = later;
            self.measure(piece, full);
            self.measured += take;
            self.clip_pause = self.clip_pause.saturating_sub(take);
            self.note_silence(params, take, piece, ctx);
            if interval > 0 && self.measured >= interval {
                self.tell(ctx);
            }
        }
        self.note_clipping(interval, ctx);
        Ok(())
    }
}

impl LevelMeter {
    fn moments(&self, ms: u32) -> u64 {
        u64::from(ms) * self.rate / 1000
    }

    /// Moments to the end of the block of 10 ms in which silence is measured.
    fn block_left(&self) -> u64 {
        (self.rate / 100).max(1).saturating_sub(self.silence.block_moments).max(1)
    }

    fn measure(&mut self, samples: &[f32], full: f32) {
        let count = self.channels.len().max(1);
        for (index, channel) in self.channels.iter_mut().enumerate() {
            for sample in samples.iter().skip(index).step_by(count) {
                // A sample that is no number is no sound.
                let size = if sample.is_finite() { sample.abs() } else { 0.0 };
                channel.peak = channel.peak.max(size);
                channel.squares += f64::from(size) * f64::from(size);
                if size >= full {
                    channel.clipped_run += 1;
                    channel.clipped += match channel.clipped_run {
                        CLIPPED_RUN => u64::from(CLIPPED_RUN),
                        run if run > CLIPPED_RUN => 1,
                        _ => 0,
                    };
                } else {
                    channel.clipped_run = 0;
                }
            }
        }
    }

    /// Tells the levels and begins to measure anew.
    fn tell(&mut self, ctx: &mut Context) {
        let moments = self.measured.max(1) as f64;
        let levels: Vec<ChannelLevel> = self
            .channels
            .iter_mut()
            .map(|channel| ChannelLevel {
                peak_db: decibels(f64::from(std::mem::take(&mut channel.peak))),
                rms_db: decibels((std::mem::take(&mut channel.squares) / moments).sqrt()),
            })
            .collect();
        let loudest = |level: fn(&ChannelLevel) -> f64| levels.iter().map(level).fold(FLOOR_DB, f64::max);
        ctx.scalar("peak-db", loudest(|l| l.peak_db));
        ctx.scalar("rms-db", loudest(|l| l.rms_db));
        ctx.emit(Levels { duration_ms: self.measured * 1000 / self.rate, channels: levels });
        self.measured = 0;
    }

    fn note_silence(&mut self, params: &Params, moments: u64, samples: &[f32], ctx: &mut Context) {
        let squares = |s: &f32| if s.is_finite() { f64::from(*s) * f64::from(*s) } else { 0.0 };
        self.silence.block_squares += samples.iter().map(squares).sum::<f64>();
        self.silence.block_moments += moments;
        if self.silence.block_moments < (self.rate / 100).max(1) {
            return;
        }
        let count = self.silence.block_moments * self.channels.len().max(1) as u64;
        let level = decibels((self.silence.block_squares / count as f64).sqrt());
        let block = std::mem::take(&mut self.silence.block_moments);
        self.silence.block_squares = 0.0;
        let ms = |moments: u64| moments * 1000 / self.rate;
        if level < params.silence_db {
            self.silence.moments += block;
            if !self.silence.told && ms(self.silence.moments) >= u64::from(params.silence_ms) {
                self.silence.told = true;
                ctx.emit(SilenceBegan { silent_ms: ms(self.silence.moments) });
            }
        } else {
            if std::mem::take(&mut self.silence.told) {
                ctx.emit(SilenceEnded { silent_ms: ms(self.silence.moments) });
            }
            self.silence.moments = 0;
        }
    }

    fn note_clipping(&mut self, interval: u64, ctx: &mut Context) {
        if self.clip_pause > 0 {
            return;
        }
        for (index, channel) in self.channels.iter_mut().enumerate() {
            if channel.clipped > 0 {
                ctx.emit(Clipping { channel: index, samples: std::mem::take(&mut channel.clipped) });
                self.clip_pause = if interval > 0 { interval } else { self.rate };
            }
        }
    }
}

/// Silence is looked for in blocks of 10 ms.
#[derive(Default)]
struct Silence {
    block_squares: f64,
    block_moments: u64,
    /// How long it has been silent.
    moments: u64,
    told: bool,
}

/// A level as a factor of full scale.
fn amplitude(db: f64) -> f32 {
    10f64.powf(db / 20.0) as f32
}

/// A factor of full scale as a level.
fn decibels(amplitude: f64) -> f64 {
    let db = 20.0 * amplitude.max(1e-12).log10();
    (db.max(FLOOR_DB) * 100.0).round() / 100.0
}

register_audio_filter!(
    LevelMeter,
    name: "level-meter",
    type_name: "AbLevelMeter",
    summary: "Says how loud sound is, when it is silent and when it clips",
    author: "The Anabranch developers",
    doc: "Measures peak and RMS level of each channel in dBFS: 0 is full scale, and a sine at full scale has an RMS level \
          of -3. The levels are told at an interval; silence is told when it has lasted for a while, and when it \
          ends; clipping when three samples in a row are at full scale. The sound goes on as it came.\n\n\
          Everything is measured in time of the sound, however it is cut into buffers.",
    events: [Levels, SilenceBegan, SilenceEnded, Clipping],
    example: "player uri=talk.mp4 -> level-meter -> null-sink",
);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    anabranch_kit::filter_tests!(super::LevelMeter);

    const RATE: u32 = 48_000;

    /// Feeds sound in pieces of an odd size and returns the events.
    fn events(params: &Params, channels: usize, samples: &[f32]) -> Vec<(String, Value)> {
        gst::init().unwrap();
        let info =
            AudioInfo::builder(gst_audio::AudioFormat::F32le, RATE, channels as u32).build().unwrap();
        let mut meter = LevelMeter::new(params, &info).unwrap();
        let mut ctx = Context::default();
        for piece in samples.chunks(channels * 997) {
            let mut sound = Sound::new(piece.to_vec(), channels, RATE, None);
            meter.process(params, &mut sound, &mut ctx).unwrap();
        }
        ctx.take_events()
    }

    fn sine(amplitude: f32, seconds: f64) -> Vec<f32> {
        let count = (f64::from(RATE) * seconds) as u32;
        let phase = |n: u32| std::f64::consts::TAU * 1000.0 * f64::from(n) / f64::from(RATE);
        (0..count).map(|n| amplitude * phase(n).sin() as f32).collect()
    }

    fn names(events: &[(String, Value)]) -> Vec<&str> {
        events.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_tone_has_the_level_that_theory_says() {
        let events = events(&Params::default(), 1, &sine(0.5, 2.0));
        assert_eq!(names(&events), ["levels"; 4]);
        for (_, data) in &events {
            assert_eq!(data["duration_ms"], 500);
            let channel = &data["channels"][0];
            assert!((channel["peak_db"].as_f64().unwrap() + 6.02).abs() < 0.02, "{channel}");
            assert!((channel["rms_db"].as_f64().unwrap() + 9.03).abs() < 0.02, "{channel}");
        }
    }

    #[test]
    fn channels_are_measured_apart() {
        let stereo: Vec<f32> = sine(1.0, 0.5).iter().flat_map(|s| [s * 0.1, 0.0]).collect();
        let events = events(&Params::default(), 2, &stereo);
        let (left, right) = (&events[0].1["channels"][0], &events[0].1["channels"][1]);
        assert!((left["peak_db"].as_f64().unwrap() + 20.0).abs() < 0.02);
        assert_eq!((right["peak_db"].as_f64(), right["rms_db"].as_f64()), (Some(-120.0), Some(-120.0)));
    }

    #[test]
    fn silence_is_told_when_it_has_lasted_and_when_it_ends() {
        let params = Params { interval_ms: 0, silence_ms: 500, ..Params::default() };
        let mut sound = sine(0.3, 1.0);
        sound.extend(sine(0.0005, 0.4)); // -69 dBFS, too short
        sound.extend(sine(0.3, 0.2));
        sound.extend(sine(0.0005, 1.0));
        sound.extend(sine(0.3, 0.2));
        let events = events(&params, 1, &sound);
        assert_eq!(names(&events), ["silence-began", "silence-ended"]);
        assert_eq!(events[0].1["silent_ms"], 500);
        let ended = events[1].1["silent_ms"].as_u64().unwrap();
        assert!((990..=1010).contains(&ended), "{ended}");
    }

    #[test]
    fn clipping_is_told_once_an_interval() {
        // A tone that is twice too loud is cut off.
        let clipped: Vec<f32> = sine(2.0, 1.0).iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let params = Params { interval_ms: 1000, ..Params::default() };
        let events_clipped = events(&params, 1, &clipped);
        assert_eq!(names(&events_clipped), ["clipping", "levels"]);
        assert_eq!(events_clipped[0].1["channel"], 0);
        // One that just fits is not.
        let whole = events(&params, 1, &sine(1.0, 1.0));
        assert_eq!(names(&whole), ["levels"]);
    }

    #[test]
    fn samples_that_are_no_numbers_do_not_spoil_the_level() {
        let mut sound = sine(0.5, 0.5);
        sound[77] = f32::NAN;
        sound[78] = f32::INFINITY;
        let events = events(&Params::default(), 1, &sound);
        assert!((events[0].1["channels"][0]["rms_db"].as_f64().unwrap() + 9.03).abs() < 0.02);
    }
}
