//! What a player shows and plays while its source is away: the last picture or a slate, and silence, at the pace of the
//! clock. A thread of its own, and only with `while_away`.

use std::sync::Arc;
use std::time::Duration;

use super::flow::{Flow, nanos};
use super::outlet::Outlet;
use super::timeline::Nanos;

/// How long nothing may come before it is made here: longer than jitter, shorter than one notices.
const GRACE: Duration = Duration::from_millis(400);

/// A gap longer than this is left: it was a pause.
const LONGEST_GAP: Nanos = 2_000_000_000;

/// The longest wait without a look.
const LOOK: Duration = Duration::from_millis(100);

/// The length of one piece of silence, and of a picture whose rate is not known.
const PIECE: Nanos = 20_000_000;
const PICTURE: Nanos = 40_000_000;

/// The sound that is assumed where the source has never been.
const RATE: u32 = 48_000;

/// A picture that is shown while the source is away.
#[derive(Clone)]
pub struct Slate {
    picture: gst::Buffer,
    info: gst_video::VideoInfo,
    /// It, as it was last asked for.
    made: Option<(gst::Caps, gst::Buffer)>,
}

impl Slate {
    /// Reads a PNG or JPEG file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence for a person.
    pub fn read(path: &str) -> Result<Self, String> {
        let problem = |what: String| format!("The slate '{path}' cannot be shown: {what}");
        let picture = image::ImageReader::open(path)
            .and_then(|reader| reader.with_guessed_format())
            .map_err(|error| problem(format!("{error}.")))?
            .decode()
            .map_err(|error| problem(format!("{error}.")))?
            .into_rgba8();
        let (width, height) = picture.dimensions();
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, width, height)
            .build()
            .map_err(|error| problem(format!("{error}.")))?;
        Ok(Slate { picture: gst::Buffer::from_slice(picture.into_raw()), info, made: None })
    }

    /// The caps that it has where no source has ever been.
    fn own_caps(&self) -> Option<gst::Caps> {
        let even = |size: u32| (size & !1).max(2);
        gst_video::VideoInfo::builder(
            gst_video::VideoFormat::I420,
            even(self.info.width()),
            even(self.info.height()),
        )
        .fps(gst::Fraction::new(25, 1))
        .build()
        .ok()?
        .to_caps()
        .ok()
    }

    /// The picture in that format and size, with its proportions.
    fn picture(&mut self, caps: &gst::Caps) -> Option<gst::Buffer> {
        if let Some((_, buffer)) = self.made.as_ref().filter(|(made, _)| made == caps) {
            return Some(buffer.clone());
        }
        let to = gst_video::VideoInfo::from_caps(caps).ok()?;
        let scale = (f64::from(to.width()) / f64::from(self.info.width()))
            .min(f64::from(to.height()) / f64::from(self.info.height()));
        let side = |size: u32, most: u32| ((f64::from(size) * scale).round() as u32).clamp(1, most) as i32;
        let (width, height) = (side(self.info.width(), to.width()), side(self.info.height(), to.height()));
        let mut config = gst_video::VideoConverterConfig::new();
        config.set_dest_x((to.width() as i32 - width) / 2);
        config.set_dest_y((to.height() as i32 - height) / 2);
        config.set_dest_width(Some(width));
        config.set_dest_height(Some(height));
        config.set_fill_border(true);
        // A converter changes neither rate nor interlacing, and wants to see that in both.
        let info = gst_video::VideoInfo::builder(self.info.format(), self.info.width(), self.info.height())
            .fps(to.fps())
            .interlace_mode(to.interlace_mode())
            .build()
            .ok()?;
        let converter = gst_video::VideoConverter::new(&info, &to, Some(config)).ok()?;
        let from = gst_video::VideoFrame::from_buffer_readable(self.picture.clone(), &info).ok()?;
        let empty = gst::Buffer::with_size(to.size()).ok()?;
        let mut frame = gst_video::VideoFrame::from_buffer_writable(empty, &to).ok()?;
        converter.frame(&from, &mut frame);
        let buffer = frame.into_buffer();
        self.made = Some((caps.clone(), buffer.clone()));
        Some(buffer)
    }
}

/// What is to be made next.
enum Next {
    /// Nothing for so long.
    Wait(Duration),
    /// A picture or a piece of sound of track `index`.
    Make { index: usize, caps: Option<gst::Caps>, last: Option<gst::Buffer>, at: Nanos, away: bool },
}

/// Runs until the outlet closes.
pub fn run(outlet: &Outlet, mut slate: Option<Slate>) {
    loop {
        let next = {
            let mut flow = outlet.lock();
            if !flow.open {
                return;
            }
            match next(&mut flow, slate.is_some()) {
                Next::Wait(most) => {
                    drop(outlet.wait(flow, most));
                    continue;
                }
                make => make,
            }
        };
        let Next::Make { index, caps, last, at, away } = next else { continue };
        let made = match index {
            0 => picture(&mut slate, caps, last, away),
            _ => silence(caps),
        };
        match made {
            Some((caps, buffer, length)) => outlet.fill(index, Some(caps), buffer, at, length),
            // Nothing that could be shown in this format.
            None => drop(outlet.wait(outlet.lock(), LOOK)),
        }
    }
}

/// Which track needs something, and when.
fn next(flow: &mut Flow, has_slate: bool) -> Next {
    if !flow.fills || !flow.playing || flow.is_paused() {
        return Next::Wait(LOOK);
    }
    let (now, away) = (flow.clock_now(), flow.away);
    let mut soonest = LOOK;
    for (index, track) in flow.tracks.iter_mut().enumerate() {
        let possible = match index {
            0 => track.last.is_some() || has_slate && away,
            _ => track.caps.is_some() || away,
        };
        if track.closed || !possible {
            continue;
        }
        if !track.filling {
            let quiet = match track.seen {
                Some(seen) => seen.elapsed() > GRACE,
                None => track.buffers > 0 || away,
            };
            if !quiet {
                continue;
            }
            track.filling = true;
        }
        if now - track.end > LONGEST_GAP {
            track.end = now;
        }
        match u64::try_from(track.end - now) {
            Ok(early) if early > 0 => soonest = soonest.min(Duration::from_nanos(early)),
            _ => {
                let (caps, last, at) = (track.caps.clone(), track.last.clone(), track.end);
                return Next::Make { index, caps, last, at, away };
            }
        }
    }
    Next::Wait(soonest)
}

type Made = Option<(gst::Caps, gst::Buffer, Nanos)>;

fn picture(
    slate: &mut Option<Slate>,
    caps: Option<gst::Caps>,
    last: Option<gst::Buffer>,
    away: bool,
) -> Made {
    let caps = match (&caps, slate.as_ref()) {
        (Some(caps), _) => caps.clone(),
        (None, Some(slate)) => slate.own_caps()?,
        (None, None) => return None,
    };
    let rate = caps.structure(0).and_then(|s| s.get::<gst::Fraction>("framerate").ok());
    let length = match rate.filter(|rate| rate.numer() > 0 && rate.denom() > 0) {
        Some(rate) => 1_000_000_000 * Nanos::from(rate.denom()) / Nanos::from(rate.numer()),
        None => PICTURE,
    };
    // A short gap is bridged by the last picture: a slate would only flash.
    let shown = match slate.as_mut().filter(|_| away || last.is_none()) {
        Some(slate) => slate.picture(&caps).or(last),
        None => last,
    };
    shown.map(|buffer| (caps, buffer, length))
}

fn silence(caps: Option<gst::Caps>) -> Made {
    let caps = match caps {
        Some(caps) => caps,
        None => gst_audio::AudioInfo::builder(gst_audio::AUDIO_FORMAT_S16, RATE, 2)
            .build()
            .ok()?
            .to_caps()
            .ok()?,
    };
    let info = gst_audio::AudioInfo::from_caps(&caps).ok()?;
    let samples = (info.rate() / 50).max(1);
    let mut data = vec![0u8; samples as usize * info.bpf() as usize];
    info.format_info().fill_silence(&mut data);
    let length = nanos(gst::ClockTime::SECOND) * Nanos::from(samples) / Nanos::from(info.rate().max(1));
    Some((caps, gst::Buffer::from_slice(data), length.max(PIECE / 20)))
}

/// Starts the thread.
///
/// # Errors
///
/// The system has no thread left.
pub fn start(outlet: Arc<Outlet>, slate: Option<Slate>) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("player-fill".into()).spawn(move || run(&outlet, slate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slate_fits_what_came_before() {
        gst::init().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("white.png");
        image::RgbaImage::from_pixel(40, 40, image::Rgba([255; 4])).save(&path).unwrap();
        let mut slate = Slate::read(path.to_str().unwrap()).unwrap();
        let caps = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 160, 80)
            .fps(gst::Fraction::new(30, 1))
            .build()
            .unwrap()
            .to_caps()
            .unwrap();
        let picture = slate.picture(&caps).unwrap();
        let map = picture.map_readable().unwrap();
        let luma = |x: usize, y: usize| map[y * 160 + x];
        // Its proportions stay: there is a border left and right.
        assert!(luma(80, 40) > 200 && luma(42, 2) > 200 && luma(10, 40) < 30 && luma(150, 40) < 30);
        assert!(slate.own_caps().unwrap().to_string().contains("width=(int)40"));
        assert!(Slate::read("/nowhere.png").err().unwrap().contains("/nowhere.png"));
    }

    #[test]
    fn silence_is_silent_in_any_format() {
        gst::init().unwrap();
        let (caps, buffer, length) = silence(None).unwrap();
        assert!(caps.to_string().contains("rate=(int)48000"));
        assert_eq!((buffer.size(), length), (960 * 4, 20_000_000));
        let caps = gst_audio::AudioInfo::builder(gst_audio::AudioFormat::U8, 8000, 1)
            .build()
            .unwrap()
            .to_caps()
            .unwrap();
        let (_, buffer, _) = silence(Some(caps)).unwrap();
        assert!(buffer.map_readable().unwrap().iter().all(|sample| *sample == 0x80));
    }
}
