use super::*;
use crate::format::Medium;
use crate::plan::Probe;

struct Machine(&'static [&'static str]);

impl Capabilities for Machine {
    fn has_element(&self, factory: &str) -> bool {
        self.0.contains(&factory)
    }
    fn decoder(&self, format: &Format) -> Option<String> {
        decoders(format).iter().find(|f| self.has_element(f)).map(|f| (*f).to_owned())
    }
    fn cpus(&self) -> usize {
        2
    }
    fn probe(&self, _: &str) -> Probe {
        Probe::Unknown
    }
}

const FULL: Machine = Machine(&["vp8enc", "vp8dec", "avdec_h264", "openh264enc", "opusenc", "avdec_aac"]);
const ALLOW: Transcoding = Transcoding::Allow;

/// How a consumer without limits is served from a source that nobody else takes.
fn ask(
    source: &Format,
    accepts: &[Format],
    transcoding: Transcoding,
    machine: &Machine,
) -> Result<Service, NoService> {
    serve(source, &[], &Demand { transcoding, ..Demand::of(accepts) }, machine)
}

fn target(width: u32, height: u32, pace: Pace) -> EncoderTarget {
    EncoderTarget { width, height, fps: 30.0, bitrate: None, limits: (None, None), pace, cpus: 8 }
}

fn value(settings: &[(&'static str, String)], name: &str) -> String {
    settings.iter().find(|(n, _)| *n == name).unwrap().1.clone()
}

#[test]
fn a_format_that_fits_passes() {
    assert_eq!(ask(&Format::Vp8, &[], ALLOW, &FULL), Ok(Service::Pass));
    assert_eq!(
        ask(&Format::Vp8, &[Format::H264, Format::Vp8], Transcoding::Forbid, &FULL),
        Ok(Service::Pass)
    );
    let data = Format::Other(Medium::Data, "text/x-raw".into());
    assert_eq!(ask(&data, std::slice::from_ref(&data), ALLOW, &FULL), Ok(Service::Pass));
}

#[test]
fn raw_consumers_get_a_decoder() {
    let service = ask(&Format::H264, &[Format::RawVideo], Transcoding::Forbid, &FULL).unwrap();
    assert_eq!(service, Service::Decode { decoder: "avdec_h264".into() });
    assert_eq!(service.delivers(&Format::H264), Format::RawVideo);
    assert_eq!(ask(&Format::Vp9, &[Format::RawVideo], ALLOW, &FULL), Err(NoService::NoDecoder(Format::Vp9)));
}

#[test]
fn the_most_wanted_format_that_can_be_made_is_made() {
    let accepts = [Format::Vp9, Format::Vp8, Format::H264];
    let service = ask(&Format::RawVideo, &accepts, Transcoding::Forbid, &FULL).unwrap();
    assert_eq!(service, Service::Encode { decoder: None, format: Format::Vp8, encoder: "vp8enc".into() });
    let service = serve(&Format::RawVideo, &[Format::H264], &Demand::of(&accepts), &FULL).unwrap();
    assert_eq!(service.delivers(&Format::RawVideo), Format::H264);
    let service = ask(&Format::H264, &[Format::Vp8], ALLOW, &FULL).unwrap();
    assert!(service.is_transcode());
    assert_eq!(
        service.why(&Format::H264, &Demand::of(&[Format::Vp8])),
        "the consumer takes VP8, so H.264 is transcoded to VP8 (avdec_h264, then vp8enc)"
    );
    assert_eq!(
        ask(&Format::RawVideo, &[Format::Vp9, Format::Av1], ALLOW, &FULL).unwrap_err().to_string(),
        "no encoder for VP9 or AV1 is installed"
    );
}

#[test]
fn who_wants_smaller_pictures_gets_an_encoding_of_its_own() {
    let limits = PictureLimits { max_height: Some(180), ..PictureLimits::default() };
    let any = Demand { limits, ..Demand::of(&[]) };
    let vp8 =
        Service::Encode { decoder: Some("vp8dec".into()), format: Format::Vp8, encoder: "vp8enc".into() };
    assert_eq!(serve(&Format::Vp8, &[], &any, &FULL), Ok(vp8.clone()), "as it came, but smaller");
    assert_eq!(
        vp8.why(&Format::Vp8, &any),
        "the consumer takes at most 180 pixels in height, so VP8 is transcoded to VP8 (vp8dec, then vp8enc)"
    );
    let raw = Demand { limits, ..Demand::of(&[Format::RawVideo]) };
    let shrunk = Service::Shrink { decoder: Some("vp8dec".into()) };
    assert_eq!(serve(&Format::Vp8, &[], &raw, &FULL), Ok(shrunk));
    assert_eq!(serve(&Format::RawVideo, &[], &raw, &FULL), Ok(Service::Shrink { decoder: None }));
    // What can be decoded only comes raw.
    assert_eq!(
        serve(&Format::H265, &[], &any, &Machine(&["avdec_h265"])).unwrap().delivers(&Format::H265),
        Format::RawVideo
    );
    assert_eq!(serve(&Format::Opus, &[], &any, &FULL), Ok(Service::Pass), "sound has no size");
    let forbidden = Demand { transcoding: Transcoding::Forbid, ..any };
    assert!(serve(&Format::Vp8, &[], &forbidden, &FULL).is_err() && !reachable(&Format::Vp8, &forbidden));
    assert!(reachable(&Format::Vp8, &any) && reachable(&Format::RawVideo, &forbidden));
}

#[test]
fn forbidden_transcodes_are_refused() {
    assert_eq!(
        ask(&Format::H264, &[Format::Vp8], Transcoding::Forbid, &FULL),
        Err(NoService::Forbidden { from: Format::H264, to: Format::Vp8 })
    );
}

#[test]
fn small_pictures_get_one_thread() {
    let small = encoder_settings("vp8enc", &target(640, 480, Pace::Realtime));
    assert_eq!(value(&small, "threads"), "1");
    assert_eq!(value(&small, "target-bitrate"), "1200000");
    assert_eq!(value(&small, "keyframe-max-dist"), "60");
    assert_eq!(value(&small, "max-intra-bitrate"), "450");
    let large = encoder_settings("vp8enc", &target(1280, 720, Pace::Fastest));
    assert_eq!(value(&large, "threads"), "2");
    assert!(large.iter().all(|(name, _)| *name != "buffer-size"), "a film may be uneven");
    assert_eq!(
        value(&encoder_settings("x264enc", &target(1920, 1080, Pace::Realtime)), "tune"),
        "zerolatency"
    );
    assert!(encoder_settings("identity", &target(1, 1, Pace::Realtime)).is_empty());
}

#[test]
fn every_encoder_of_the_table_has_a_format_and_a_bit_rate() {
    for format in Format::KNOWN {
        for factory in encoders(format) {
            assert_eq!(encoded_by(factory).as_ref(), Some(format));
            for (width, height, fps) in [(0, 0, 0.0), (1, 1, f64::NAN), (u32::MAX, u32::MAX, f64::INFINITY)] {
                let wild = EncoderTarget {
                    width,
                    height,
                    fps,
                    bitrate: Some(u32::MAX),
                    limits: (Some(u32::MAX), Some(u32::MAX)),
                    pace: Pace::Fastest,
                    cpus: 0,
                };
                encoder_settings(factory, &wild);
                assert!(default_bitrate(format, width, height, fps) > 0);
            }
        }
    }
}
